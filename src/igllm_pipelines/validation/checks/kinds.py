"""What a check is, and the checks that all domains share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["between", "in_set", "not_null", "unique"]
TableName = Literal["objects", "scenes"]
PIXEL_TOLERANCE = 1.0
HEIGHT_TOLERANCE_M = 1e-3
ROUNDING = 1e-6  # of angles, metres and pixels that are the same but for rounding


@dataclass(frozen=True)
class Check:
    """One thing that must hold of every row of a column.

    Attributes:
        name: the check in plain words, as it stands in the report.
        table: which table of `tables.Tables`.
        column: of that table.
        kind: ``between`` and ``in_set`` pass over empty cells, ``not_null`` looks for
            them, ``unique`` allows a value once.
        limits: ``low`` and ``high`` of ``between``, ``words`` of ``in_set``.
        split: where the check holds, None for all splits together.
        show: other columns that explain a failing row.
    """

    name: str
    table: TableName
    column: str
    kind: Kind
    limits: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None
    show: tuple[str, ...] = ()


def present(*columns: str, split: str | None = None) -> list[Check]:
    """No object lacks any of these columns."""
    return [
        Check(f"{name} is given", "objects", name, "not_null", split=split)
        for name in columns
    ]


def between(
    name: str,
    table: TableName,
    column: str,
    bounds: tuple[float, float],
    *,
    split: str | None = None,
    show: tuple[str, ...] = (),
) -> Check:
    """Every value lies in `bounds`, ends included."""
    limits = {"low": bounds[0], "high": bounds[1]}
    return Check(name, table, column, "between", limits, split, show)


def in_set(
    name: str,
    table: TableName,
    column: str,
    words: tuple[Any, ...],
    *,
    split: str | None = None,
    show: tuple[str, ...] = (),
) -> Check:
    """Every value is one of `words`."""
    return Check(name, table, column, "in_set", {"words": words}, split, show)


def shared_checks() -> list[Check]:
    """What holds of every data set: its images, no scene twice, the projection."""
    return [
        in_set("every label has its image", "scenes", "has_image", (True,)),
        Check("no scene occurs twice", "scenes", "content", "unique"),
        between(
            f"location projects onto pixel_coords within {PIXEL_TOLERANCE:g} px",
            "objects",
            "pixel_error",
            (0.0, PIXEL_TOLERANCE),
            show=("u", "v", "projected_u", "projected_v"),
        ),
    ]


def unique_names(split: str) -> Check:
    """No two images of a split have one name."""
    return Check("image names are unique", "scenes", "image", "unique", split=split)
