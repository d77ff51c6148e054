"""Objectives: the losses that a student minimises."""
