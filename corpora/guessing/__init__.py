"""Guesses of the text, labels and groups among the columns of an unknown table. Rules of thumb, all pure."""
