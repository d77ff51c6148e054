"""Starter recipes: what `distill init` proposes for files that nobody has described."""
