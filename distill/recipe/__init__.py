"""Recipes: the strict, frozen models of the TOML file that describes a run."""
