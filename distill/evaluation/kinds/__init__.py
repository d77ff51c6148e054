"""Evaluators of the kinds of task, one final class per file."""
