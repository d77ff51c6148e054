"""Teachers: encoder classifiers, their fine-tuning and inference, and the store of their soft labels."""
