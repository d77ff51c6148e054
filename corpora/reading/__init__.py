"""Readers of files and hub data sets, which yield records one row at a time."""
