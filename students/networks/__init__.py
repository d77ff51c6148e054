"""The networks of the student families: PyTorch modules and how each starts from a teacher."""
