"""Integer arithmetic: scales, tables, products and their sensitivity."""
