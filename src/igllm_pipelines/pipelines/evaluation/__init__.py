"""Evaluation: predictions against the true scenes, char against float."""

from igllm_pipelines.pipelines.evaluation.pipeline import (
    create_comparison_pipeline,
    create_pipeline,
)

__all__ = ["create_comparison_pipeline", "create_pipeline"]
