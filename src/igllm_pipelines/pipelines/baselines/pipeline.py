"""Wiring of the baselines' nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.baselines import nodes


def create_nsvqa_pipeline() -> Pipeline:
    """``raw, syntax -> parser, history, predictions``."""
    shared = {
        "raw": "raw",
        "syntax": "syntax",
        "domain": "params:domain",
        "nsvqa": "params:nsvqa",
    }
    return Pipeline(
        [
            Node(
                nodes.train_parser,
                {**shared, "checkpoints": "checkpoints", "seed": "params:seed"},
                ["parser", "history"],
                name="train_parser",
                tags="train",
            ),
            Node(
                nodes.predict,
                {**shared, "parser": "parser"},
                "predictions",
                name="predict",
                tags="infer",
            ),
        ]
    )
