"""Tables say the right numbers beside the paper's."""

from dataclasses import replace

import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.report.notes import Scale, findings, scale_note
from igllm_pipelines.report.tables import (
    METRICS,
    Metrics,
    format_metric,
    metrics_table,
    split_title,
)
from igllm_pipelines.report.terminal import summary_text

CLEVR: Metrics = {
    "char": {
        "val_ID": {"l2": 0.61, "size": 96.0, "parse_rate": 100.0, "images": 300.0},
        "val_OOD": {"size": 90.0},
    },
    "float": {
        "val_ID": {"l2": 0.52, "size": 97.0, "parse_rate": 100.0, "images": 300.0},
        "val_OOD": {"l2": 0.6},
    },
}
DOTS: Metrics = {
    "char": {"val_ID": {"mse": 1e-4}, "random": {"mse": 3.1e-3, "snap": 58.0}},
    "float": {"val_ID": {"mse": 2e-5}, "random": {"mse": 8.1e-5, "snap": 5.0}},
}
SPLITS = ("val_ID", "val_OOD")


def test_columns_are_ours_then_the_papers_for_each_split() -> None:
    table = metrics_table("clevr", CLEVR, SPLITS)
    columns = [column for _, column in table.columns]
    assert columns == ["char", "float", "paper char", "paper float"] * 2
    rows = dict(table.rows)
    assert [cell.text for cell in rows["l2"]] == [
        *("0.61", "0.52", "0.21", "0.16"),
        *("–", "0.60", "0.22", "0.17"),
    ]


def test_better_encoding_is_marked_by_the_metrics_direction() -> None:
    rows = dict(metrics_table("clevr", CLEVR, SPLITS).rows)
    assert [cell.best for cell in rows["l2"][:2]] == [False, True]
    assert [cell.best for cell in rows["size"][:2]] == [False, True]
    # equal or alone: nothing is better
    assert not any(cell.best for cell in rows["parse_rate"])
    assert not rows["size"][4].best


def test_domain_without_paper_figures_has_our_columns_only() -> None:
    table = metrics_table("2d", DOTS, ("val_ID", "random"))
    assert [column for _, column in table.columns] == ["char", "float"] * 2
    assert [cell.text for cell in dict(table.rows)["snap"]] == ["–", "–", "58.0", "5.0"]


def test_counts_of_images_are_no_row() -> None:
    assert "images" not in dict(metrics_table("clevr", CLEVR, SPLITS).rows)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("mse", 0.00018, "1.8e-4"), ("count", 0.25, "0.25"), ("color", None, "–")],
)
def test_format_metric(name: str, value: float | None, text: str) -> None:
    assert format_metric(name, value) == text


def test_summary_holds_table_notes_and_paths() -> None:
    text = summary_text("clevr", CLEVR, SPLITS, ["A note [x]."], {"page": "a/b.html"})
    assert "L2 [m]" in text
    assert "0.52" in text
    assert "A note [x]." in text
    assert "page: a/b.html" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text


def test_summary_of_four_splits_is_cut_nowhere() -> None:
    splits = DOMAINS["shapenet"].splits[1:]
    measured = {s: dict.fromkeys(METRICS, 66.66) for s in splits}
    metrics: Metrics = {"char": measured, "float": measured}
    text = summary_text("shapenet", metrics, splits, [], {})
    assert "…" not in text
    # the paper has three of the four
    assert text.count("41.31") == text.count("9.79") == text.count("5.78") == 1
    assert text.count("Cat. [%]") == 4
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("encodings", [("char", "float"), ("char", "float", "nsvqa")])
def test_summary_holds_intervals(encodings: tuple[str, ...]) -> None:
    splits = DOMAINS["clevr"].splits[1:]
    names = [name for name in METRICS if METRICS[name].style in (".1f", ".2f")]
    values = dict.fromkeys(names, 96.66)
    bounds = dict.fromkeys(names, {"low": 95.55, "high": 97.77, "samples": 300})
    text = summary_text(
        "clevr",
        dict.fromkeys(encodings, dict.fromkeys(splits, values)),
        splits,
        [],
        {},
        intervals=dict.fromkeys(encodings, dict.fromkeys(splits, bounds)),
    )
    of_color = text.count("[95.55, 97.77]") / len(splits) / len(encodings)
    assert of_color == sum(m.style == ".2f" for m in METRICS.values())
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_findings_of_2d_tell_the_ratio_and_snap() -> None:
    ratio, snapped = findings("2d", DOTS, ("val_ID", "random"))
    assert "float is 38.3 times lower" in ratio
    assert "char puts 58 % into one, float 5 %" in snapped


