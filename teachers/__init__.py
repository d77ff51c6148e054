"""Teachers: the encoder classifier, its fine-tuning, and the store of its soft labels."""
