"""The manifest of a bundle, read as a stranger's: every field checked, and what was promised with it."""
