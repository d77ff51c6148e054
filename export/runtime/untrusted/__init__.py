"""Parsers of files that came from elsewhere; each refuses what it does not know."""
