"""Nodes that score predictions."""

from functools import partial
from typing import Any


def evaluate(
    predictions: dict[str, list[dict[str, Any]]],
    raw: Any,
    domain: str,
    scenes: dict[str, Any],
) -> dict[str, dict[str, float]]:
    """Metrics of every predicted split: ``{split: {metric: number}}``."""
    from igllm_pipelines.domains import DOMAINS
    from igllm_pipelines.domains.dots import DotsConfig, in_training_cells
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.metrics.evaluate import evaluate_predictions

    config = scene_config(domain, scenes)
    dots = isinstance(config, DotsConfig)
    cells = partial(in_training_cells, config) if dots else None
    syntax = DOMAINS[domain].syntax
    return {
        split: evaluate_predictions(records, raw.scenes(split), syntax, cells)
        for split, records in predictions.items()
    }
