"""`training.json`: what a training session leaves beside the weights."""

TRAINING_FILE = "training.json"
