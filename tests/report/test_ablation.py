import numpy as np
import pytest

from igllm_pipelines.report.ablation import (
    AblationRun,
    ablation_rows,
    ablation_text,
    error_intervals,
)

BASES = {"float": "float", "float_linear": "float"}


def runs(factor=3.0, seeds=(1, 2, 3), images=40):
    """`float_linear` errs `factor` times as much on the same images and seeds."""
    rng = np.random.default_rng(0)
    made = []
    for seed in seeds:
        errors = rng.exponential(1e-4, images)
        for encoding, times in (("float", 1.0), ("float_linear", factor)):
            found = (times * errors).tolist()
            metrics = {"mse": float(np.mean(found)), "snap": 10.0 * seed}
            splits = {"val_ID": found, "random": found}
            made.append(
                AblationRun(
                    encoding, seed, dict.fromkeys(splits, metrics), splits, {"train": 1}
                )
            )
    return made


def test_rows_hold_means_over_seeds_and_images():
    made = runs()
    rows = ablation_rows(made, BASES, "mse")
    assert [(r["encoding"], r["split"]) for r in rows] == [
        (encoding, split) for split in ("val_ID", "random") for encoding in BASES
    ]
    errors = [r.errors["val_ID"] for r in made if r.encoding == "float"]
    first = rows[0]
    assert first["mean"] == pytest.approx(np.mean(errors))
    assert first["low"] < first["mean"] < first["high"]
    assert (first["seeds"], first["images"], first["base"]) == (3, 40, "float")
    assert first["metrics"]["snap"] == pytest.approx(20)
    assert first["range"]["snap"] == [10, 30]
    assert first["ratio"] is None


def test_ratio_is_of_the_same_seeds_and_images():
    ratio = ablation_rows(runs(factor=3.0), BASES, "mse")[1]["ratio"]
    # every draw multiplies both by the same images: no spread is left
    assert [ratio[n] for n in ("mean", "low", "high")] == pytest.approx([3, 3, 3])


def test_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(100):
        # no difference between seeds: the images alone decide
        errors = {"a": np.tile(rng.exponential(1.0, 200), (2, 1))}
        (interval, _) = error_intervals(errors, {"a": "a"}, seed=trial)["a"]
        held += interval.low <= 1.0 <= interval.high
    assert 85 <= held <= 100


def test_interval_counts_the_spread_of_seeds():
    alike = {"a": np.ones((4, 50))}
    apart = {"a": np.repeat([[0.1], [0.5], [1.4], [2.0]], 50, axis=1)}
    narrow, wide = (error_intervals(e, {"a": "a"})["a"][0] for e in (alike, apart))
    assert narrow.low == narrow.high == 1
    assert wide.mean == pytest.approx(1)
    assert wide.high - wide.low > 0.5


def test_images_without_an_error_are_left_out():
    errors = {"a": np.array([[1.0, np.nan, 3.0], [1.0, 3.0, np.nan]])}
    interval = error_intervals(errors, {"a": "a"})["a"][0]
    assert interval.mean == 2
    assert 1 <= interval.low < interval.high <= 3


def test_text_names_every_encoding_split_and_metric():
    text = ablation_text("2d", ablation_rows(runs(), BASES, "mse"))
    lines = text.splitlines()
    assert "mean of 3 seeds" in lines[0]
    assert "val_ID" in lines[1]
    assert "random" in lines[1]
    linear = next(line for line in lines if line.startswith("float_linear"))
    assert "3.00 [3.00, 3.00]" in linear
    assert "20.0, 20.0" in text  # snap of both splits
    assert max(map(len, lines)) < 140
    assert ablation_text("2d", []) == "2d: nothing was compared"
