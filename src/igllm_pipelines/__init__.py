"""Inverse graphics with language models: one image in, a graphics program out."""

__version__ = "0.1.0"
