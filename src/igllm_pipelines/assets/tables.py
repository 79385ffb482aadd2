"""Parametric tables. The long side lies along x; metres, the floor is z = 0."""

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd

import numpy as np

from igllm_pipelines.assets.design import Proportions, combination
from igllm_pipelines.assets.mesh import Array, Mesh, merge
from igllm_pipelines.assets.solids import (
    around,
    bar,
    box,
    circle,
    ellipse,
    four_corners,
    lathe,
    mirror_pair,
    rectangle,
    rod,
    rounded_path,
    shifted,
    slab,
    sweep,
)


@dataclass(frozen=True)
class Table:
    """The sizes of a table.

    Attributes:
        width: of the top, along x.
        depth: of the top, along y; equal to the width for a square or round top.
        height: of the top's lower side.
        thickness: of the top.
        leg: thickness of a leg.
        inset: where the legs stand, as a share of the top's half sizes.
    """

    width: float
    depth: float
    height: float
    thickness: float
    leg: float
    inset: float

    @property
    def corner(self) -> tuple[float, float]:
        """Where a leg stands."""
        return self.inset * self.width / 2, self.inset * self.depth / 2


def _corner_legs(t: Table) -> Mesh:
    leg = box((t.leg, t.leg, t.height), (*t.corner, t.height / 2))
    return four_corners(leg)


def _splayed_legs(t: Table) -> Mesh:
    x, y = t.corner
    top = (0.8 * x, 0.8 * y, t.height)
    return four_corners(rod(top, (x, y, 0), 0.6 * t.leg, 0.5))


def _turned_legs(t: Table) -> Mesh:
    """Legs from the lathe, thick and thin in turns."""
    rings = [(0.5, 0), (0.6, 0.08), (0.4, 0.14), (0.75, 0.3), (0.9, 0.5), (0.5, 0.72)]
    rings += [(0.9, 0.78), (0.9, 1.0)]
    leg = lathe([(0.6 * t.leg * r, t.height * h) for r, h in rings], 12)
    return four_corners(shifted(leg, *t.corner))


def _three_legs(t: Table) -> Mesh:
    y = t.inset * t.depth / 2
    return around(rod((0, 0.75 * y, t.height), (0, y, 0), 0.7 * t.leg, 0.5), 3)


def _pedestal(t: Table) -> Mesh:
    foot, h = 0.3 * t.depth, t.height
    rings = [(1, 0), (1, 0.03), (0.8, 0.06), (0.25, 0.12), (0.18, 0.3), (0.26, 0.5)]
    rings += [(0.18, 0.7), (0.3, 0.9), (0.6, 1.0)]
    return lathe([(foot * r, h * z) for r, z in rings])


def _drum(t: Table) -> Mesh:
    """A closed round body."""
    r, h = 0.33 * t.depth, t.height
    return lathe([(0.94 * r, 0), (r, 0.06 * h), (r, 0.94 * h), (0.94 * r, h)])


def _cone(t: Table) -> Mesh:
    """A wide foot that narrows upwards."""
    r, h = 0.36 * t.depth, t.height
    rings = [(1, 0), (1, 0.02), (0.45, 0.45), (0.2, 0.75), (0.16, 1)]
    return lathe([(r * s, h * z) for s, z in rings])


def _hourglass(t: Table) -> Mesh:
    """A body with a waist."""
    r, h = 0.34 * t.depth, t.height
    angle = np.linspace(-1, 1, 9)
    return lathe([(r * (0.35 + 0.65 * a * a), h * (a + 1) / 2) for a in angle])


def _disc_column(t: Table) -> Mesh:
    """A thin column on a flat disc."""
    r, h = 0.34 * t.depth, t.height
    rings = [(r, 0), (r, 0.02), (0.9 * r, 0.03), (0.5 * t.leg, 0.035), (0.5 * t.leg, h)]
    return lathe(rings)


