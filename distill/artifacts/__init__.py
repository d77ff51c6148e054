"""Artifacts: the files that stages exchange, each with its only reader and writer."""
