"""Parametric sofas. Who sits looks along +y; metres, the floor is z = 0."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from igllm_pipelines.assets.design import Proportions, combination
from igllm_pipelines.assets.mesh import Mesh, merge
from igllm_pipelines.assets.solids import (
    box,
    cushion,
    four_corners,
    lathe,
    mirror_pair,
    rectangle,
    rod,
    shifted,
    slab,
    turned,
)


@dataclass(frozen=True)
class Sofa:
    """The sizes of a sofa.

    Attributes:
        seats: side by side.
        width: of the seats together, along x.
        depth: of seat and back, along y.
        feet: height of the frame's lower side.
        seat: height of the cushions' top.
        back: height of the back's top.
        arm: width of an arm.
        back_depth: thickness of the back.
    """

    seats: int
    width: float
    depth: float
    feet: float
    seat: float
    back: float
    arm: float
    back_depth: float

    @property
    def frame(self) -> float:
        """Height of the frame's top, on which the cushions lie."""
        return self.feet + 0.45 * (self.seat - self.feet)

    @property
    def front(self) -> float:
        """Where the back ends and the seats begin, along y."""
        return self.back_depth - self.depth / 2

    def columns(self) -> list[float]:
        """Middle of each seat along x."""
        edges = np.linspace(-self.width / 2, self.width / 2, self.seats + 1)
        return ((edges[1:] + edges[:-1]) / 2).tolist()


def _frame(s: Sofa) -> Mesh:
    size = (s.width + 0.02, s.depth, s.frame - s.feet)
    return box(size, (0, 0, (s.frame + s.feet) / 2), 0.02)


def _cushions(s: Sofa, columns: list[float], width: float, front: float) -> Mesh:
    """Seat cushions from the back to `front` along y."""
    size = (width - 0.01, front - s.front, s.seat - s.frame)
    y, z = (front + s.front) / 2, (s.seat + s.frame) / 2
    return merge(cushion(size, (x, y, z), 0.05) for x in columns)


def _seats(s: Sofa) -> Mesh:
    return _seats_of(s, s.columns())


def _seats_of(s: Sofa, columns: list[float]) -> Mesh:
    return _cushions(s, columns, s.width / s.seats, s.depth / 2 + 0.02)


def _bench_seat(s: Sofa) -> Mesh:
    return _cushions(s, [0.0], s.width, s.depth / 2 + 0.02)


def _chaise(s: Sofa) -> Mesh:
    """The last seat reaches far forward, to lie on."""
    wide, reach = s.width / s.seats, s.depth / 2 + 0.65
    *rest, last = s.columns()
    long = _cushions(s, [last], wide, reach)
    size = (wide, reach - s.front, s.frame - s.feet)
    middle = (last, (reach + s.front) / 2, (s.frame + s.feet) / 2)
    foot = box((0.7 * wide, 0.06, s.frame), (last, reach - 0.1, s.frame / 2))
    return merge([_seats_of(s, rest), long, box(size, middle, 0.02), foot])


def _left_chaise(s: Sofa) -> Mesh:
    return _chaise(s).transformed(np.diag([-1.0, 1.0, 1.0, 1.0]))


def _back_board(s: Sofa, height: float) -> Mesh:
    y = (s.back_depth - s.depth) / 2
    size = (s.width + 0.02, s.back_depth, height - s.feet)
    return box(size, (0, y, (height + s.feet) / 2), 0.03)


def _tight_back(s: Sofa) -> Mesh:
    return _back_board(s, s.back)


def _cushion_back(s: Sofa) -> Mesh:
    size = (s.width / s.seats - 0.02, 0.2, s.back - s.seat + 0.04)
    loose = turned(cushion(size, radius=0.08), 0, 12)
    z = (s.back + s.seat) / 2 + 0.04
    pads = [shifted(loose, x, s.front + 0.06, z) for x in s.columns()]
    return merge([_back_board(s, s.back - 0.08), *pads])


def _rolled_back(s: Sofa) -> Mesh:
    """A roll along the top of the back, as on a Chesterfield."""
    y, z = (s.back_depth - s.depth) / 2, s.back - 0.1
    roll = rod((-s.width / 2, y, z), (s.width / 2, y, z), 0.11, sides=20)
    return merge([_back_board(s, z), roll])


def _channel_back(s: Sofa) -> Mesh:
    """Upright rolls side by side, highest in the middle."""
    count = 3 * s.seats
    step = s.width / count
    rolls = []
    for i in range(count):
        x = (i + 0.5) * step - s.width / 2
        top = s.back + 0.12 * (1 - (2 * x / s.width) ** 2)
        roll = slab(rectangle(step, 0.16, 0.45 * step, 2), s.frame, top, 0.02)
        rolls.append(shifted(roll, x, s.front - 0.06))
    return merge([_back_board(s, s.seat), *rolls])


def _low_bolster_back(s: Sofa) -> Mesh:
    """A bare low board with a bolster for each seat, as on a daybed."""
    half, z = 0.42 * s.width / s.seats, s.seat + 0.1
    bolsters = [
        rod((x - half, s.front + 0.1, z), (x + half, s.front + 0.1, z), 0.12, sides=20)
        for x in s.columns()
    ]
    y = 0.03 - s.depth / 2
    top = s.seat + 0.2
    board = box((s.width, 0.06, top - s.feet), (0, y, (top + s.feet) / 2))
    return merge([board, *bolsters])


