"""Scores prediction records against the true scenes of a split."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from igllm_pipelines.metrics.detection import detection
from igllm_pipelines.metrics.dots import CellTest, dot_statistics
from igllm_pipelines.metrics.matching import match_scenes
from igllm_pipelines.metrics.objects import object_statistics
from igllm_pipelines.metrics.programs import parse_programs
from igllm_pipelines.metrics.sums import (
    RootMeanSquare,
    SceneSums,
    Statistic,
    bootstrap_intervals,
    paired_differences,
)
from igllm_pipelines.metrics.surfaces import SurfaceOf, chamfer_sums
from igllm_pipelines.metrics.table import as_table
from igllm_pipelines.scene import (
    ProgramError,
    ProgramSyntax,
    Scene,
    SceneObject,
    parse_program,
)

Records = Sequence[Mapping[str, Any]]


def predicted_scenes(records: Records, syntax: ProgramSyntax) -> list[Scene | None]:
    """Parses each record's ``program``; None where it does not parse.

    >>> syntax = ProgramSyntax(("x", "y"))
    >>> predicted_scenes([{"program": "add(x="}], syntax)
    [None]
    """
    return [_parse(record["program"], syntax) for record in records]


def _parse(program: str, syntax: ProgramSyntax) -> Scene | None:
    try:
        return parse_program(program, syntax)
    except ProgramError:
        return None


def scenes_of(records: Records, scenes: Sequence[Scene]) -> list[Scene]:
    """The true scene of each record, found by its image name.

    Raises:
        ValueError: a record names an image that the split does not have, or two
            records name the same image.
    """
    by_image = {scene.image_filename: scene for scene in scenes}
    names = [record["image"] for record in records]
    unknown = sorted(set(names) - set(by_image))
    if unknown:
        raise ValueError(
            f"{len(unknown)} predictions name images that the labels do not have, "
            f"first {unknown[0]!r}; predict again with the present data"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"image {twice!r} is predicted twice; predict again")
    return [by_image[name] for name in names]


@dataclass(frozen=True)
class Scoring:
    """What metrics know of a domain.

    Attributes:
        syntax: of the programs; with ``x`` and ``y`` it is the 2D domain.
        in_training_cell: for ``snap`` in 2D, positions ``(n, 2)`` to booleans.
        symmetries: of shapes, see `objects.geodesic`.
        surface_of: for ``chamfer``, see `surfaces`; None where objects have none.
        finish: a predicted object with what its program does not say, as it is
            rendered again; None where nothing is added. It concerns surfaces alone.
    """

    syntax: ProgramSyntax
    in_training_cell: CellTest | None = None
    symmetries: Mapping[str, int] = field(default_factory=dict)
    surface_of: SurfaceOf | None = None
    finish: Callable[[SceneObject], SceneObject] | None = None


def evaluate_predictions(
    records: Records,
    scenes: Sequence[Scene],
    syntax: ProgramSyntax,
    in_training_cell: CellTest | None = None,
    symmetries: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """All metrics of one split that need no surfaces.

    Args:
        records: predictions with ``image`` and ``program``; scenes without a record
            are not scored.
        scenes: the true scenes of the split, in any order.
        syntax: of the domain's programs; with ``x`` and ``y`` it is the 2D domain.
        in_training_cell: for ``snap`` in 2D, positions ``(n, 2)`` to booleans.
        symmetries: of shapes, see `objects.geodesic`.

    Returns:
        The metrics of `dot_metrics` or `object_metrics`, ``number_std`` and ``images``,
        how many were scored. A metric that cannot be measured (nothing parses,
        nothing is held out) is left out.
    """
    scoring = Scoring(syntax, in_training_cell, symmetries or {})
    return metric_values(score_records(records, scenes, scoring))


def score_records(
    records: Records, scenes: Sequence[Scene], scoring: Scoring
) -> dict[str, Statistic]:
    """The metrics of one split by scene, in the order of the records.

    Args:
        records: see `evaluate_predictions`.
        scenes: see `evaluate_predictions`.
        scoring: what is known of the domain.

    Returns:
        Those of `evaluate_predictions` without ``images``, and ``chamfer`` (metres)
        where the objects have surfaces.
    """
    syntax = scoring.syntax
    true = scenes_of(records, scenes)
    preds = parse_programs([record["program"] for record in records], syntax)
    target = as_table(true)
    parts: dict[str, Statistic] = {"number_std": stated_stds(records)}
    if main_error(syntax) == "mse":
        return {**dot_statistics(preds, target, scoring.in_training_cell), **parts}
    matches = match_scenes(preds, target)
    if scoring.surface_of is not None:
        said = [_finished(s, scoring) for s in predicted_scenes(records, syntax)]
        parts["chamfer"] = chamfer_sums(said, true, scoring.surface_of)
    return {
        **object_statistics(matches, preds, target, syntax, scoring.symmetries),
        **parts,
    }


def _finished(scene: Scene | None, scoring: Scoring) -> Scene | None:
    if scene is None or scoring.finish is None:
        return scene
    return replace(scene, objects=tuple(map(scoring.finish, scene.objects)))


def score_detection(
    records: Records, scenes: Sequence[Scene], syntax: ProgramSyntax
) -> dict[str, Statistic]:
    """Precision, recall, F1, average precision; none where programs say no place.

    Args:
        records: see `evaluate_predictions`; with a ``log_probability`` each, the most
            probable answers enter the average precision first.
        scenes: see `evaluate_predictions`.
        syntax: of the domain's programs.
    """
    if "loc" not in syntax.attributes:
        return {}
    target = as_table(scenes_of(records, scenes))
    preds = parse_programs([record["program"] for record in records], syntax)
    certain = all(record.get("log_probability") is not None for record in records)
    scores = [record["log_probability"] for record in records] if certain else None
    return detection(
        match_scenes(preds, target),
        preds,
        target,
        None if scores is None else np.asarray(scores, dtype=np.float64),
    )


def metric_values(parts: Mapping[str, Statistic]) -> dict[str, float]:
    """Each metric that was measured, and ``images``, how many were scored."""
    values = {name: part.value for name, part in parts.items()}
    measured = {name: v for name, v in values.items() if not math.isnan(v)}
    images = next(iter(parts.values())).num_scenes
    return {**measured, "images": float(images)}


def metric_intervals(
    parts: Mapping[str, Statistic], rng: np.random.Generator
) -> dict[str, dict[str, float]]:
    """``{metric: {value, low, high, samples}}`` of what was measured.

    Args:
        parts: the metrics by scene.
        rng: draws the scenes, see `sums.bootstrap_intervals`.
    """
    found = bootstrap_intervals(parts, rng)
    return {
        name: {
            "value": parts[name].value,
            **interval._asdict(),
            "samples": parts[name].samples,
        }
        for name, interval in found.items()
        if interval is not None
    }


def metric_differences(
    first: Mapping[str, Statistic],
    second: Mapping[str, Statistic],
    rng: np.random.Generator,
) -> dict[str, dict[str, float]]:
    """``{metric: {difference, low, high, samples}}``, first minus second.

    Args:
        first: metrics of a model.
        second: of another one on the same scenes in the same order.
        rng: draws the scenes, see `sums.paired_differences`.
    """
    found = paired_differences(first, second, rng)
    return {
        name: {
            "difference": part.value,
            "low": part.low,
            "high": part.high,
            "samples": min(first[name].samples, second[name].samples),
        }
        for name, part in found.items()
        if part is not None
    }


def number_std(records: Records) -> float:
    """Root mean square of the standard deviations that a model states, NaN of none.

    A model that knows how unsure it is states the root of its mean squared error.

    >>> number_std([{"number_stds": [1.0, 7.0]}, {"number_stds": []}, {}])
    5.0
    """
    return stated_stds(records).value


def stated_stds(records: Records) -> RootMeanSquare:
    """`number_std` by record."""
    stds = [np.asarray(record.get("number_stds") or (), float) for record in records]
    squares = np.array([float(row @ row) for row in stds])
    counts = np.array([len(row) for row in stds], dtype=np.float64)
    return RootMeanSquare(SceneSums(squares, counts))


def main_error(syntax: ProgramSyntax) -> str:
    """The metric that tells most of a domain's error: what its programs say of place.

    ``mse`` in 2D, ``l2`` where programs have locations, else ``geodesic``.

    >>> [main_error(ProgramSyntax(names)) for names in (("x", "y"), ("rotation",))]
    ['mse', 'geodesic']
    """
    if {"x", "y"} <= set(syntax.attributes):
        return "mse"
    return "l2" if "loc" in syntax.attributes else "geodesic"
