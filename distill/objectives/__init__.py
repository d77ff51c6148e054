"""Objectives: what a student minimises."""
