"""What a folder of reconstructions holds: as JSON, CSV, contact sheet and text."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from igllm_pipelines.apps.reconstruct_jobs import Failure
from igllm_pipelines.apps.reconstruction_files import INPUT, read_record
from igllm_pipelines.metrics.evaluate import number_std
from igllm_pipelines.render.export import NAMES
from igllm_pipelines.report.formats import cell_text
from igllm_pipelines.report.pair_sheet import Pair, pair_sheets

Record = Mapping[str, Any]
JSON, CSV, SHEET = "reconstructions.json", "reconstructions.csv", "contact_sheet"
COLUMNS = (
    *("name", "objects", "log_probability", "number_std", "score_before"),
    *("score_after", "notes", "input", "folder", "program"),
)
ROWS_SHOWN, NAME_SHOWN, NOTE_SHOWN = 20, 32, 60


def write_summary(out: Path, failures: Sequence[Failure]) -> list[Path]:
    """Writes the summaries of all reconstructions in `out`, whoever made them.

    Args:
        out: their folder.
        failures: pictures that could not be reconstructed; the JSON names them.

    Returns:
        paths of the JSON, of the CSV and of each page of the contact sheet.
    """
    records = {
        folder.name: record
        for folder in sorted(out.iterdir())
        if not folder.name.startswith(".") and (record := read_record(folder))
    }
    content = {
        "reconstructions": [{**r, "folder": name} for name, r in records.items()],
        "failures": [{"input": str(f.path), "reason": f.reason} for f in failures],
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    _write(out / JSON, text)
    _write_csv(out / CSV, records)
    return [out / JSON, out / CSV, *_write_sheets(out, records)]


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _write_csv(path: Path, records: Mapping[str, Record]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        rows.writeheader()
        for folder, record in records.items():
            notes = "; ".join(record["notes"])
            std = number_std([record]) if record["number_stds"] else ""
            row = {**record, "notes": notes, "number_std": std, "folder": folder}
            rows.writerow({key: cell_text(value) for key, value in row.items()})
    os.replace(partial, path)


def _write_sheets(out: Path, records: Mapping[str, Record]) -> list[Path]:
    """Writes the pages of the contact sheet; those of an earlier one go."""
    for old in (*out.glob(f"{SHEET}.png"), *out.glob(f"{SHEET}_[0-9]*.png")):
        old.unlink()
    pairs = [_pair(out / folder, record) for folder, record in records.items()]
    paths = []
    for number, page in enumerate(pair_sheets(pairs, f"{len(pairs)} images"), 1):
        paths.append(out / f"{SHEET}_{number:03}.png")
        page.save(paths[-1], format="PNG")
    if len(paths) == 1:
        return [paths[0].rename(out / f"{SHEET}.png")]
    return paths


def _pair(folder: Path, record: Record) -> Pair:
    remarks = f"log-probability {record['log_probability']:.2f}"
    if record["number_stds"]:
        remarks += f", numbers +-{number_std([record]):.3g}"
    if score := _score(record):
        remarks += f", score {score}"
    return Pair(
        name=record["name"],
        input=_existing(folder / INPUT),
        rendering=_existing(folder / NAMES["picture"]),
        program=record["program"],
        remarks=remarks,
        notes=record["notes"],
    )


def _existing(file: Path) -> Path | None:
    return file if file.is_file() else None


def table_text(records: Mapping[str, Record]) -> str:
    """A table for the terminal: a row a reconstruction, the first `ROWS_SHOWN`.

    Columns that no reconstruction has a value for are left out.

    Args:
        records: by the name of their folders.
    """
    heads = ("name", "objects", "log-prob.", "numbers +-", "score", "notes")
    rows = [_cells(*item) for item in islice(records.items(), ROWS_SHOWN)]
    columns = [c for c in zip(heads, *rows, strict=True) if any(c[1:])]
    widths = [max(map(len, column)) for column in columns]
    numbers = {"objects", "log-prob.", "numbers +-"}
    lines = [
        "  ".join(
            text.rjust(width) if column[0] in numbers else text.ljust(width)
            for text, width, column in zip(row, widths, columns, strict=True)
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]
    if len(records) > ROWS_SHOWN:
        lines.append(f"... and {len(records) - ROWS_SHOWN} more")
    return "\n".join(lines)


def _cells(name: str, record: Record) -> tuple[str, ...]:
    notes = list(record["notes"])
    more = f" (+{len(notes) - 1})" if len(notes) > 1 else ""
    std = number_std([record]) if record["number_stds"] else None
    return (
        _cut(name, NAME_SHOWN),
        str(record["objects"]),
        f"{record['log_probability']:.2f}",
        "" if std is None else f"{std:.3g}",
        _score(record),
        _cut(notes[0], NOTE_SHOWN) + more if notes else "",
    )


def _score(record: Record) -> str:
    """What refinement brought; empty without it."""
    if "score_before" not in record:
        return ""
    return f"{record['score_before']:.5f} -> {record['score_after']:.5f}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
