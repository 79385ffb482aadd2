"""Ablations: variants of a model compared over several seeds."""

from igllm_pipelines.pipelines.ablation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
