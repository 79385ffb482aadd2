"""Validation: no data set is trained on that is not what it should be."""

from igllm_pipelines.pipelines.validation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
