"""Parametric chairs. The sitter looks along +y; metres, the floor is z = 0."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from igllm_pipelines.assets.design import Proportions, combination
from igllm_pipelines.assets.mesh import Array, Mesh, merge
from igllm_pipelines.assets.solids import (
    around,
    bar,
    box,
    circle,
    cushion,
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
    turned,
)


@dataclass(frozen=True)
class Chair:
    """The sizes of a chair.

    Attributes:
        width: of the seat, along x.
        depth: of the seat, along y.
        seat: height of the seat's lower side.
        back: height of the back above the seat's lower side.
        recline_deg: of the back from upright.
        leg: thickness of legs and posts.
        count: of slats, rails or spindles in the back.
    """

    width: float
    depth: float
    seat: float
    back: float
    recline_deg: float
    leg: float
    count: int

    def across(self, margin: float) -> Array:
        """Where the `count` slats stand along x."""
        half = self.width / 2 - margin
        return np.linspace(-half, half, self.count + 2)[1:-1]


def _posts(c: Chair) -> Mesh:
    x = (c.width - c.leg) / 2
    return mirror_pair(box((c.leg, c.leg, c.back), (x, 0, c.back / 2)))


def _rail(c: Chair, height: float, width: float) -> Mesh:
    return box((c.width, 0.6 * c.leg, width), (0, 0, height))


def _slat_back(c: Chair) -> Mesh:
    slat = (min(0.05, 0.5 * c.width / c.count), 0.4 * c.leg, 0.9 * c.back)
    slats = [box(slat, (x, 0, 0.5 * c.back)) for x in c.across(c.leg)]
    return merge([_posts(c), _rail(c, c.back - 0.04, 0.08), *slats])


def _ladder_back(c: Chair) -> Mesh:
    heights = np.linspace(0.3, 0.94, c.count) * c.back
    rails = [_rail(c, height, 0.35 * c.back / c.count) for height in heights]
    return merge([_posts(c), *rails])


def _panel_back(c: Chair) -> Mesh:
    return box((c.width, 0.03, c.back), (0, 0, c.back / 2), 0.01)


def _cushion_back(c: Chair) -> Mesh:
    size = (c.width, 0.11, 0.86 * c.back)
    return merge([cushion(size, (0, 0, 0.57 * c.back), 0.05), _stubs(c)])


def _stubs(c: Chair) -> Mesh:
    """Two short posts that carry a back which does not reach down to the seat."""
    x = c.width / 4
    return mirror_pair(box((c.leg, c.leg, 0.5 * c.back), (x, 0, 0.25 * c.back)))


def _medallion_back(c: Chair) -> Mesh:
    outline = ellipse(0.5 * c.width, 0.36 * c.back, 32)
    plate = turned(slab(outline, -0.025, 0.025, 0.015), 0, 90)
    return merge([shifted(plate, z=0.64 * c.back), _stubs(c)])


def _cross_back(c: Chair) -> Mesh:
    x, low, high = c.width / 2 - c.leg, 0.2 * c.back, 0.88 * c.back
    diagonal = bar((-x, 0, low), (x, 0, high), 0.5 * c.leg, c.leg)
    rails = [_rail(c, low, 0.05), _rail(c, high, 0.1)]
    return merge([_posts(c), mirror_pair(diagonal), *rails])


def _hoop_back(c: Chair) -> Mesh:
    x = c.width / 2 - c.leg / 2
    angle = np.linspace(0, np.pi, 13)
    height = 0.55 * c.back + 0.45 * c.back * np.sin(angle)
    path = np.stack([x * np.cos(angle), 0 * angle, height], axis=1)
    hoop = sweep([(x, 0, 0), *path, (-x, 0, 0)], circle(c.leg / 2, 8))
    tops = 0.55 * c.back + 0.45 * c.back * np.sqrt(1 - (c.across(c.leg) / x) ** 2)
    spindles = [
        rod((p, 0, 0), (p, 0, top), 0.3 * c.leg, sides=8)
        for p, top in zip(c.across(c.leg), tops, strict=True)
    ]
    return merge([hoop, *spindles])


def _barrel_back(c: Chair) -> Mesh:
    """A rail bent around the sitter, on spindles."""
    angle = np.radians(np.linspace(-5, 185, 15))
    forward = 0.75 * c.depth
    x, y = 0.5 * c.width * np.cos(angle), -forward * np.sin(angle)
    height = 0.62 * c.back
    path = np.stack([x, y + forward, np.full_like(x, height)], axis=1)
    rail = sweep(path, rectangle(0.03, 0.07))
    spindles = [
        rod((0.9 * p[0], 0.9 * (p[1] - forward) + forward, 0), p, 0.01, sides=8)
        for p in path[1::2]
    ]
    return merge([rail, *spindles])


def _reclined(back: Mesh, c: Chair) -> Mesh:
    """A back, built upright from the origin, on its seat; what is level stays level."""
    lean = np.eye(4)
    lean[1, 2] = -np.tan(np.radians(c.recline_deg))
    return shifted(back.transformed(lean), y=(c.leg - c.depth) / 2, z=c.seat)


def _straight_legs(c: Chair) -> Mesh:
    x, y = (c.width - c.leg) / 2, (c.depth - c.leg) / 2
    return four_corners(box((c.leg, c.leg, c.seat), (x, y, c.seat / 2)))


def _splayed_legs(c: Chair) -> Mesh:
    x, y = 0.38 * c.width, 0.38 * c.depth
    foot = (1.3 * x, 1.3 * y, 0)
    return four_corners(rod((x, y, c.seat), foot, 0.6 * c.leg, 0.5))


def _stretched_legs(c: Chair) -> Mesh:
    x, y, z = (c.width - c.leg) / 2, (c.depth - c.leg) / 2, 0.3 * c.seat
    thick = 0.6 * c.leg
    sides = mirror_pair(box((thick, c.depth - c.leg, thick), (x, 0, z)))
    across = box((c.width - c.leg, thick, thick), (0, 0, z))
    front = box((c.width - c.leg, thick, thick), (0, y, 2 * z))
    return merge([_straight_legs(c), sides, across, front])


def _sled_legs(c: Chair) -> Mesh:
    x, y, r = 0.45 * c.width, 0.48 * c.depth, c.leg / 2
    corners = [(x, -0.8 * y, c.seat), (x, -y, r), (x, y, r), (x, 0.8 * y, c.seat)]
    return mirror_pair(sweep(rounded_path(corners, 0.07), circle(r, 8)))


def _cantilever_legs(c: Chair) -> Mesh:
    """One bent tube: a frame on the floor, up at the front, back under the seat."""
    x, y, r = 0.46 * c.width, 0.48 * c.depth, 0.5 * c.leg
    top = c.seat - r
    corners = [(x, -y, top), (x, y, top), (x, y, r), (x, -y, r), (0, -y, r)]
    return mirror_pair(sweep(rounded_path(corners, 0.07), circle(r, 8)))


def _star_legs(c: Chair) -> Mesh:
    """An office chair's column on five feet with castors."""
    reach = 0.52 * c.width
    column = lathe([(0.025, 0.08), (0.025, c.seat)], 12)
    collar = lathe([(0.045, 0.06), (0.045, 0.14), (0.035, 0.55 * c.seat)], 12)
    foot = bar((0, 0, 0.1), (0, reach, 0.07), 0.05, 0.035, 0.6)
    castor = shifted(turned(lathe([(0.03, -0.02), (0.03, 0.02)], 12), 1, 90), 0, reach)
    plate = box((0.5 * c.width, 0.5 * c.depth, 0.03), (0, 0, c.seat - 0.015))
    return merge(
        [column, collar, plate, around(merge([foot, shifted(castor, z=0.03)]), 5)]
    )


