"""Evaluation: predictions against the true scenes."""

from igllm_pipelines.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
