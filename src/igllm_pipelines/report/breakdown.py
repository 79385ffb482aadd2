"""Where errors come from: by number of objects, place and size, and as stated.

The error here is a pair's own: the distance of its locations, in metres or (2D) image
sides, and where programs say no location the angle between its orientations.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from igllm_pipelines.metrics.evaluate import (
    Records,
    main_error,
    predicted_scenes,
    scenes_of,
)
from igllm_pipelines.metrics.matching import Matches, match_scenes
from igllm_pipelines.metrics.objects import pair_angles_deg
from igllm_pipelines.metrics.sums import bootstrap_intervals, scene_means
from igllm_pipelines.metrics.table import BoolArray, FloatArray
from igllm_pipelines.report.reading import Reading
from igllm_pipelines.scene import ProgramSyntax, Scene, SceneObject

UNITS = {
    "mse": "distance [image sides]",
    "l2": "distance [m]",
    "geodesic": "angle [degrees]",
}
_DIAGONAL = 2**0.5  # 2D: no answer within the image is further off
QUARTERS = ("smallest\nquarter", "second", "third", "largest\nquarter")
"""Labels of `by_size` where the labels count visible pixels."""
_SEED = 0  # the same results give the same figures
_NUMBERS = re.compile(r"(\w+)=(?:\(([^)]*)\)|([-+.\de]+))")


@dataclass(frozen=True, eq=False)
class PairErrors:
    """What an encoding errs by on the matched objects of a split.

    Attributes:
        matches: the pairs.
        errors: ``(pairs,)``, NaN where one cannot be measured.
        angles_deg: ``(pairs,)`` between the orientations, NaN where not known.
        target: the true scenes, in the order of the predictions.
        preds: the predicted ones, None where an answer does not parse.
    """

    matches: Matches
    errors: FloatArray
    angles_deg: FloatArray
    target: Sequence[Scene]
    preds: Sequence[Scene | None]

    @property
    def objects(self) -> list[SceneObject]:
        """The true object of each pair."""
        rows = zip(self.matches.scene, self.matches.target, strict=True)
        return [self.target[scene].objects[index] for scene, index in rows]

    @property
    def said(self) -> list[SceneObject]:
        """The predicted object of each pair."""
        rows = zip(self.matches.scene, self.matches.pred, strict=True)
        found = ((self.preds[scene], index) for scene, index in rows)
        return [scene.objects[index] for scene, index in found if scene is not None]

    def scene_means(self) -> FloatArray:
        """The mean error ``(scenes,)``, infinite where nothing was measured."""
        sums = scene_means(self.matches, self.errors, len(self.target))
        means = np.full(len(self.target), np.inf)
        measured = sums.denominator > 0
        means[measured] = sums.numerator[measured]
        return means


class Group(NamedTuple):
    """Errors of some of the objects: how many, their mean, where it lies."""

    label: str
    objects: int
    mean: float
    low: float
    high: float


def error_unit(syntax: ProgramSyntax) -> str:
    """What the error of a pair is.

    >>> error_unit(ProgramSyntax(("x", "y")))
    'distance [image sides]'
    """
    return UNITS[main_error(syntax)]


def pair_errors(
    records: Records, scenes: Sequence[Scene], reading: Reading
) -> PairErrors:
    """The error of every matched object.

    Args:
        records: the predictions.
        scenes: the true scenes of the split, in any order.
        reading: of the programs.
    """
    preds = predicted_scenes(records, reading.syntax)
    target = scenes_of(records, scenes)
    matches = match_scenes(preds, target)
    angles_deg = pair_angles_deg(matches, preds, target, reading.symmetries)
    kind = main_error(reading.syntax)
    errors = angles_deg if kind == "geodesic" else matches.distance
    if kind == "mse":
        errors = np.minimum(errors, _DIAGONAL)
    return PairErrors(matches, errors, angles_deg, target, preds)


def by_count(pairs: PairErrors) -> list[Group]:
    """Errors by the number of true objects; nothing where all scenes have the same."""
    counts = np.asarray([len(scene.objects) for scene in pairs.target], dtype=np.int64)
    of_pair = counts[pairs.matches.scene]
    found = np.unique(of_pair)
    masks = {str(count): of_pair == count for count in found.tolist()}
    return _groups(pairs, masks) if len(masks) > 1 else []


def by_size(pairs: PairErrors) -> list[Group]:
    """Errors by how much of the object is seen, else by its size in words.

    Quarters of the objects by their visible pixels, where the labels tell them and they
    differ. Nothing where labels tell neither.
    """
    objects = pairs.objects
    seen = np.asarray([o.visible_pixels or np.nan for o in objects], dtype=np.float64)
    if len({*seen[np.isfinite(seen)].tolist()}) > 1:
        borders = np.nanquantile(seen, (0.25, 0.5, 0.75))
        quarter = np.where(np.isfinite(seen), np.searchsorted(borders, seen), -1)
        return _groups(pairs, {n: quarter == i for i, n in enumerate(QUARTERS)})
    words = np.asarray([o.size or "" for o in objects], dtype=np.str_)
    return _groups(pairs, {w: words == w for w in sorted({*words.tolist()} - {""})})


def _groups(pairs: PairErrors, masks: Mapping[str, BoolArray]) -> list[Group]:
    known = np.isfinite(pairs.errors)
    sums = {
        label: scene_means(pairs.matches.keep(mask), pairs.errors[mask], scenes)
        for label, mask in masks.items()
        if (mask & known).any() and (scenes := len(pairs.target))
    }
    found = bootstrap_intervals(sums, np.random.default_rng(_SEED))
    groups = []
    for label, part in sums.items():
        low, high = found[label] or (np.nan, np.nan)
        objects = int((masks[label] & known).sum())
        groups.append(Group(label, objects, part.value, low, high))
    return groups


def image_places(pairs: PairErrors, shape: Sequence[int]) -> FloatArray:
    """Where the true objects are seen: u and v ``(pairs, 2)`` in shares of the image.

    NaN where the labels do not tell.

    Args:
        pairs: the objects.
        shape: height and width of the images.
    """
    height, width, *_ = shape
    nowhere = (np.nan, np.nan)
    rows = [o.pixel_coords[:2] if o.pixel_coords else nowhere for o in pairs.objects]
    pixels = np.asarray(rows, dtype=np.float64).reshape(-1, 2)
    return pixels / np.asarray([width, height], dtype=np.float64)


def stated_errors(records: Records, pairs: PairErrors) -> FloatArray:
    """How unsure the model says it is of each coordinate, and how far it is off.

    Returns:
        Standard deviation and absolute error ``(coordinates, 2)`` of the locations of
        matched objects. Programs without an object a line are left out.
    """
    matches = pairs.matches
    of_pair = zip(matches.scene.tolist(), matches.pred.tolist(), strict=True)
    partner = dict(zip(of_pair, pairs.objects, strict=True))
    rows = []
    for scene, record in enumerate(records):
        stds = record.get("number_stds", ())
        numbers = list(_coordinates(record["program"]))
        if len(numbers) != len(stds):
            continue
        for (line, axis, value), std in zip(numbers, stds, strict=True):
            true = partner.get((scene, line))
            if true is not None and true.location is not None and axis is not None:
                rows.append((std, abs(value - true.location[axis])))
    return np.asarray(rows, dtype=np.float64).reshape(-1, 2)


def _coordinates(program: str) -> Iterator[tuple[int, int | None, float]]:
    """Line, axis and value of every number; the axis is None of a rotation's."""
    axes = {"x": 0, "y": 1}
    for line, text in enumerate(program.splitlines()):
        for name, several, single in _NUMBERS.findall(text):
            values = several.split(",") if several else [single]
            for index, value in enumerate(values):
                axis = index if name == "loc" else axes.get(name)
                yield line, axis, float(value)
