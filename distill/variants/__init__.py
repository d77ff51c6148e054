"""Variants: the exported forms of a student, their gate, and the bundle that ships."""