def _tulip_legs(c: Chair) -> Mesh:
    foot, s = 0.42 * c.width, c.seat
    heights = [(1, 0), (1, 0.03), (0.55, 0.07), (0.22, 0.16), (0.14, 0.4)]
    heights += [(0.15, 0.7), (0.3, 0.9), (0.7, 1.0)]
    return lathe([(foot * r, s * h) for r, h in heights], 32)


def _folding_legs(c: Chair) -> Mesh:
    """Two crossed bars on each side, with rungs."""
    x, y, r = 0.46 * c.width, 0.46 * c.depth, 0.5 * c.leg
    one = bar((x, -y, 0), (x, y, c.seat), 0.8 * c.leg, c.leg)
    other = bar((x - c.leg, y, 0), (x - c.leg, -y, c.seat), 0.8 * c.leg, c.leg)
    rungs = [
        rod((-x, s * 0.8 * y, 0.1 * c.seat), (x, s * 0.8 * y, 0.1 * c.seat), r, sides=8)
        for s in (-1, 1)
    ]
    return merge([mirror_pair(one), mirror_pair(other), *rungs])


def _board_seat(c: Chair) -> Mesh:
    return box((c.width, c.depth, 0.03), (0, 0, c.seat + 0.015), 0.01)


def _cushion_seat(c: Chair) -> Mesh:
    board = box((c.width, c.depth, 0.03), (0, 0, c.seat + 0.015))
    pad = cushion((c.width, c.depth, 0.09), (0, 0, c.seat + 0.06), 0.04)
    return merge([board, pad])


