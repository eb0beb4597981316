"""Training: configuration, checkpoints, the loop."""
