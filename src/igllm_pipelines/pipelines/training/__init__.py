"""Training: the image tower and its features, then the model."""

from igllm_pipelines.pipelines.training.pipeline import (
    create_pipeline,
    create_tower_pipeline,
)

__all__ = ["create_pipeline", "create_tower_pipeline"]
