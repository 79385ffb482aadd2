"""Reporting: both encodings of a domain, side by side."""

from igllm_pipelines.pipelines.reporting.pipeline import create_pipeline

__all__ = ["create_pipeline"]
