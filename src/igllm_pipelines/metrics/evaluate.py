"""Scores prediction records against the true scenes of a split."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from igllm_pipelines.metrics.dots import CellTest, dot_metrics
from igllm_pipelines.metrics.objects import object_metrics
from igllm_pipelines.scene import ProgramError, ProgramSyntax, Scene, parse_program

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


def evaluate_predictions(
    records: Records,
    scenes: Sequence[Scene],
    syntax: ProgramSyntax,
    in_training_cell: CellTest | None = None,
    symmetries: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """All metrics of one split.

    Args:
        records: predictions with ``image`` and ``program``; scenes without a record
            are not scored.
        scenes: the true scenes of the split, in any order.
        syntax: of the domain's programs; with ``x`` and ``y`` it is the 2D domain.
        in_training_cell: for ``snap`` in 2D, positions ``(n, 2)`` to booleans.
        symmetries: of shapes, see `objects.geodesic`.

    Returns:
        The metrics of `dot_metrics` or `object_metrics`, `number_std` and ``images``,
        how many were scored. A metric that cannot be measured (nothing parses,
        nothing is held out) is left out.
    """
    preds = predicted_scenes(records, syntax)
    target = scenes_of(records, scenes)
    if main_error(syntax) == "mse":
        metrics = dot_metrics(preds, target, in_training_cell)
    else:
        metrics = object_metrics(preds, target, syntax, symmetries)
    metrics = {**metrics, "number_std": number_std(records)}
    measured = {k: float(v) for k, v in metrics.items() if not math.isnan(v)}
    return {**measured, "images": float(len(records))}


def number_std(records: Records) -> float:
    """Root mean square of the standard deviations that a model states, NaN of none.

    A model that knows how unsure it is states the root of its mean squared error.

    >>> number_std([{"number_stds": [1.0, 7.0]}, {"number_stds": []}, {}])
    5.0
    """
    stds = [std for record in records for std in record.get("number_stds", ())]
    return math.sqrt(sum(std**2 for std in stds) / len(stds)) if stds else math.nan


def main_error(syntax: ProgramSyntax) -> str:
    """The metric that tells most of a domain's error: what its programs say of place.

    ``mse`` in 2D, ``l2`` where programs have locations, else ``geodesic``.

    >>> [main_error(ProgramSyntax(names)) for names in (("x", "y"), ("rotation",))]
    ['mse', 'geodesic']
    """
    if {"x", "y"} <= set(syntax.attributes):
        return "mse"
    return "l2" if "loc" in syntax.attributes else "geodesic"
