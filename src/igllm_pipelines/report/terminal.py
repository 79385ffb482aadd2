"""The tables as text for the terminal."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from igllm_pipelines.report.tables import (
    METRICS,
    Cell,
    Metrics,
    metrics_table,
)

if TYPE_CHECKING:
    from rich.table import Table

WORSE = " ▼"  # behind a number of ours that is worse than the paper's
_SPLITS_A_TABLE = 2  # more do not fit into a terminal


def terminal_tables(
    domain: str, metrics: Metrics, splits: Sequence[str]
) -> list["Table"]:
    """The tables for the terminal; the better of our encodings is bold."""
    starts = range(0, len(splits), _SPLITS_A_TABLE)
    return [
        _terminal_table(domain, metrics, splits[start : start + _SPLITS_A_TABLE])
        for start in starts
    ]


def _terminal_table(domain: str, metrics: Metrics, splits: Sequence[str]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    content = metrics_table(domain, metrics, splits)
    table = Table(title=f"{domain}: {', '.join(metrics)}", title_justify="left")
    table.add_column("metric", no_wrap=True)
    for split, column in content.columns:
        name = split.partition(" ")[0].replace("OOD_", "OOD\n")
        table.add_column(f"{name}\n{column}", justify="right", vertical="bottom")
    for name, cells in content.rows:
        table.add_row(escape(METRICS[name].title), *(_markup(cell) for cell in cells))
    return table


def _markup(cell: Cell) -> str:
    text = f"{cell.text}{WORSE if cell.worse else ''}"
    if cell.best:
        return f"[bold]{text}[/bold]"
    return f"[dim]{text}[/dim]" if cell.paper else text


def summary_text(
    domain: str,
    metrics: Metrics,
    splits: Sequence[str],
    notes: Sequence[str],
    paths: Mapping[str, str],
) -> str:
    """What a run says at its end: the table, what to read from it, where things lie.

    Args:
        domain: whose metrics these are.
        metrics: of both encodings.
        splits: the test splits, in-distribution first.
        notes: sentences under the table.
        paths: ``{title: path}`` of what was made.
    """
    from rich.console import Console

    console = Console(file=StringIO(), width=100, no_color=True, force_terminal=False)
    with console.capture() as captured:
        for table in terminal_tables(domain, metrics, splits):
            console.print(table)
        if metrics_table(domain, metrics, splits).some_worse:
            console.print(f"{WORSE.strip()} worse than the paper's figure")
        for note in notes:
            console.print(note, markup=False, highlight=False)
        for title, path in paths.items():
            console.print(f"{title}: {path}", markup=False, soft_wrap=True)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
