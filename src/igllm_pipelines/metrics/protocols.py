"""Two ways to score a file of predictions: as the paper's script does, and honestly.

``reference`` gives the figures that the paper's script gives, its traps included:
an unreadable number is 0, a missing location (0, 0, 0), a missing rotation zeros; a
scene whose L2 is exactly 0 does not count in L2; ``6d`` takes the two rows and their
cross product as a matrix that is then made orthogonal. A scene on which the script
would crash (nothing predicted, rotation numbers that name no rotation) is left out and
counted as skipped.

``strict`` replaces nothing by zero. An answer that breaks the grammar is counted as
such, and its objects are missed; missed and invented objects cost precision and recall;
every mean has a bootstrap interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from igllm_pipelines.metrics.answers import Answer
from igllm_pipelines.metrics.detection import THRESHOLDS_M, detection
from igllm_pipelines.metrics.labels import Labels
from igllm_pipelines.metrics.matching import Matches, match_scenes
from igllm_pipelines.metrics.objects import (
    SHAPES_LEFT_OUT,
    count_sums,
    pair_angles_deg,
    parse_sums,
    word_sums,
)
from igllm_pipelines.metrics.programs import parse_programs, read_leniently
from igllm_pipelines.metrics.sums import (
    SceneSums,
    Statistic,
    bootstrap_intervals,
    scene_means,
)
from igllm_pipelines.metrics.table import FloatArray, ObjectTable, starts_of
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.scene.program import WORD_ATTRIBUTES
from igllm_pipelines.scene.rotations import COMPONENTS

PROTOCOLS = ("reference", "strict")
ROTATION_REPS = ("yaw", *COMPONENTS)
SCORES = ("l2", "geod", "count", *WORD_ATTRIBUTES, "category")
Scores = dict[str, Any]
Answers = Sequence[Answer | None]


@dataclass(frozen=True)
class Protocol:
    """How programs are written and scored.

    Attributes:
        rotation_rep: of `ROTATION_REPS`; ``yaw`` is CLEVR's.
        words: the vocabulary whose `synonyms` are known.
        synonyms: see `ProgramSyntax`.
        symmetries: by shape, see `objects.geodesic`; strict scoring adds the angle
            that knows them, and CLEVR's yaw is scored with them alone.
        thresholds: distances of true positives, in the units of locations.
        resamples: draws of the bootstrap.
        seed: of the bootstrap.
    """

    rotation_rep: str
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    synonyms: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    symmetries: Mapping[str, int] = field(default_factory=dict)
    thresholds: tuple[float, ...] = THRESHOLDS_M
    resamples: int = 1000
    seed: int = 0

    @property
    def syntax(self) -> ProgramSyntax:
        """Programs with all attributes that any domain has."""
        return ProgramSyntax(
            (*WORD_ATTRIBUTES, "loc", "x", "y", "rotation"),
            self.words,
            self.synonyms,
            rotation_rep=self.rotation_rep,
        )


def reference_scores(labels: Labels, answers: Answers, protocol: Protocol) -> Scores:
    """What the paper's script says of these answers.

    Returns:
        ``l2`` (metres), ``geod`` (degrees; None for ``yaw``), ``count`` (objects), the
        word attributes and ``category`` (percent); each None where the labels lack it
        or no scene is left; in 2D ``mse`` (image sides squared). ``skipped``: the
        scenes that are left out; of these, ``unanswered`` have no answer in the file.
        ``scenes``: all of the labels.
    """
    target = labels.objects
    has_angle = protocol.rotation_rep != "yaw" and labels.has("rotation")
    rep = protocol.rotation_rep if has_angle else "yaw"
    preds = read_leniently(
        [a.program if a else "" for a in answers],
        protocol.syntax,
        partial(_script_quats, protocol.rotation_rep) if has_angle else _no_quats,
    )
    matches = match_scenes(preds, target)
    skipped = np.bincount(matches.scene, minlength=len(target)) == 0
    if has_angle:
        rows = preds.rows(matches.scene, matches.pred)
        skipped[matches.scene[~np.isfinite(preds.rotation[rows]).all(axis=1)]] = True
    matches = matches.keep(~skipped[matches.scene])
    preds = replace(preds, parsed=~skipped)
    parts = _sums(labels, preds, matches)
    means = parts["l2"]
    parts["l2"] = replace(means, denominator=means.denominator * (means.numerator != 0))
    if has_angle:
        angles = pair_angles_deg(matches, preds, target, {})
        parts["geod"] = scene_means(matches, angles, len(target))
    return {
        "protocol": "reference",
        "rotation_rep": rep if has_angle else protocol.rotation_rep,
        **_values(parts),
        "skipped": int(skipped.sum()),
        "unanswered": sum(answer is None for answer in answers),
        "scenes": len(target),
    }


def _script_quats(rotation_rep: str, numbers: FloatArray) -> FloatArray:
    """Raises a ValueError where scipy refuses a row."""
    if rotation_rep == "6d":
        a, b = numbers[:, :3], numbers[:, 3:]
        rotation = Rotation.from_matrix(np.stack([a, b, np.cross(a, b)], axis=1))
    elif rotation_rep == "aa":
        rotation = Rotation.from_rotvec(numbers)
    elif rotation_rep == "quat":
        rotation = Rotation.from_quat(numbers, scalar_first=True)
    else:
        order = {"euler": "xyz", "euler_int": "XYZ"}[rotation_rep]
        rotation = Rotation.from_euler(order, numbers)
    return rotation.as_quat(scalar_first=True)


def _no_quats(numbers: FloatArray) -> FloatArray:
    return np.full((len(numbers), 4), np.nan)


def strict_scores(labels: Labels, answers: Answers, protocol: Protocol) -> Scores:
    """What an honest reader says of these answers.

    Returns:
        The keys of `reference_scores` without ``skipped``, on the pairs of matched
        objects; ``geod`` of CLEVR's yaw is that of the cubes, to the nearest quarter
        turn. Further ``geod_symmetric`` (degrees to the nearest rotation that looks
        the same), ``parse_rate`` (percent of the answers), ``unparsed``
        and ``unanswered`` (scenes), ``detection`` (by threshold ``precision``,
        ``recall``, ``f1``, ``average_precision``, percent) and ``intervals``: 95 % by
        metric, ``[low, high]``, those of the detection as ``f1@0.25``.
    """
    target = labels.objects
    answered = np.array([answer is not None for answer in answers], dtype=np.bool_)
    programs = [answer.program for answer in answers if answer]
    parsed = parse_programs(programs, protocol.syntax, any_word=True)
    preds = _spread(parsed, answered)
    matches = match_scenes(preds, target)
    parts = _sums(labels, preds, matches)
    parts["parse_rate"] = _only(parse_sums(preds), answered)
    parts.update(_angle_sums(labels, preds, matches, protocol))
    located = bool(np.isfinite(preds.location).any()) or not len(preds.location)
    thresholds = protocol.thresholds if located else ()
    found = detection(matches, preds, target, _certainty(answers), thresholds)
    intervals = bootstrap_intervals(
        {**parts, **found},
        np.random.default_rng(protocol.seed),
        resamples=protocol.resamples,
    )
    return {
        "protocol": "strict",
        "rotation_rep": protocol.rotation_rep,
        **_values(parts),
        "unparsed": int((answered & ~preds.parsed).sum()),
        "unanswered": int((~answered).sum()),
        "scenes": len(target),
        "detection": _by_threshold(found) or None,
        "intervals": {name: i and list(i) for name, i in intervals.items()},
    }


def _sums(labels: Labels, preds: ObjectTable, matches: Matches) -> dict[str, SceneSums]:
    """What both protocols measure alike, where the labels have it."""
    target = labels.objects
    parts = {
        "l2": scene_means(matches, matches.distance, len(target)),
        "count": count_sums(preds, target),
    }
    for name in (*WORD_ATTRIBUTES, "category"):
        if labels.has(name):
            left_out = SHAPES_LEFT_OUT if name == "shape" else ()
            parts[name] = word_sums(matches, preds, target, name, left_out=left_out)
    if _is_2d(labels):
        parts["mse"] = _mse_sums(preds, target, matches)
    return parts


def _values(
    parts: Mapping[str, SceneSums], always: Sequence[str] = SCORES
) -> dict[str, float | None]:
    """Each metric's value, None where nothing was measured."""
    names = [*always, *(name for name in parts if name not in always)]
    values = {name: parts[name].value if name in parts else np.nan for name in names}
    return {name: _known(value) for name, value in values.items()}


