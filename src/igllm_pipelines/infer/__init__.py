"""Inference: the program grammar, batched decoding, prediction records."""
