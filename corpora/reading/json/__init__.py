"""Rows of JSON, in every form that people write."""
