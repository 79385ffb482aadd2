"""The tables as text for the terminal."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Literal

from igllm_pipelines.report.tables import (
    METRICS,
    Cell,
    Intervals,
    Metrics,
    metrics_table,
    split_title,
)

if TYPE_CHECKING:
    from rich.table import Table

WORSE = " ▼"  # behind a number of ours that is worse than the paper's
_ON_A_LINE = 2  # of more encodings, intervals stand below the numbers


def terminal_tables(
    domain: str,
    metrics: Metrics,
    splits: Sequence[str],
    intervals: Intervals | None = None,
) -> list["Table"]:
    """A table a split for the terminal; the better of our encodings is bold."""
    return [_terminal_table(domain, metrics, split, intervals) for split in splits]


def _terminal_table(
    domain: str, metrics: Metrics, split: str, intervals: Intervals | None
) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    content = metrics_table(domain, metrics, [split], intervals)
    title = f"{domain}, {split_title(domain, split)}"
    table = Table(
        title=escape(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("metric", no_wrap=True)
    on_a_line = len(metrics) <= _ON_A_LINE
    vertical: Literal["top", "bottom"] = "bottom" if on_a_line else "top"
    for _, column in content.columns:
        name = column.replace("paper ", "paper\n")
        table.add_column(name, justify="right", vertical=vertical, no_wrap=True)
    between = " " if on_a_line else "\n"
    for name, cells in content.rows:
        texts = (_markup(cell, between) for cell in cells)
        table.add_row(escape(METRICS[name].title), *texts)
    return table


def _markup(cell: Cell, between: str) -> str:
    from rich.markup import escape

    text = f"{cell.text}{WORSE if cell.worse else ''}"
    if cell.paper:
        return f"[dim]{text}[/dim]"
    bounds = escape(f"[{cell.interval.replace(' to ', ', ')}]") if cell.interval else ""
    number = f"[bold]{text}[/bold]" if cell.best else text
    return f"{number}{between}[dim]{bounds}[/dim]" if bounds else number


def summary_text(
    domain: str,
    metrics: Metrics,
    splits: Sequence[str],
    notes: Sequence[str],
    paths: Mapping[str, str],
    *,
    intervals: Intervals | None = None,
) -> str:
    """What a run says at its end: the table, what to read from it, where things lie.

    Args:
        domain: whose metrics these are.
        metrics: of both encodings.
        splits: the test splits, in-distribution first.
        notes: sentences under the table.
        paths: ``{title: path}`` of what was made.
        intervals: of the metrics.
    """
    from rich.console import Console

    console = Console(file=StringIO(), width=100, no_color=True, force_terminal=False)
    with console.capture() as captured:
        for table in terminal_tables(domain, metrics, splits, intervals):
            console.print(table)
        if intervals:
            console.print("in brackets 95 % intervals", markup=False)
        if metrics_table(domain, metrics, splits).some_worse:
            console.print(f"{WORSE.strip()} worse than the paper's figure")
        for note in notes:
            console.print(note, markup=False, highlight=False)
        for title, path in paths.items():
            console.print(f"{title}: {path}", markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
