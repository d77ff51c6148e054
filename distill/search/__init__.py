"""Search over recipe values, scored on validation."""
