"""The network: image tower, projector, language model, numeric head, loss."""
