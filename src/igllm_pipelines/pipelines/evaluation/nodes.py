"""Nodes that score predictions."""

from functools import partial
from typing import Any

from igllm_pipelines.domains import encoding_syntax
from igllm_pipelines.scene import ProgramSyntax


def evaluate(
    *,
    predictions: dict[str, list[dict[str, Any]]],
    raw: Any,
    syntax: ProgramSyntax,
    domain: str,
    encoding: str,
    scenes: dict[str, Any],
) -> dict[str, dict[str, float]]:
    """Metrics of every predicted split: ``{split: {metric: number}}``."""
    from igllm_pipelines.domains.dots import DotsConfig, in_training_cells
    from igllm_pipelines.domains.sources import scene_config, symmetries
    from igllm_pipelines.metrics.evaluate import evaluate_predictions

    config = scene_config(domain, scenes)
    dots = isinstance(config, DotsConfig)
    return {
        split: evaluate_predictions(
            records,
            raw.scenes(split),
            encoding_syntax(syntax, encoding),
            in_training_cell=partial(in_training_cells, config) if dots else None,
            symmetries=symmetries(config),
        )
        for split, records in predictions.items()
    }
