"""Wiring of the evaluation nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.domains import ENCODINGS
from igllm_pipelines.pipelines.evaluation import nodes


def create_pipeline() -> Pipeline:
    """``predictions, raw, syntax -> metrics, intervals``."""
    return Pipeline(
        [
            Node(
                nodes.score,
                {
                    "predictions": "predictions",
                    "raw": "raw",
                    "syntax": "syntax",
                    "domain": "params:domain",
                    "encoding": "params:encoding",
                    "scenes": "params:scenes",
                },
                ["metrics", "intervals"],
                name="evaluate",
                tags="eval",
            )
        ]
    )


def create_comparison_pipeline() -> Pipeline:
    """``predictions_*, history_*, raw, syntax -> comparison, curves``."""
    return Pipeline(
        [
            Node(
                nodes.training_curves,
                {e: f"history_{e}" for e in ENCODINGS},
                "curves",
                name="collect_curves",
                tags="report",
            ),
            Node(
                nodes.compare,
                {
                    **{f"predictions_{e}": f"predictions_{e}" for e in ENCODINGS},
                    "raw": "raw",
                    "syntax": "syntax",
                    "domain": "params:domain",
                    "encodings": "params:encodings",
                    "scenes": "params:scenes",
                },
                "comparison",
                name="compare_encodings",
                tags=["eval", "report"],
            ),
        ]
    )
