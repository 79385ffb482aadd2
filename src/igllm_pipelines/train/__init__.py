"""Training: data order, trainer, checkpoints, warm-up of towers, feature cache."""
