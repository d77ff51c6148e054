"""Corpora: tasks, sources, checks, splits and metrics."""
