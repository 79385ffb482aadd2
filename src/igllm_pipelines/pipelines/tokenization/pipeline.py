"""Wiring of the tokenization nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.tokenization import nodes


def create_tokenizer_pipeline() -> Pipeline:
    """The tokenizer, once a domain."""
    return Pipeline(
        [
            Node(
                nodes.train_tokenizer,
                ["params:domain", "data_card"],
                "tokenizer",
                name="train_tokenizer",
                tags="data",
            )
        ]
    )


def create_tokens_pipeline() -> Pipeline:
    """The token tables, once a domain and encoding."""
    return Pipeline(
        [
            Node(
                nodes.tokenize,
                ["raw", "tokenizer", "params:domain", "params:encoding"],
                "tokens",
                name="tokenize",
                tags="data",
            )
        ]
    )
