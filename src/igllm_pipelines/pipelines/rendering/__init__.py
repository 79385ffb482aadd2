"""Draws the scenes of a domain and renders them."""

from igllm_pipelines.pipelines.rendering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
