"""The front page over the reports of all domains that have one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.report.page import render_template
from igllm_pipelines.report.tables import METRICS, format_interval, format_metric

PATH = "report/index.html"
"""Where it lies beside the domains' folders."""
_KEYS = ("mse", "l2", "geodesic", "shape")


@dataclass(frozen=True)
class Entry:
    """A domain's report: its name and its key numbers, (what, value, interval)."""

    domain: str
    numbers: tuple[tuple[str, str, str], ...]
    origin: str


def front_page(folder: Path) -> str:
    """The page, from what lies in `folder`, ``data/08_reporting``.

    A domain stands on it when it has both a report and its ``results.json``.
    """
    entries = [
        _entry(domain, json.loads(rows.read_text(encoding="utf-8")))
        for domain in DOMAINS
        if (rows := folder / domain / "results.json").exists()
        and (folder / domain / PATH).exists()
    ]
    return render_template("front.html.j2", entries=entries)


def _entry(domain: str, rows: Sequence[Mapping[str, Any]]) -> Entry:
    numbers = tuple(
        (
            f"{METRICS[row['metric']].title}, {row['split']}, {row['encoding']}",
            format_metric(row["metric"], row["value"]),
            format_interval(row["metric"], row),
        )
        for row in rows
        if row["metric"] in _KEYS
    )
    origin = f"{rows[0]['scale']} Code: {rows[0]['revision']}." if rows else ""
    return Entry(domain, numbers, origin)