def _cross_foot(t: Table) -> Mesh:
    """A column on four feet."""
    column = box((1.8 * t.leg, 1.8 * t.leg, t.height), (0, 0, t.height / 2))
    foot = bar((0, 0, 0.07), (0, 0.4 * t.depth, 0.03), t.leg, 0.06, 0.8)
    arm = bar((0, 0, t.height - 0.03), (0, 0.3 * t.depth, t.height - 0.02), 0.04, 0.04)
    return merge([column, around(merge([foot, arm]), 4)])


def _two_columns(t: Table) -> Mesh:
    x = 0.28 * t.width
    column = box((1.6 * t.leg, 2 * t.leg, t.height), (x, 0, t.height / 2))
    foot = box((0.08, 0.7 * t.depth, 0.06), (x, 0, 0.03), 0.015)
    beam = box((2 * x, 0.04, 0.1), (0, 0, 0.45 * t.height))
    return merge([mirror_pair(merge([column, foot])), beam])


def _trestle(t: Table) -> Mesh:
    """Two trestles that are narrow at the top."""
    x, y = t.corner
    leg = bar((x, 0.3 * y, t.height), (x, y, 0), t.leg, t.leg)
    rung = box((0.8 * t.leg, 1.4 * y, 0.04), (x, 0, 0.35 * t.height))
    return merge([four_corners(leg), mirror_pair(rung)])


def _crossed_legs(t: Table) -> Mesh:
    """An X at each end."""
    x, y = t.corner
    leg = bar((x, -y, 0), (x, y, t.height), t.leg, t.leg)
    beam = rod((-x, 0, t.height / 2), (x, 0, t.height / 2), 0.4 * t.leg)
    return merge([four_corners(leg), beam])


def _side_panels(t: Table) -> Mesh:
    x, y = t.corner
    return mirror_pair(box((0.04, 2 * y, t.height), (x, 0, t.height / 2)))


def _tube_frames(t: Table) -> Mesh:
    """A bent tube at each end."""
    (x, y), r = t.corner, 0.4 * t.leg
    corners = [(x, -y, t.height), (x, -y, r), (x, y, r), (x, y, t.height)]
    return mirror_pair(sweep(rounded_path(corners, 0.06), circle(r, 8)))


def _hairpin_legs(t: Table) -> Mesh:
    """Two thin rods that meet on the floor, at each corner."""
    x, y = t.corner
    spread = 0.22 * min(x, y)
    ends = [(x - spread, y), (x, y - spread)]
    rods = [rod((a, b, t.height), (x, y, 0), 0.012, sides=8) for a, b in ends]
    return four_corners(merge(rods))


def _solid_box(t: Table) -> Mesh:
    size = (0.8 * t.width, 0.8 * t.depth, t.height)
    return box(size, (0, 0, t.height / 2), 0.02)


def _desk(t: Table) -> Mesh:
    """Drawers on the right, a panel on the left, a board at the rear."""
    x, y = 0.32 * t.width, 0.43 * t.depth
    height = t.height - 0.06
    body = box((0.28 * t.width, 2 * y, height), (x, 0, 0.06 + height / 2))
    front = (0.25 * t.width, 0.03, 0.3 * height)
    drawers = [
        box(front, (x, y + 0.01, 0.06 + share * height)) for share in (0.17, 0.5, 0.83)
    ]
    foot = box((0.25 * t.width, 1.8 * y, 0.08), (x, 0, 0.04))
    panel = box((0.04, 2 * y, t.height), (-0.44 * t.width, 0, t.height / 2))
    board = (0.9 * t.width, 0.03, 0.5 * t.height)
    rear = box(board, (0, -0.4 * t.depth, 0.72 * t.height))
    return merge([body, *drawers, foot, panel, rear])


BASES: dict[str, tuple[Callable[[Table], Mesh], int]] = {
    "corner_legs": (_corner_legs, 4),
    "splayed_legs": (_splayed_legs, 4),
    "turned_legs": (_turned_legs, 4),
    "hairpin_legs": (_hairpin_legs, 4),
    "cross_foot": (_cross_foot, 4),
    "solid_box": (_solid_box, 4),
    "three_legs": (_three_legs, 3),
    "pedestal": (_pedestal, 0),
    "drum": (_drum, 0),
    "cone": (_cone, 0),
    "hourglass": (_hourglass, 0),
    "disc_column": (_disc_column, 0),
    "two_columns": (_two_columns, 2),
    "trestle": (_trestle, 2),
    "crossed_legs": (_crossed_legs, 2),
    "side_panels": (_side_panels, 2),
    "tube_frames": (_tube_frames, 2),
    "desk": (_desk, 1),
}
"""Each base, and the order of its symmetry under a top as deep as wide."""

