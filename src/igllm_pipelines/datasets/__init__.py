"""Kedro dataset classes: how what the nodes return lies on disk."""