def _round_seat(c: Chair) -> Mesh:
    outline = ellipse(0.7 * c.width, 0.7 * c.depth, 32)
    return slab(outline, c.seat, c.seat + 0.04, 0.012)


def _arms_on_posts(c: Chair) -> Mesh:
    x, z = c.width / 2 + 0.01, c.seat + 0.24
    post = box((c.leg, c.leg, 0.26), (x, 0.25 * c.depth, c.seat + 0.12))
    rest = box((0.06, 0.88 * c.depth, 0.03), (x, -0.06 * c.depth, z), 0.01)
    return mirror_pair(merge([post, rest]))


def _arm_loops(c: Chair) -> Mesh:
    x, y, low, high = c.width / 2 + 0.01, 0.4 * c.depth, c.seat + 0.01, c.seat + 0.22
    corners = [(x, -y, low), (x, -y, high), (x, y, high), (x, 0.8 * y, low)]
    return mirror_pair(sweep(rounded_path(corners, 0.06), circle(0.018, 8)))


def _arm_panels(c: Chair) -> Mesh:
    size = (0.07, 0.96 * c.depth, 0.26)
    return mirror_pair(cushion(size, (c.width / 2, 0, c.seat + 0.13), 0.03))


BACKS: dict[str, Callable[[Chair], Mesh]] = {
    "slats": _slat_back,
    "cushion": _cushion_back,
    "ladder": _ladder_back,
    "medallion": _medallion_back,
    "hoop": _hoop_back,
    "panel": _panel_back,
    "cross": _cross_back,
    "barrel": _barrel_back,
}
LEGS: dict[str, Callable[[Chair], Mesh]] = {
    "straight": _straight_legs,
    "star": _star_legs,
    "splayed": _splayed_legs,
    "cantilever": _cantilever_legs,
    "stretched": _stretched_legs,
    "tulip": _tulip_legs,
    "sled": _sled_legs,
    "folding": _folding_legs,
}
SEATS: dict[str, Callable[[Chair], Mesh]] = {
    "board": _board_seat,
    "cushion": _cushion_seat,
    "round": _round_seat,
}
ARMS: dict[str, Callable[[Chair], Mesh] | None] = {
    "none": None,
    "posts": _arms_on_posts,
    "panels": _arm_panels,
    "loops": _arm_loops,
}


def chair(index: int) -> Mesh:
    """The chair of this number, in metres."""
    style = combination(
        index, {"back": [*BACKS], "legs": [*LEGS], "arms": [*ARMS], "seat": [*SEATS]}
    )
    draw = Proportions("chair", index)
    # legs, back and arms stand on a round seat, which reaches beyond them
    share = 0.78 if style["seat"] == "round" else 1.0
    sizes = Chair(
        width=share * draw.between(0.38, 0.56),
        depth=share * draw.between(0.38, 0.52),
        seat=draw.between(0.36, 0.62),
        back=draw.between(0.3, 0.68),
        recline_deg=draw.between(2, 14),
        leg=draw.between(0.03, 0.05),
        count=draw.count(3, 6),
    )
    parts = [
        _reclined(BACKS[style["back"]](sizes), sizes),
        LEGS[style["legs"]](sizes),
        SEATS[style["seat"]](sizes),
    ]
    arms = ARMS[style["arms"]]
    return merge([*parts, arms(sizes)] if arms else parts)
