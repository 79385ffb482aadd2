"""Metrics as sums over scenes, and how sure a metric is that was measured on so few.

Every mean and every share is a quotient of two sums over scenes: of the distances and
of the scenes that have one, of the right words and of the scored ones. So a scene stays
whole when the bootstrap draws scenes, and all metrics share its draws. Metrics that are
no such quotient say themselves what they are on drawn scenes, see `Statistic`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from igllm_pipelines.metrics.matching import Matches
from igllm_pipelines.metrics.table import BoolArray, FloatArray

_CHUNK = 2_000_000  # drawn scenes that are held at once


class Statistic(Protocol):
    """A metric of a list of scenes that is also known of scenes drawn from it."""

    @property
    def num_scenes(self) -> int:
        """Length of the list."""

    @property
    def value(self) -> float:
        """The metric of all scenes; NaN where nothing was measured."""

    @property
    def samples(self) -> int:
        """Number of scenes in which it was measured."""

    def drawn(self, counts: FloatArray) -> FloatArray:
        """The metric ``(draws,)`` where scenes count ``(draws, scenes)`` times each."""


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
    def num_scenes(self) -> int:
        """Length of the list."""
        return len(self.denominator)

    @property
    def value(self) -> float:
        """The quotient; NaN where nothing was measured."""
        total = self.denominator.sum()
        return float(self.scale * self.numerator.sum() / total) if total else np.nan

    @property
    def samples(self) -> int:
        """Number of scenes in which it was measured."""
        return int(np.count_nonzero(self.denominator))

    def drawn(self, counts: FloatArray) -> FloatArray:
        """The quotient ``(draws,)``, see `Statistic`."""
        sums = counts @ np.stack([self.numerator, self.denominator], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.scale * sums[:, 0] / sums[:, 1])


@dataclass(frozen=True, eq=False)
class RootMeanSquare:
    """The root of a quotient.

    Attributes:
        squares: the quotient, of squares.
    """

    squares: SceneSums

    @property
    def num_scenes(self) -> int:
        """Length of the list."""
        return self.squares.num_scenes

    @property
    def value(self) -> float:
        """The root; NaN where nothing was measured."""
        return float(np.sqrt(self.squares.value))

    @property
    def samples(self) -> int:
        """Number of scenes in which it was measured."""
        return self.squares.samples

    def drawn(self, counts: FloatArray) -> FloatArray:
        """The root ``(draws,)``, see `Statistic`."""
        return np.sqrt(self.squares.drawn(counts))


@dataclass(frozen=True, eq=False)
class Median:
    """The median of a number of each scene.

    Attributes:
        values: ``(scenes,)``, NaN where a scene has none.
    """

    values: FloatArray

    @property
    def num_scenes(self) -> int:
        """Length of the list."""
        return len(self.values)

    @property
    def value(self) -> float:
        """The median; NaN where nothing was measured."""
        known = self.values[np.isfinite(self.values)]
        return float(np.median(known)) if len(known) else np.nan

    @property
    def samples(self) -> int:
        """Number of scenes in which it was measured."""
        return int(np.isfinite(self.values).sum())

    def drawn(self, counts: FloatArray) -> FloatArray:
        """The median ``(draws,)``, see `Statistic`."""
        order = np.argsort(self.values)[: self.samples]  # NaN comes last
        if not len(order):
            return np.full(len(counts), np.nan)
        below = np.cumsum(counts[:, order], axis=1)
        total = below[:, -1:]
        # the two in the middle, the same one where their number is odd
        middle = [
            (below > np.floor((total - odd) / 2)).argmax(axis=1) for odd in (0, 1)
        ]
        medians = self.values[order][np.stack(middle)].mean(axis=0)
        return np.where(total[:, 0] > 0, medians, np.nan)


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
    parts: Mapping[str, Statistic], rng: np.random.Generator, resamples: int
) -> dict[str, FloatArray]:
    """Each metric ``(resamples,)`` on scenes drawn with replacement."""
    count = next(iter(parts.values())).num_scenes
    step = max(1, _CHUNK // max(count, 1))
    chunks: dict[str, list[FloatArray]] = {name: [] for name in parts}
    for start in range(0, resamples, step):
        counts = resample_counts(rng, min(step, resamples - start), count)
        for name, part in parts.items():
            chunks[name].append(part.drawn(counts))
    return {name: np.concatenate(values) for name, values in chunks.items()}


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
    parts: Mapping[str, Statistic],
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, Interval | None]:
    """Percentile intervals of metrics on the same scenes.

    Scenes are drawn with replacement, `resamples` times as many as there are. A draw
    in which a metric cannot be measured does not count for it.

    Args:
        parts: the metrics; all of one number of scenes.
        rng: draws the scenes.
        resamples: number of draws.
        level: of confidence.

    Returns:
        For each metric its interval, None where it cannot be measured.

    >>> sums = SceneSums(np.array([3.0, 3.0]), np.ones(2))
    >>> bootstrap_intervals({"l2": sums}, np.random.default_rng(0))["l2"]
    Interval(low=3.0, high=3.0)
    """
    if not parts or not next(iter(parts.values())).num_scenes:
        return dict.fromkeys(parts)
    draws = _draws(parts, rng, resamples)
    return {name: percentile_interval(values, level) for name, values in draws.items()}


def paired_bootstrap(
    first: Statistic,
    second: Statistic,
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
    difference = paired_differences(
        {"": first}, {"": second}, rng, resamples=resamples, level=level
    )[""]
    if difference is None:
        raise ValueError("one of the two metrics was measured on no scene")
    return difference


def paired_differences(
    first: Mapping[str, Statistic],
    second: Mapping[str, Statistic],
    rng: np.random.Generator,
    *,
    resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, Difference | None]:
    """`paired_bootstrap` of each metric that both have, all on the same draws.

    Returns:
        For each metric its difference, None where one of the two measures nothing.

    Raises:
        ValueError: the two have different numbers of scenes.
    """
    shared = [name for name in first if name in second]
    parts = [part[name] for name in shared for part in (first, second)]
    counts = {part.num_scenes for part in parts}
    if len(counts) > 1:
        raise ValueError(
            f"{' and '.join(map(str, sorted(counts)))} scenes: a paired bootstrap "
            "needs the same scenes in the same order"
        )
    if not parts or counts == {0}:
        return dict.fromkeys(shared)
    draws = _draws({str(i): part for i, part in enumerate(parts)}, rng, resamples)
    return {
        name: _difference(
            first[name].value - second[name].value,
            draws[str(2 * i)] - draws[str(2 * i + 1)],
            level,
        )
        for i, name in enumerate(shared)
    }


def _difference(value: float, draws: FloatArray, level: float) -> Difference | None:
    interval = percentile_interval(draws, level)
    if interval is None:
        return None
    above = float(np.mean(draws[np.isfinite(draws)] > 0))
    return Difference(value, *interval, above)
