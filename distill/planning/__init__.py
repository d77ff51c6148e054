"""Planning: students measured before training, and the best one for a budget."""
