"""The table's files hold the numbers, in the form that their readers expect."""

import csv
import re
import subprocess
from io import StringIO
from pathlib import Path

import pytest

from igllm_pipelines.report.formats import (
    caption,
    csv_text,
    latex,
    markdown,
    result_rows,
)
from igllm_pipelines.report.revision import UNKNOWN, git_revision
from igllm_pipelines.report.tables import (
    Intervals,
    Metrics,
    comparison_table,
    is_worse,
    metrics_table,
)

SPLITS = ("val_ID", "val_OOD")
METRICS: Metrics = {
    "char": {
        "val_ID": {"l2": 0.61, "size": 99.8, "images": 300.0},
        "val_OOD": {"l2": 0.65, "size": 90.0, "images": 200.0},
    },
    "float": {
        "val_ID": {"l2": 0.15, "size": 97.0, "images": 300.0},
        "val_OOD": {"l2": 0.6, "images": 200.0},
    },
}
INTERVALS: Intervals = {
    "char": {"val_ID": {"l2": {"value": 0.61, "low": 0.5, "high": 0.7, "samples": 290}}}
}
TABLE = metrics_table("clevr", METRICS, SPLITS, INTERVALS)
CAPTION = caption("clevr", TABLE, "Small scale: 100 % of it.", "abc123-dirty")


def test_cells_say_the_interval_and_what_is_worse_than_the_papers() -> None:
    (_, l2), (_, size) = TABLE.rows
    assert [cell.interval for cell in l2[:2]] == ["0.50 to 0.70", ""]
    # L2 0.21 and 0.16, Size 99.71 and 99.77 in the paper
    assert [cell.worse for cell in l2[:2]] == [True, False]
    assert [cell.worse for cell in size[:2]] == [False, True]
    # not measured is not worse
    assert not size[5].worse
    assert not any(cell.worse for cell in (*l2, *size) if cell.paper)


def test_a_third_column_stands_beside_the_papers() -> None:
    metrics = {**METRICS, "nsvqa": {"val_OOD": {"shape": 33.9, "l2": 0.4}}}
    table = metrics_table("clevr", metrics, ("val_OOD",))
    assert [column for _, column in table.columns] == [
        *("char", "float", "nsvqa", "paper char", "paper float", "paper nsvqa")
    ]
    shape = dict(table.rows)["shape"]
    assert (shape[2].text, shape[5].text, shape[2].worse) == ("33.90", "33.88", False)


def test_worse_to_the_decimals_that_the_paper_prints() -> None:
    assert not is_worse("l2", 0.2149, 0.21)
    assert is_worse("l2", 0.2151, 0.21)
    assert is_worse("color", 99.57, 99.58)
    assert not is_worse("color", None, 99.58)


def test_caption_says_table_scale_and_revision() -> None:
    for words in ("Table 1 of the paper", "Small scale", "abc123-dirty", "▼: worse"):
        assert words in CAPTION
    dots = metrics_table("2d", {"char": {"random": {"mse": 1e-3}}}, ["random"])
    assert "paper" not in caption("2d", dots, "", "")


def test_markdown_has_a_cell_for_each_column() -> None:
    lines = markdown(TABLE, CAPTION).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in rows} == {len(TABLE.columns) + 2}
    assert "| 0.61 ▼ [0.50 to 0.70] | **0.15** | *0.21* |" in rows[2]
    assert lines[-1] == CAPTION


def test_latex_is_escaped_and_its_rows_are_complete() -> None:
    text = latex(TABLE, CAPTION, "clevr")
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip()
    for line in body.splitlines():
        assert len(re.findall(r"(?<!\\)&", line)) == len(TABLE.columns)
        assert line.endswith(r"\\")
    assert r"val\_ID (ID: condition A)" in text
    assert r"Size [\%]" in text
    assert r"100 \% of it" in text
    assert r"\cmidrule(lr){2-5}\cmidrule(lr){6-9}" in text
    assert "▼" not in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_rows_and_csv_hold_every_number_once() -> None:
    rows = result_rows("clevr", METRICS, INTERVALS, SPLITS, {"revision": "abc"})
    assert len(rows) == 7
    first = rows[0]
    assert (first["split"], first["metric"], first["encoding"]) == (
        *("val_ID", "l2", "char"),
    )
    assert (first["low"], first["high"], first["images"]) == (0.5, 0.7, 290)
    assert (first["paper"], first["worse_than_paper"]) == (0.21, True)
    assert rows[1]["low"] is None
    assert rows[1]["images"] == 300
    read = list(csv.DictReader(StringIO(csv_text(rows))))
    assert [float(row["value"]) for row in read] == [row["value"] for row in rows]
    assert read[1]["low"] == ""
    assert csv_text([]) == "\n"


def test_differences_that_are_not_chance_stand_out() -> None:
    known = {"difference": 0.2, "low": 0.1, "high": 0.3, "samples": 10}
    chance = {"difference": -0.2, "low": -0.5, "high": 0.1, "samples": 10}
    comparison = {"val_ID": {"l2": known, "size": chance}, "val_OOD": {}}
    table = comparison_table("clevr", comparison, SPLITS)
    assert table.columns == (("val_ID (ID: condition A)", "char - float"),)
    cells = {name: cell for name, (cell,) in table.rows}
    assert (cells["l2"].text, cells["l2"].interval) == ("+0.20", "0.10 to 0.30")
    assert [cells[name].best for name in ("l2", "size")] == [True, False]


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *names, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_revision_of_a_checkout(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", "code")
    git(tmp_path, "commit", "-m", "First")
    head = git(tmp_path, "rev-parse", "--short", "HEAD")
    assert git_revision(code) == head
    git_revision.cache_clear()
    (code / "a.py").write_text("2")
    assert git_revision(code) == f"{head}-dirty"
    installed = tmp_path / "environment"
    installed.mkdir()
    assert git_revision(installed) == UNKNOWN


@pytest.mark.parametrize("folder", ["", "none"])
def test_revision_outside_a_repository(tmp_path: Path, folder: str) -> None:
    assert git_revision(tmp_path / folder) == UNKNOWN
