"""Evaluation: metrics, calibration, thresholds, floors, risk and bootstrap: pure functions on arrays."""
