"""Kinds of task, one final class per file."""
