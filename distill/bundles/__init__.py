"""Bundles in use: predict, evaluate and compare, without torch."""
