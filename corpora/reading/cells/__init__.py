"""Cells of one row: its text and its labels, as people write them."""
