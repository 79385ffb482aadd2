"""Wiring of the tokenization nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.tokenization import nodes


def create_tokenizer_pipeline() -> Pipeline:
    """What programs look like and the tokenizer, once a domain."""
    return Pipeline(
        [
            Node(
                nodes.describe_programs,
                ["raw", "params:domain", "data_card"],
                "syntax",
                name="describe_programs",
                tags="data",
            ),
            Node(
                nodes.make_tokenizer,
                ["syntax", "params:model"],
                "tokenizer",
                name="make_tokenizer",
                tags="data",
            ),
        ]
    )


def create_tokens_pipeline() -> Pipeline:
    """The token tables, once a domain and encoding."""
    return Pipeline(
        [
            Node(
                nodes.tokenize,
                ["raw", "tokenizer", "syntax", "params:encoding"],
                "tokens",
                name="tokenize",
                tags="data",
            )
        ]
    )
