"""Runs: the folder of one execution, its stages and fingerprints, progress and interrupts."""
