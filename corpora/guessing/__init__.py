"""Guessing: what the columns of an unknown table may be. Rules of thumb, all pure."""
