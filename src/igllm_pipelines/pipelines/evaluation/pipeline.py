"""Wiring of the evaluation node."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.evaluation import nodes


def create_pipeline() -> Pipeline:
    """``predictions, raw, params:domain scenes -> metrics``."""
    return Pipeline(
        [
            Node(
                nodes.evaluate,
                ["predictions", "raw", "params:domain", "params:scenes"],
                "metrics",
                name="evaluate",
                tags="eval",
            )
        ]
    )
