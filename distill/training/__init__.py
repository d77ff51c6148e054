"""Training: one loop for teacher, student and twin, and the sessions that use it."""
