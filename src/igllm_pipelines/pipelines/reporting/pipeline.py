"""Wiring of the reporting nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.domains import ENCODINGS
from igllm_pipelines.pipelines.reporting import nodes


def create_pipeline() -> Pipeline:
    """``{metrics,history,predictions}_<encoding>, raw -> metrics, report, summary``."""
    parameters = {name: f"params:{name}" for name in ("domain", "scenes", "model")}
    drawing = {name: f"params:{name}" for name in ("rendering", "ray", "reporting")}
    return Pipeline(
        [
            Node(
                nodes.collect_metrics,
                _each("metrics"),
                "metrics",
                name="collect_metrics",
                tags="report",
            ),
            Node(
                nodes.make_report,
                {
                    **parameters,
                    **drawing,
                    "encodings": "params:encodings",
                    "syntax": "syntax",
                    **_each("history"),
                    **_each("predictions"),
                    "raw": "raw",
                    "metrics": "metrics",
                },
                "report",
                name="make_report",
                tags="report",
            ),
            Node(
                nodes.summarize,
                {
                    **parameters,
                    **_each("history"),
                    "metrics": "metrics",
                    "report": "report",
                },
                "summary",
                name="summarize",
                tags="report",
            ),
        ]
    )


def _each(name: str) -> dict[str, str]:
    """``{name_char: name_char, ...}``: each encoding's dataset as an argument."""
    return {f"{name}_{encoding}": f"{name}_{encoding}" for encoding in ENCODINGS}
