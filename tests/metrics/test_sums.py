"""Bootstrap intervals against scipy's."""

import numpy as np
import pytest
from scipy import stats

from igllm_pipelines.metrics.sums import (
    Median,
    RootMeanSquare,
    SceneSums,
    bootstrap_intervals,
    paired_bootstrap,
    paired_differences,
)


def mean_of(values) -> SceneSums:
    return SceneSums(np.asarray(values, dtype=float), np.ones(len(values)))


def test_interval_of_a_mean_equals_scipy() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=200)
    got = bootstrap_intervals(
        {"l2": mean_of(values)}, np.random.default_rng(1), resamples=4000
    )["l2"]
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=2
    ).confidence_interval
    width = expected.high - expected.low
    assert got == pytest.approx((expected.low, expected.high), abs=0.05 * width)


def test_interval_of_a_share_draws_whole_scenes() -> None:
    rng = np.random.default_rng(0)
    scored = rng.integers(1, 10, size=100).astype(float)
    hits = np.where(rng.uniform(size=100) < 0.5, scored, 0.0)  # all or nothing
    parts = {"color": SceneSums(hits, scored, 100.0)}
    got = bootstrap_intervals(parts, np.random.default_rng(1), resamples=2000)["color"]

    def share(hits, scored, axis=-1):
        return 100 * hits.sum(axis=axis) / scored.sum(axis=axis)

    expected = stats.bootstrap(
        (hits, scored), share, paired=True, n_resamples=2000, method="percentile", rng=2
    ).confidence_interval
    assert got == pytest.approx((expected.low, expected.high), abs=1.5)


def test_nothing_measured_has_no_interval() -> None:
    rng = np.random.default_rng(0)
    empty = SceneSums(np.zeros(3), np.zeros(3))
    assert np.isnan(empty.value)
    assert bootstrap_intervals({"l2": empty}, rng) == {"l2": None}
    assert bootstrap_intervals({"l2": mean_of([])}, rng) == {"l2": None}
    assert bootstrap_intervals({}, rng) == {}


def test_paired_difference_is_surer_than_two_intervals() -> None:
    rng = np.random.default_rng(0)
    hard = rng.gamma(2.0, size=300)
    char = hard + 0.1 + rng.normal(0, 0.05, size=300)
    got = paired_bootstrap(mean_of(char), mean_of(hard), np.random.default_rng(1))
    expected = stats.bootstrap(
        (char - hard,), np.mean, n_resamples=1000, method="percentile", rng=2
    ).confidence_interval
    assert got.value == pytest.approx(np.mean(char - hard))
    assert got.low == pytest.approx(expected.low, abs=1e-3)
    assert got.high == pytest.approx(expected.high, abs=1e-3)
    assert got.share_above == 1


def test_paired_difference_needs_the_same_scenes() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="same scenes"):
        paired_bootstrap(mean_of([1, 2]), mean_of([1]), rng)
    with pytest.raises(ValueError, match="no scene"):
        paired_bootstrap(mean_of([1]), SceneSums(np.zeros(1), np.zeros(1)), rng)


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_medians_and_roots_of_drawn_scenes_equal_numpy(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.gamma(2.0, size=count)
    values[3:5] = np.nan
    draws = rng.integers(count, size=(40, count))
    counts = np.array([np.bincount(draw, minlength=count) for draw in draws], float)
    got = Median(values).drawn(counts)
    known = np.isfinite(values)
    squares = SceneSums(np.where(known, values, 0) ** 2, known.astype(float))
    roots = RootMeanSquare(squares).drawn(counts)
    for draw, median, root in zip(draws, got, roots, strict=True):
        drawn = values[draw][np.isfinite(values[draw])]
        if len(drawn):
            assert median == pytest.approx(np.median(drawn))
            assert root == pytest.approx(np.sqrt(np.mean(drawn**2)))
        else:
            assert np.isnan([median, root]).all()
    assert Median(values).samples == RootMeanSquare(squares).samples == known.sum()


def test_interval_of_a_median_equals_scipy() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=200)
    parts = {"median": Median(values)}
    got = bootstrap_intervals(parts, np.random.default_rng(1), resamples=4000)["median"]
    expected = stats.bootstrap(
        (values,), np.median, n_resamples=4000, method="percentile", rng=2
    ).confidence_interval
    width = expected.high - expected.low
    assert got == pytest.approx((expected.low, expected.high), abs=0.05 * width)


def test_differences_of_what_both_have_on_the_same_draws() -> None:
    rng = np.random.default_rng(0)
    first = {"l2": mean_of(rng.uniform(size=50)), "only": mean_of(np.ones(50))}
    unknown = SceneSums(np.zeros(50), np.zeros(50))
    second = {"l2": mean_of(rng.uniform(size=50)), "count": unknown}
    got = paired_differences(
        {**first, "count": unknown}, second, np.random.default_rng(1)
    )
    assert set(got) == {"l2", "count"}
    assert got["count"] is None
    alone = paired_bootstrap(first["l2"], second["l2"], np.random.default_rng(1))
    assert got["l2"] == alone
    with pytest.raises(ValueError, match="1 and 50 scenes"):
        paired_differences(first, {"l2": mean_of([1.0])}, rng)


def test_coverage_of_the_interval() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        parts = {"l2": mean_of(rng.normal(5.0, 1.0, size=60))}
        low, high = bootstrap_intervals(parts, rng, resamples=300)["l2"]
        hits += low <= 5.0 <= high
    assert 0.88 <= hits / 200 <= 0.99
