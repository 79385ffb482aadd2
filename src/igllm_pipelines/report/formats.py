"""The table of a domain as files: Markdown, LaTeX with booktabs, CSV, and as rows."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from io import StringIO
from typing import Any

from igllm_pipelines.report.paper import PAPER, TABLES
from igllm_pipelines.report.tables import (
    METRICS,
    Cell,
    Intervals,
    Metrics,
    MetricsTable,
    is_worse,
)

WORSE_MARK = {"markdown": " ▼", "latex": r"$^{\triangledown}$"}
_FORMULAS = ("=", "+", "-", "@", "\t", "\n")
_LATEX = {
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    **{
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    },
    "–": "--",
}


def caption(domain: str, table: MetricsTable, scale: str, revision: str) -> str:
    """What a table holds, at which scale it was made and by which code."""
    number = TABLES.get(domain)
    beside = f", beside Table {number} of the paper" if number else ""
    worse = " ▼: worse than the paper's figure." if table.some_worse else ""
    return (
        f"{domain}{beside}. In brackets 95 % intervals of the bootstrap over images."
        f"{worse} {scale} Code: {revision}."
    )


def result_rows(
    domain: str,
    metrics: Metrics,
    intervals: Intervals,
    splits: Sequence[str],
    origin: Mapping[str, str | None],
) -> list[dict[str, Any]]:
    """One row a number, with all that belongs to it.

    Args:
        domain: its name.
        metrics: of each encoding.
        intervals: of the metrics.
        splits: the test splits.
        origin: further columns, the same in every row.
    """
    rows = []
    for split, name, encoding, value in _numbers(metrics, splits):
        known = intervals.get(encoding, {}).get(split, {}).get(name, {})
        images = metrics[encoding][split].get("images")
        paper = PAPER.get(domain, {}).get(split, {}).get(name, {}).get(encoding)
        rows.append(
            {
                "domain": domain,
                "split": split,
                "metric": name,
                "title": METRICS[name].title,
                "encoding": encoding,
                "value": value,
                "low": known.get("low"),
                "high": known.get("high"),
                "images": int(known.get("samples") or images or 0),
                "paper": paper,
                "worse_than_paper": is_worse(name, value, paper) if paper else None,
                **origin,
            }
        )
    return rows


def _numbers(
    metrics: Metrics, splits: Sequence[str]
) -> Iterator[tuple[str, str, str, float]]:
    """Split, metric, encoding and value."""
    for split in splits:
        for name in METRICS:
            for encoding, of_splits in metrics.items():
                value = of_splits.get(split, {}).get(name)
                if value is not None:
                    yield split, name, encoding, value


def cell_text(value: Any) -> Any:
    """A value as a spreadsheet shows it, not as the formula that it may look like.

    >>> cell_text("=1+1"), cell_text(-0.5), cell_text("a.png")
    ("'=1+1", -0.5, 'a.png')
    """
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")  # else no row ends well
    return f"'{text}" if text.startswith(_FORMULAS) else text


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, empty where a value is not known."""
    buffer = StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: cell_text(v) for k, v in row.items()} for row in rows)
    return buffer.getvalue()


def markdown(table: MetricsTable, text: str) -> str:
    """The table as GitHub's Markdown, its caption below."""
    titles = [
        _plain(f"{split.partition(' ')[0]} {column}") for split, column in table.columns
    ]
    lines = [
        ["metric", *titles],
        ["---", *["---:" for _ in titles]],
        *(
            [METRICS[name].title, *(_markdown_cell(cell) for cell in cells)]
            for name, cells in table.rows
        ),
    ]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{body}\n\n{_plain(text)}\n"


def _plain(text: str) -> str:
    """Text in which Markdown finds neither tags nor the end of a cell."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def _markdown_cell(cell: Cell) -> str:
    number = f"**{cell.text}**" if cell.best else cell.text
    number = f"*{number}*" if cell.paper else number
    interval = f" [{cell.interval}]" if cell.interval else ""
    return f"{number}{WORSE_MARK['markdown'] if cell.worse else ''}{interval}"


def latex(table: MetricsTable, text: str, label: str) -> str:
    """The table as LaTeX; it needs the packages booktabs, amssymb and graphicx."""
    groups = [
        rf"\multicolumn{{{span}}}{{c}}{{{_escaped(split)}}}"
        for split, span in table.groups
    ]
    head = " & ".join(["", *groups])
    columns = " & ".join(["", *(_escaped(column) for _, column in table.columns)])
    body = [
        " & ".join([_escaped(METRICS[name].title), *map(_latex_cell, cells)]) + r" \\"
        for name, cells in table.rows
    ]
    lines = [
        r"% needs \usepackage{booktabs,amssymb,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(text).replace('▼', WORSE_MARK['latex'])}}}",
        rf"\label{{tab:{label}}}",
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        rf"{head} \\",
        _rules(table),
        rf"{columns} \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _rules(table: MetricsTable) -> str:
    """A rule under the title of each group of columns."""
    rules, first = [], 2
    for _, span in table.groups:
        rules.append(rf"\cmidrule(lr){{{first}-{first + span - 1}}}")
        first += span
    return "".join(rules)


def _latex_cell(cell: Cell) -> str:
    number = _escaped(cell.text)
    number = rf"\textbf{{{number}}}" if cell.best else number
    number = rf"\textit{{{number}}}" if cell.paper else number
    interval = rf" {{\scriptsize[{cell.interval}]}}" if cell.interval else ""
    return f"{number}{WORSE_MARK['latex'] if cell.worse else ''}{interval}"


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
