"""Search: recipe values tried on validation."""
