"""Baselines that stand beside the model: the scene parser of NS-VQA."""
