"""int8 arithmetic: quantization scales, tables, matmuls and their sensitivity."""
