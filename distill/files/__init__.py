"""Files: atomic writes, JSON, locks, sizes."""
