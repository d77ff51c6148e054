"""Counts of what a bundle decides in use, without a text."""
