"""Graphs: fp32 ONNX of students and teachers, fused and calibrated."""
