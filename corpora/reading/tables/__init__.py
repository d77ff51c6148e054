"""Rows of tables: delimited text, sheets, parquet, token tables."""
