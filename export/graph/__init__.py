"""fp32 ONNX graphs of students and teachers: export, fusions, calibration, and the builder of all graphs."""
