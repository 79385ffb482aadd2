"""Metrics as sums over scenes, and how sure a metric is that was measured on so few.

Every mean and every share is a quotient of two sums over scenes: of the distances and
of the scenes that have one, of the right words and of the scored ones. So a scene stays
whole when the bootstrap draws scenes, and all metrics share its draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from igllm_pipelines.metrics.matching import Matches
from igllm_pipelines.metrics.table import BoolArray, FloatArray

_CHUNK = 2_000_000  # drawn scenes that are held at once


@dataclass(frozen=True, eq=False)
class SceneSums:
    """What each scene adds to a quotient.

    Attributes:
        numerator, denominator: ``(scenes,)``.
        scale: the quotient's factor, 100 for percent.
    """

    numerator: FloatArray
    denominator: FloatArray
    scale: float = 1.0

    @property
    def value(self) -> float:
        """The quotient; NaN where nothing was measured."""
        total = self.denominator.sum()
        return float(self.scale * self.numerator.sum() / total) if total else np.nan


class Interval(NamedTuple):
    """Where a metric lies, at a level of confidence."""

    low: float
    high: float


class Difference(NamedTuple):
    """Of two metrics on the same scenes: first minus second, and its interval.

    ``share_above`` is the share of the draws in which the difference is above 0.
    """

    value: float
    low: float
    high: float
    share_above: float


def scene_means(matches: Matches, values: FloatArray, num_scenes: int) -> SceneSums:
    """Mean of the known values of a scene's pairs, then over scenes that have one.

    Args:
        matches: the pairs.
        values: of each pair, NaN where it is not known.
        num_scenes: of the lists that were matched.
    """
    known = np.isfinite(values)
    scene = matches.scene[known]
    pairs = np.bincount(scene, minlength=num_scenes)
    sums = np.bincount(scene, weights=values[known], minlength=num_scenes)
    return SceneSums(sums / np.maximum(pairs, 1), (pairs > 0).astype(np.float64))


def scene_shares(
    matches: Matches, hits: BoolArray, scored: BoolArray, num_scenes: int
) -> SceneSums:
    """Percent of the `scored` pairs that are `hits`, all pairs alike."""
    scene = matches.scene
    return SceneSums(
        np.bincount(scene[hits & scored], minlength=num_scenes).astype(np.float64),
        np.bincount(scene[scored], minlength=num_scenes).astype(np.float64),
        scale=100.0,
    )


def _draws(
    parts: Mapping[str, SceneSums], rng: np.random.Generator, resamples: int
) -> dict[str, FloatArray]:
    """Each metric ``(resamples,)`` on scenes drawn with replacement."""
    columns = [c for s in parts.values() for c in (s.numerator, s.denominator)]
    table = np.stack(columns, axis=1)
    count = len(table)
    step = max(1, _CHUNK // max(count, 1))
    sums = np.concatenate(
        [
            resample_counts(rng, min(step, resamples - start), count) @ table
            for start in range(0, resamples, step)
        ]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: part.scale * sums[:, 2 * i] / sums[:, 2 * i + 1]
            for i, (name, part) in enumerate(parts.items())
        }


def resample_counts(rng: np.random.Generator, draws: int, count: int) -> FloatArray:
    """How often each of `count` is drawn, with replacement: ``(draws, count)``."""
    drawn = rng.integers(count, size=(draws, count))
    drawn += count * np.arange(draws)[:, None]
    flat = np.bincount(drawn.reshape(-1), minlength=draws * count)
    return flat.reshape(draws, count).astype(np.float64)


def percentile_interval(draws: FloatArray, level: float = 0.95) -> Interval | None:
    """Between the percentiles of draws that hold `level` of them; None of no draw.

    >>> percentile_interval(np.arange(101.0), 0.5)
    Interval(low=25.0, high=75.0)
    """
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return None
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def bootstrap_intervals(
    parts: Mapping[str, SceneSums],
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, Interval | None]:
    """Percentile intervals of metrics on the same scenes.

    Scenes are drawn with replacement, `resamples` times as many as there are. A draw
    in which a metric cannot be measured does not count for it.

    Args:
        parts: each metric's sums; all of one number of scenes.
        rng: draws the scenes.
        resamples: number of draws.
        level: of confidence.

    Returns:
        For each metric its interval, None where it cannot be measured.

    >>> sums = SceneSums(np.array([3.0, 3.0]), np.ones(2))
    >>> bootstrap_intervals({"l2": sums}, np.random.default_rng(0))["l2"]
    Interval(low=3.0, high=3.0)
    """
    if not parts or not len(next(iter(parts.values())).numerator):
        return dict.fromkeys(parts)
    draws = _draws(parts, rng, resamples)
    return {name: percentile_interval(values, level) for name, values in draws.items()}


def paired_bootstrap(
    first: SceneSums,
    second: SceneSums,
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
    level: float = 0.95,
) -> Difference:
    """The difference of a metric of two models on the same scenes, in the same order.

    Both are measured on the same draws: what is hard in a scene for both models drops
    out of the difference, so that it is surer than the two intervals tell.

    Raises:
        ValueError: the two have different numbers of scenes, or one measures nothing.

    >>> char, float_ = (SceneSums(np.arange(4.0) + x, np.ones(4)) for x in (1, 0))
    >>> paired_bootstrap(char, float_, np.random.default_rng(0))
    Difference(value=1.0, low=1.0, high=1.0, share_above=1.0)
    """
    if len(first.numerator) != len(second.numerator):
        raise ValueError(
            f"{len(first.numerator)} and {len(second.numerator)} scenes: a paired "
            "bootstrap needs the same scenes in the same order"
        )
    draws = _draws({"first": first, "second": second}, rng, resamples)
    differences = draws["first"] - draws["second"]
    interval = percentile_interval(differences, level)
    if interval is None:
        raise ValueError("one of the two metrics was measured on no scene")
    known = differences[np.isfinite(differences)]
    above = float(np.mean(known > 0))
    return Difference(first.value - second.value, *interval, above)