def test_findings_of_2d_turn_round_when_char_is_better() -> None:
    swapped = {"char": DOTS["float"], "float": DOTS["char"]}
    assert "char is 38.3 times lower" in findings("2d", swapped, ("random",))[0]


def test_findings_name_what_falls_from_one_split_to_the_other() -> None:
    metrics: Metrics = {
        "char": {"val_ID": {"shape": 84.5}, "val_OOD": {"shape": 6.8}},
        "float": {"val_ID": {"shape": 95.2}, "val_OOD": {"shape": 2.2}},
    }
    (fall,) = findings("clevr", metrics, SPLITS)
    assert (
        "shape falls from 84.5 to 6.8 % (char) and from 95.2 to 2.2 % (float)" in fall
    )
    level: Metrics = {"char": {"val_ID": {"size": 96}, "val_OOD": {"size": 90}}}
    assert findings("clevr", level, SPLITS) == []


def test_findings_of_missing_numbers_are_silent() -> None:
    assert findings("2d", {"char": {}, "float": {}}, ("random",)) == []
    assert findings("clevr", {"char": {}}, SPLITS) == []


def test_scale_note_says_the_counts() -> None:
    scale = Scale(4000, 128, {"char": 2400, "float": 2400}, {"val_ID": 300})
    note = scale_note("clevr", scale)
    assert "small scale" in note
    for words in ("4,000 images of 128 x 128", "for 2,400 steps", "300 of val_ID"):
        assert words in note
    assert "40,000 steps" in note
    assert "500,000 steps" in scale_note("shapenet", scale)
    tuned = scale_note("clevr", replace(scale, pretrained="a/b", train_images=None))
    assert tuned.startswith("a/b, tuned on the official images for 2,400 steps")
    assert "small scale" not in tuned


def test_findings_of_many_splits_compare_each_with_the_first() -> None:
    color = {"val_ID": 90.0, "val_OOD_camera": 70.0}
    values = {
        split: {"geodesic": 12.3, "category": category}
        | ({"color": color[split]} if split in color else {})
        for split, category in (
            ("val_ID", 95.0),
            ("val_OOD_shape", 60.0),
            ("val_OOD_camera", 94.0),
        )
    }
    found = findings("shapenet", {"float": values}, tuple(values))
    assert found[0] == "val_ID: orientations are 12.3 degrees (float) off."
    assert [sentence.split(" falls")[0] for sentence in found[3:]] == [
        "From val_ID to val_OOD_shape, category",
        "From val_ID to val_OOD_camera, color",
    ]


@pytest.mark.parametrize("domain", ["6dof", "shapenet"])
def test_paper_figures_stand_beside_the_splits_they_belong_to(domain: str) -> None:
    splits = DOMAINS[domain].splits[1:]
    measured = {s: dict.fromkeys(METRICS, 1.0) for s in splits}
    table = metrics_table(domain, {"char": measured, "float": measured}, splits)
    rows = dict(table.rows)
    shown = dict(zip(table.columns, rows["geodesic"], strict=True))
    titles = [split_title(domain, split) for split in splits]
    paper = {
        title: shown[title, "paper float"].text
        for title in titles
        if (title, "paper float") in shown
    }
    expected = {
        "6dof": {"val_ID (ID)": "6.18"},
        "shapenet": dict(zip(titles, ("5.78", "9.79", "41.31"), strict=False)),
    }
    assert paper == expected[domain]
