"""Tokenization: programs become tables of token runs."""

from igllm_pipelines.pipelines.tokenization.pipeline import (
    create_tokenizer_pipeline,
    create_tokens_pipeline,
)

__all__ = ["create_tokenizer_pipeline", "create_tokens_pipeline"]
