"""Bundles on the Hugging Face hub, by explicit addresses; nothing else opens a socket for a bundle."""