def _by_threshold(found: Mapping[str, Statistic]) -> dict[str, dict[str, float | None]]:
    """``{threshold: {metric: value}}`` of `detection`."""
    result: dict[str, dict[str, float | None]] = {}
    for title, part in found.items():
        name, _, threshold = title.partition("@")
        result.setdefault(threshold, {})[name] = _known(part.value)
    return result


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _spread(table: ObjectTable, answered: "np.ndarray[Any, Any]") -> ObjectTable:
    """The table with an unparsed scene for each that was not answered."""
    counts = np.zeros(len(answered), dtype=np.int64)
    counts[answered] = table.counts
    parsed = np.zeros(len(answered), dtype=np.bool_)
    parsed[answered] = table.parsed
    return replace(table, starts=starts_of(counts), parsed=parsed)


def _only(sums: SceneSums, scenes: "np.ndarray[Any, Any]") -> SceneSums:
    return replace(
        sums,
        numerator=sums.numerator * scenes,
        denominator=sums.denominator * scenes,
    )


def _angle_sums(
    labels: Labels, preds: ObjectTable, matches: Matches, protocol: Protocol
) -> dict[str, SceneSums]:
    if not labels.has("rotation"):
        return {}
    target = labels.objects
    symmetries = protocol.symmetries

    def sums(orders: Mapping[str, int]) -> SceneSums:
        angles = pair_angles_deg(matches, preds, target, orders)
        return scene_means(matches, np.where(turns, angles, np.nan), len(target))

    turns = np.ones(len(matches), dtype=np.bool_)
    if protocol.rotation_rep == "yaw":
        # a yaw says nothing of what looks the same from all sides
        shapes = target.words["shape"][target.rows(matches.scene, matches.target)]
        for shape, order in symmetries.items():
            turns &= (shapes != shape) | (order != 0)
        return {"geod": sums(symmetries)}
    return {
        "geod": sums({}),
        **({"geod_symmetric": sums(symmetries)} if symmetries else {}),
    }


def _is_2d(labels: Labels) -> bool:
    """Whether the labels say nothing but where, on a plane."""
    said = any(labels.has(name) for name in (*WORD_ATTRIBUTES, "rotation"))
    return not said and not labels.objects.location[:, 2].any()


def _mse_sums(preds: ObjectTable, target: ObjectTable, matches: Matches) -> SceneSums:
    """Mean of the squared error over x and y of matched dots, not clipped."""
    said = preds.location[preds.rows(matches.scene, matches.pred), :2]
    true = target.location[target.rows(matches.scene, matches.target), :2]
    return scene_means(matches, np.square(said - true).mean(axis=1), len(target))


def _certainty(answers: Answers) -> FloatArray | None:
    """Log-probability of each answer, None where the file does not say it."""
    scores = [a.log_probability if a else -np.inf for a in answers]
    if any(score is None for score in scores):
        return None
    return np.asarray(scores, dtype=np.float64)
