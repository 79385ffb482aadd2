"""Studies: models trained alike from several seeds, their errors side by side."""

from igllm_pipelines.pipelines.study.pipeline import create_pipeline

__all__ = ["create_pipeline"]
