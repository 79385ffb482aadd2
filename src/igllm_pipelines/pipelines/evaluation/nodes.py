"""Nodes that score predictions.

Datasets of an encoding come with its name as a suffix where there are several,
``predictions_char``.
"""

from functools import partial
from typing import Any

from igllm_pipelines.domains import encoding_syntax
from igllm_pipelines.scene import ProgramSyntax

_SEED = 0  # of the bootstrap: the same predictions give the same intervals
Predictions = dict[str, list[dict[str, Any]]]


def evaluate(
    *,
    predictions: Predictions,
    raw: Any,
    syntax: ProgramSyntax,
    domain: str,
    encoding: str,
    scenes: dict[str, Any],
) -> dict[str, dict[str, float]]:
    """Metrics of every predicted split without surfaces: ``{split: {metric: number}}``.

    An ablation, which scores very many models, uses these alone.
    """
    from igllm_pipelines.metrics.evaluate import metric_values, score_records

    scoring = _scoring(domain, scenes, encoding_syntax(syntax, encoding))
    return {
        split: metric_values(score_records(records, raw.scenes(split), scoring))
        for split, records in predictions.items()
    }


def score(
    *,
    predictions: Predictions,
    raw: Any,
    syntax: ProgramSyntax,
    domain: str,
    encoding: str,
    scenes: dict[str, Any],
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, dict[str, float]]]]:
    """Metrics of every predicted split, and how sure they are.

    Returns:
        ``{split: {metric: number}}`` and, with precision, recall, F1 and average
        precision beside, ``{split: {metric: {value, low, high, samples}}}``.
    """
    import numpy as np

    from igllm_pipelines.metrics.evaluate import metric_intervals, metric_values

    scoring = _scoring(domain, scenes, encoding_syntax(syntax, encoding), surfaces=True)
    metrics, intervals = {}, {}
    for split, records in predictions.items():
        parts, found = _score_split(records, raw.scenes(split), scoring)
        metrics[split] = metric_values(parts)
        rng = np.random.default_rng(_SEED)
        intervals[split] = metric_intervals({**parts, **found}, rng)
    return metrics, intervals


def compare(
    *,
    predictions_char: Predictions,
    predictions_float: Predictions,
    raw: Any,
    syntax: ProgramSyntax,
    domain: str,
    encodings: dict[str, str],
    scenes: dict[str, Any],
) -> dict[str, dict[str, dict[str, float]]]:
    """Char minus float on the images that both predicted.

    Returns:
        ``{split: {metric: {difference, low, high, samples}}}``.
    """
    import numpy as np

    from igllm_pipelines.metrics.evaluate import metric_differences

    both = {"char": predictions_char, "float": predictions_float}
    scorings = {
        name: _scoring(
            domain, scenes, encoding_syntax(syntax, encodings[name]), surfaces=True
        )
        for name in both
    }
    result = {}
    for split in (s for s in predictions_char if s in predictions_float):
        by_image = {
            name: {record["image"]: record for record in predictions[split]}
            for name, predictions in both.items()
        }
        images = [image for image in by_image["char"] if image in by_image["float"]]
        parts = {}
        for name, records in by_image.items():
            chosen = [records[image] for image in images]
            scored, found = _score_split(chosen, raw.scenes(split), scorings[name])
            parts[name] = {**scored, **found}
        rng = np.random.default_rng(_SEED)
        result[split] = metric_differences(parts["char"], parts["float"], rng)
    return result


def training_curves(**histories: list[dict[str, float]]) -> list[dict[str, Any]]:
    """The training loss of each encoding by step, as `dvc plots` draws it.

    Args:
        **histories: records with ``step`` and, of training, ``loss``.

    Returns:
        records ``{"step": int, encoding: loss}``; a loss that was not logged is None.
    """
    losses = {
        encoding: {row["step"]: row["loss"] for row in history if "loss" in row}
        for encoding, history in histories.items()
    }
    steps = sorted(set().union(*losses.values()))
    return [
        {"step": step, **{name: losses[name].get(step) for name in losses}}
        for step in steps
    ]


def _score_split(
    records: list[dict[str, Any]], scenes: Any, scoring: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    from igllm_pipelines.metrics.evaluate import score_detection, score_records

    return (
        score_records(records, scenes, scoring),
        score_detection(records, scenes, scoring.syntax),
    )


def _scoring(
    domain: str,
    scenes: dict[str, Any],
    syntax: ProgramSyntax,
    *,
    surfaces: bool = False,
) -> Any:
    """What the metrics know of a domain."""
    from igllm_pipelines.domains.dots import DotsConfig, in_training_cells
    from igllm_pipelines.domains.sources import scene_config, symmetries
    from igllm_pipelines.metrics.evaluate import Scoring

    config = scene_config(domain, scenes)
    return Scoring(
        syntax,
        partial(in_training_cells, config) if isinstance(config, DotsConfig) else None,
        symmetries(config),
        _surfaces(domain, config) if surfaces else None,
        getattr(config, "finish", None),
    )


def _surfaces(domain: str, config: Any) -> Any:
    """The surfaces of a domain's objects; None where no mesh of them is known."""
    from igllm_pipelines.assets import load_catalog
    from igllm_pipelines.domains.clevr import RADIUS_M
    from igllm_pipelines.metrics.surfaces import asset_surfaces, solid_surfaces

    if domain == "clevr":
        return solid_surfaces(RADIUS_M)
    return asset_surfaces(load_catalog(config.assets)) if config.assets else None