_ANY = ("corner_legs", "splayed_legs", "turned_legs", "hairpin_legs", "cross_foot")
_LONG = ("two_columns", "trestle", "crossed_legs", "side_panels", "tube_frames")
_ROUND = ("three_legs", "pedestal", "drum", "cone", "hourglass", "disc_column")
_BASES_OF_TOP = {
    "rectangle": (*_ANY, *_LONG, "solid_box", "desk"),
    "round": (*_ANY, *_ROUND),
    "rounded": (*_ANY, *_LONG, "desk"),
    "square": (*_ANY, "pedestal", "disc_column"),
    "oval": (*_ANY, *_LONG, "disc_column"),
    "octagon": (*_ANY, "pedestal", "drum"),
    "hexagon": ("three_legs", "hourglass", "drum", "cone"),
}
_TOP_SYMMETRY = {
    "rectangle": 2, "rounded": 2, "oval": 2, "square": 4, "octagon": 8, "hexagon": 6,
    "round": 0,
}  # fmt: skip
_FORMS = [f"{top} {base}" for top, bases in _BASES_OF_TOP.items() for base in bases]
_STYLES = {
    "form": _FORMS,
    "extra": ["none", "shelf", "apron"],
    "height": ["dining", "coffee", "bar"],
}
_INSETS = {"rectangle": (0.78, 0.9), "square": (0.78, 0.9), "rounded": (0.7, 0.78)}
_HEIGHTS = {"dining": (0.68, 0.76), "coffee": (0.34, 0.46), "bar": (0.9, 1.08)}


def _outline(top: str, t: Table) -> Array:
    if top in ("rectangle", "square"):
        return rectangle(t.width, t.depth)
    if top == "rounded":
        return rectangle(t.width, t.depth, 0.3 * t.depth, steps=6)
    if top in ("octagon", "hexagon"):
        return circle(t.width / 2, 8 if top == "octagon" else 6)
    return ellipse(t.width / 2, t.depth / 2)


def _sizes(top: str, height: str, draw: Proportions) -> Table:
    long = _TOP_SYMMETRY[top] == 2
    low = height == "coffee"
    depth = draw.between(0.5, 0.7) if low else draw.between(0.65, 0.95)
    return Table(
        width=depth * (draw.between(1.35, 2.1) if long else 1.0),
        depth=depth,
        height=draw.between(*_HEIGHTS[height]),
        thickness=draw.between(0.025, 0.06),
        leg=draw.between(0.04, 0.08),
        inset=draw.between(*_INSETS.get(top, (0.6, 0.66))),
    )


def _style(index: int) -> tuple[str, str, str, str]:
    style = combination(index, _STYLES)
    top, base = style["form"].split()
    return top, base, style["extra"], style["height"]


def table(index: int) -> Mesh:
    """The table of this number, in metres."""
    top, base, extra, height = _style(index)
    t = _sizes(top, height, Proportions("table", index))
    outline = _outline(top, t)
    parts = [slab(outline, t.height, t.height + t.thickness), BASES[base][0](t)]
    if extra == "shelf":
        z = 0.28 * t.height
        parts.append(slab(0.66 * outline, z, z + 0.025))
    if extra == "apron":
        parts.append(slab(0.8 * outline, t.height - 0.08, t.height, 0.002))
    return merge(parts)


def table_symmetry(index: int) -> int:
    """Order of the table's symmetry about z, 0 where any turn looks the same.

    The greatest common divisor of the orders of its parts; 0 is divided by all.
    """
    top, base, _, _ = _style(index)
    return gcd(_TOP_SYMMETRY[top], BASES[base][1])
