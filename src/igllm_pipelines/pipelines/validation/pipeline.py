"""Wiring of the validation nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.validation import nodes


def create_pipeline() -> Pipeline:
    """``raw, params:domain scenes -> validation, data_docs, data_card``."""
    return Pipeline(
        [
            Node(
                nodes.validate,
                ["raw", "params:domain", "params:scenes"],
                ["validation", "data_docs"],
                name="validate",
                tags="data",
            ),
            Node(
                nodes.describe,
                ["raw", "params:domain", "validation"],
                "data_card",
                name="describe",
                tags="data",
            ),
        ]
    )
