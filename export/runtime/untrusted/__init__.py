"""Parsers of files from elsewhere; each refuses what it does not know."""