def _box_arms(s: Sofa) -> Mesh:
    top = s.seat + 0.18
    size = (s.arm, s.depth, top - s.feet)
    x = (s.width + s.arm) / 2
    return mirror_pair(box(size, (x, 0, (top + s.feet) / 2), 0.03))


def _rolled_arms(s: Sofa) -> Mesh:
    top, x = s.seat + 0.14, (s.width + s.arm) / 2
    wall = box((0.7 * s.arm, s.depth, top - s.feet), (x, 0, (top + s.feet) / 2))
    radius, y = 0.6 * s.arm, s.depth / 2 + 0.01
    return mirror_pair(merge([wall, rod((x, -y, top), (x, y, top), radius, sides=20)]))


def _slanted_arms(s: Sofa) -> Mesh:
    """Arms that lean outwards and rise towards the back."""
    height = s.seat + 0.2 - s.feet
    arm = box((0.7 * s.arm, s.depth, height), (0, 0, height / 2), 0.03)
    lean = np.eye(4)
    lean[0, 2], lean[2, 1] = 0.2, -0.12
    x = s.width / 2 + 0.3 * s.arm
    return mirror_pair(shifted(arm.transformed(lean), x, 0, s.feet))


def _frame_arms(s: Sofa) -> Mesh:
    """Open wooden frames."""
    x, y, top = s.width / 2 + 0.03, s.depth / 2 - 0.03, s.seat + 0.18
    posts = [box((0.05, 0.05, top), (x, sign * y, top / 2)) for sign in (-1, 1)]
    rest = box((0.09, s.depth + 0.04, 0.035), (x, 0, top), 0.01)
    rung = box((0.04, s.depth, 0.05), (x, 0, s.feet + 0.05))
    return mirror_pair(merge([*posts, rest, rung]))


def _foot_span(s: Sofa) -> tuple[float, float]:
    return s.width / 2 - 0.06, s.depth / 2 - 0.08


def _round_feet(s: Sofa) -> Mesh:
    x, y = _foot_span(s)
    foot = lathe([(0.03, 0), (0.05, 0.4 * s.feet), (0.035, s.feet + 0.01)], 10)
    return four_corners(shifted(foot, x, y))


def _tapered_feet(s: Sofa) -> Mesh:
    x, y = _foot_span(s)
    return four_corners(rod((x, y, s.feet + 0.01), (x + 0.05, y + 0.04, 0), 0.03, 0.5))


def _plinth(s: Sofa) -> Mesh:
    height = s.feet + 0.02
    return box((s.width - 0.1, s.depth - 0.12, height), (0, 0, height / 2))


def _runners(s: Sofa) -> Mesh:
    """A flat metal frame under each end."""
    x, y = _foot_span(s)
    runner = box((0.04, 2 * y, 0.03), (x, 0, 0.015))
    posts = [box((0.04, 0.03, s.feet), (x, sign * y, s.feet / 2)) for sign in (-1, 1)]
    return mirror_pair(merge([runner, *posts]))


BACKS: dict[str, Callable[[Sofa], Mesh]] = {
    "cushions": _cushion_back,
    "tight": _tight_back,
    "rolled": _rolled_back,
    "channels": _channel_back,
    "bolsters": _low_bolster_back,
}
ARMS: dict[str, Callable[[Sofa], Mesh] | None] = {
    "box": _box_arms,
    "rolled": _rolled_arms,
    "slanted": _slanted_arms,
    "frame": _frame_arms,
    "none": None,
}
SEATS: dict[str, Callable[[Sofa], Mesh]] = {
    "cushions": _seats,
    "bench": _bench_seat,
    "chaise": _chaise,
    "left_chaise": _left_chaise,
}
FEET: dict[str, Callable[[Sofa], Mesh]] = {
    "round": _round_feet,
    "tapered": _tapered_feet,
    "plinth": _plinth,
    "runners": _runners,
}


def sofa(index: int) -> Mesh:
    """The sofa of this number, in metres."""
    style = combination(
        index, {"back": [*BACKS], "arms": [*ARMS], "seat": [*SEATS], "feet": [*FEET]}
    )
    draw = Proportions("sofa", index)
    seats = draw.count(2, 4)
    seat = draw.between(0.38, 0.48)
    sizes = Sofa(
        seats=seats,
        width=seats * draw.between(0.55, 0.68),
        depth=draw.between(0.8, 1.0),
        feet=draw.between(0.07, 0.18),
        seat=seat,
        back=seat + draw.between(0.28, 0.5),
        arm=draw.between(0.12, 0.24),
        back_depth=draw.between(0.16, 0.24),
    )
    parts = [_frame(sizes)]
    for makers, name in ((BACKS, "back"), (SEATS, "seat"), (FEET, "feet")):
        parts.append(makers[style[name]](sizes))
    arms = ARMS[style["arms"]]
    return merge([*parts, arms(sizes)] if arms else parts)
