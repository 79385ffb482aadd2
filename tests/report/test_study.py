import csv
from io import BytesIO, StringIO

import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.report.figures import COLORS, HELD_OUT
from igllm_pipelines.report.study import (
    StudyRun,
    error_intervals,
    study_csv,
    study_markdown,
    study_rows,
    study_text,
)
from igllm_pipelines.report.study_plots import efficiency_plot, rotation_plot

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
                StudyRun(
                    encoding, seed, dict.fromkeys(splits, metrics), splits, {"train": 1}
                )
            )
    return made


def test_rows_hold_means_over_seeds_and_images():
    made = runs()
    rows = study_rows(made, BASES, "mse")
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
    ratio = study_rows(runs(factor=3.0), BASES, "mse")[1]["ratio"]
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


def test_an_encoding_without_any_error_has_no_interval():
    errors = {"a": np.full((2, 3), np.nan), "b": np.ones((2, 3))}
    intervals = error_intervals(errors, {"a": "b", "b": "b"})
    assert all(np.isnan(intervals["a"][0]))
    assert intervals["b"][0] == (1, 1, 1)


def test_text_names_every_encoding_split_and_metric():
    text = study_text("2d", study_rows(runs(), BASES, "mse"))
    lines = text.splitlines()
    assert "mean of 3 seeds" in lines[0]
    assert "val_ID" in lines[1]
    assert "random" in lines[1]
    linear = next(line for line in lines if line.startswith("float_linear"))
    assert "3.00 [3.00, 3.00]" in linear
    assert "20.0, 20.0" in text  # snap of both splits
    assert max(map(len, lines)) < 140
    assert study_text("2d", []) == "2d: nothing was compared"


SIZED = {f"{name}_n{n}": (name, n) for n in (100, 1000) for name in ("char", "float")}


def sized_rows(error="mse"):
    """char errs twice as much as float, and both ten times less with more images."""
    rng = np.random.default_rng(0)
    made = []
    for seed in (1, 2):
        errors = rng.exponential(1e-2, 30)
        for name, (series, images) in SIZED.items():
            found = (errors * (2 if series == "char" else 1) * 100 / images).tolist()
            metrics = {error: float(np.mean(found)), "parse_rate": 100.0}
            splits = {"val_ID": found, "random": found}
            of_splits = dict.fromkeys(splits, metrics)
            made.append(StudyRun(name, seed, of_splits, splits, {"train": 1}))
    bases = {name: f"char_n{images}" for name, (_, images) in SIZED.items()}
    return study_rows(made, bases, error, SIZED)


def test_rows_say_on_how_many_images_an_encoding_was_trained():
    rows = [row for row in sized_rows() if row["split"] == "random"]
    found = {(row["series"], row["train_images"]): row for row in rows}
    assert set(found) == set(SIZED.values())
    assert found["float", 100]["ratio"]["mean"] == pytest.approx(0.5)
    assert found["float", 100]["mean"] == pytest.approx(
        10 * found["float", 1000]["mean"]
    )
    assert "series" not in study_rows(runs(), BASES, "mse")[0]


def test_csv_holds_every_row_and_bound():
    rows = sized_rows()
    read = list(csv.DictReader(StringIO(study_csv(rows))))
    assert [r["encoding"] for r in read] == [r["encoding"] for r in rows]
    assert [float(r["high"]) for r in read] == [r["high"] for r in rows]
    assert {r["train_images"] for r in read} == {"100", "1000"}
    assert {r["parse_rate"] for r in read} == {"100.0"}
    assert [r["ratio_mean"] for r in read if r["series"] == "char"] == [""] * 4
    assert "train_images" not in study_csv(study_rows(runs(), BASES, "mse"))


def test_markdown_is_one_table_of_all_encodings():
    lines = study_markdown("2d", sized_rows()).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + len(SIZED)
    assert len({line.count("|") for line in table}) == 1
    assert "30 of val_ID, 30 of random" in lines[0]
    assert "mean of 2 seeds" in lines[0]
    alone = study_markdown("2d", [{**row, "seeds": 1} for row in sized_rows()])
    assert "mean of 1 seed [" in alone
    assert study_markdown("2d", []) == "2d: nothing was compared\n"


def pixels(png):
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def colored(png, color):
    """How many pixels have this color, and how far down they lie on average."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    rows, _ = np.nonzero(np.abs(pixels(png) - rgb).max(axis=-1) < 8)
    return len(rows), float(rows.mean()) if len(rows) else 0.0


def test_efficiency_plot_draws_char_above_float():
    png = efficiency_plot("2d", sized_rows())
    char, char_at = colored(png, COLORS["char"])
    float_, float_at = colored(png, COLORS["float"])
    assert min(char, float_) > 500
    assert char_at < float_at  # higher up: it errs more
    assert png == efficiency_plot("2d", sized_rows())


def test_rotation_plot_takes_bounds_that_rounding_moved():
    rows = study_rows(runs(), BASES, "geodesic")
    moved = [{**row, "low": row["mean"] + 1e-16 + row["mean"] * 1e-15} for row in rows]
    assert all(row["low"] > row["mean"] for row in moved)
    assert rotation_plot("so3", moved).startswith(b"\x89PNG")


def test_rotation_plot_draws_every_split():
    rows = study_rows(runs(), BASES, "geodesic")
    rows = [{**r, "split": r["split"].replace("random", "val_OOD")} for r in rows]
    png = rotation_plot("so3", rows)
    alone = rotation_plot("so3", [r for r in rows if r["split"] == "val_ID"])
    assert colored(png, HELD_OUT)[0] > 100
    assert colored(alone, HELD_OUT)[0] == 0
