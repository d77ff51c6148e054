"""How each kind of task is judged, one final class per file."""
