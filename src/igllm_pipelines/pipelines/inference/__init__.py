"""Inference: images become programs."""

from igllm_pipelines.pipelines.inference.pipeline import create_pipeline

__all__ = ["create_pipeline"]
