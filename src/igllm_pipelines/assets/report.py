"""The import report of a catalog, as plain text."""

from collections.abc import Sequence

from igllm_pipelines.assets.catalog import Asset, Catalog, Problem


def describe(catalog: Catalog) -> str:
    """How many assets each category has, and what is wrong with which file.

    >>> print(describe(Catalog((Asset("chair_0", "chair", (0.5, 0.5, 0.7)),))))
    category  training  held out  problems
    chair            1         0         0
    <BLANKLINE>
    no problems
    """
    rows = [("category", "training", "held out", "problems"), *_counts(catalog)]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in rows
    ]
    return "\n".join([*lines, "", *_problem_lines(catalog.problems)])


def _counts(catalog: Catalog) -> list[tuple[str, ...]]:
    categories = sorted({asset.category for asset in catalog.assets})
    return [
        (
            category,
            str(_number(category, catalog.training())),
            str(_number(category, catalog.held_out())),
            str(sum(p.id.startswith(f"{category}_") for p in catalog.problems)),
        )
        for category in categories
    ]


def _number(category: str, assets: Sequence[Asset]) -> int:
    return sum(asset.category == category for asset in assets)


def _problem_lines(problems: Sequence[Problem]) -> list[str]:
    if not problems:
        return ["no problems"]
    left_out = sum(problem.fatal for problem in problems)
    heading = f"{len(problems)} problems, {left_out} of them of models left out:"
    return [heading, *(line for p in problems for line in _lines(p))]


def _lines(problem: Problem) -> tuple[str, str]:
    kind = "left out" if problem.fatal else "warning"
    return f"  {kind}: {problem.id} ({problem.path})", f"    {problem.reason}"
