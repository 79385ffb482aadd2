"""Wiring of the evaluation node."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.evaluation import nodes


def create_pipeline() -> Pipeline:
    """``predictions, raw, syntax -> metrics``."""
    return Pipeline(
        [
            Node(
                nodes.evaluate,
                {
                    "predictions": "predictions",
                    "raw": "raw",
                    "syntax": "syntax",
                    "domain": "params:domain",
                    "encoding": "params:encoding",
                    "scenes": "params:scenes",
                },
                "metrics",
                name="evaluate",
                tags="eval",
            )
        ]
    )
