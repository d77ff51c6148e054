"""Ways to fine-tune a teacher: one final class per method, and the few weights that each of them trains."""
