"""From a row to token ids: what one row is, its words, and their pieces."""
