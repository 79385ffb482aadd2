"""Wiring of the reporting nodes."""

from collections.abc import Iterable

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.domains import ENCODINGS
from igllm_pipelines.pipelines.reporting import nodes


def create_pipeline(encodings: Iterable[str] = ENCODINGS) -> Pipeline:
    """Everything that is said of a domain's results.

    ``{metrics,intervals,history,predictions}_<encoding>, comparison, raw -> metrics,
    results, report, summary``.

    Args:
        encodings: that stand side by side; a baseline counts as one.
    """
    encodings = tuple(encodings)

    def each(*names: str) -> dict[str, str]:
        """``{history_char: history_char, ...}``: each dataset as an argument."""
        return {f"{n}_{e}": f"{n}_{e}" for n in names for e in encodings}

    parameters = {name: f"params:{name}" for name in ("domain", "scenes", "model")}
    drawing = {name: f"params:{name}" for name in ("rendering", "ray", "reporting")}
    measured = {**parameters, **each("history", "intervals"), "metrics": "metrics"}
    return Pipeline(
        [
            Node(
                nodes.collect_metrics,
                each("metrics"),
                "metrics",
                name="collect_metrics",
                tags="report",
            ),
            Node(
                nodes.tabulate,
                {**measured, "raw": "raw", "report": "report"},
                "results",
                name="tabulate",
                tags="report",
            ),
            Node(
                nodes.make_report,
                {
                    **measured,
                    **drawing,
                    **each("predictions"),
                    "encodings": "params:encodings",
                    "syntax": "syntax",
                    "raw": "raw",
                    "comparison": "comparison",
                },
                "report",
                name="make_report",
                tags="report",
            ),
            Node(
                nodes.summarize,
                {
                    **measured,
                    "raw": "raw",
                    "comparison": "comparison",
                    "report": "report",
                },
                "summary",
                name="summarize",
                tags="report",
            ),
        ]
    )
