"""Baselines: NS-VQA's scene parser, trained and asked on the same images."""

from igllm_pipelines.pipelines.baselines.pipeline import create_nsvqa_pipeline

__all__ = ["create_nsvqa_pipeline"]
