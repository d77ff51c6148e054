"""Measurements: latency, memory, bytes by component, and the CPU they were taken on."""
