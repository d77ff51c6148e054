"""Labelling: soft labels of everything that a student learns from."""
