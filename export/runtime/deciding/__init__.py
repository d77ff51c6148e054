"""From scores to a decision: the kinds of task, sets, calls with a policy of their own, hand-over."""
