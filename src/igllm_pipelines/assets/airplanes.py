"""Parametric toy airplanes. The nose points along +y, the fin along +z; metres."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from igllm_pipelines.assets.design import Proportions, combination
from igllm_pipelines.assets.mesh import Mesh, merge
from igllm_pipelines.assets.solids import (
    Point,
    around,
    bar,
    circle,
    ellipse,
    lathe,
    loft,
    mirror_pair,
    rod,
    shifted,
    turned,
)


@dataclass(frozen=True)
class Airplane:
    """The sizes of an airplane; its length is about 1.

    Attributes:
        body: largest radius of the fuselage.
        span: from wing tip to wing tip.
        chord: depth of the wing at its root, along y.
        sweep: how far the wing tip lies behind the root.
        rise: of the wing tip above the root.
        fin: height of the fin above the fuselage.
    """

    body: float
    span: float
    chord: float
    sweep: float
    rise: float
    fin: float


_BODIES: dict[str, Sequence[tuple[float, float, float]]] = {
    # along y, radius, height of the middle; radius and height in shares of `body`
    "jet": [(-0.5, 0.1, 0.6), (-0.3, 0.6, 0.3), (-0.12, 1, 0), (0.3, 1, 0),
            (0.4, 0.85, -0.05), (0.47, 0.5, -0.2), (0.5, 0.1, -0.3)],
    "stubby": [(-0.48, 0.25, 0.3), (-0.25, 0.75, 0.1), (0, 1.25, 0), (0.25, 1.3, 0),
               (0.38, 1.05, 0), (0.44, 0.5, 0)],
    "needle": [(-0.5, 0.5, 0), (-0.4, 0.75, 0), (0, 0.9, 0), (0.2, 0.75, 0),
               (0.4, 0.35, 0), (0.6, 0.03, -0.1)],
    "teardrop": [(-0.5, 0.15, 0.2), (-0.2, 0.4, 0.1), (0.05, 0.9, 0), (0.25, 1.15, 0),
                 (0.36, 0.9, 0), (0.42, 0.45, 0)],
}  # fmt: skip


def _fuselage(a: Airplane, profile: Sequence[tuple[float, float, float]]) -> Mesh:
    ring = circle(sides=20)[:, [1, 0, 0]] * (1, 0, 1)
    ring[:, 2] = circle(sides=20)[:, 0]
    return loft([a.body * r * ring + (0, y, a.body * z) for y, r, z in profile])


def _blade(root: Point, tip: Point, chords: tuple[float, float], across: Point) -> Mesh:
    """A wing or fin from root to tip; `across` is the direction of its span."""
    begin, end = np.asarray(root, float), np.asarray(tip, float)
    forward = np.array([0.0, 1.0, 0.0])
    axes = np.stack([forward, np.cross(across, forward)])
    stations = [(0, 1), (0.94, 1), (0.985, 0.85), (1, 0.55)]
    rings = []
    for t, rounding in stations:
        chord = rounding * (chords[0] + t * (chords[1] - chords[0]))
        section = ellipse(chord / 2, 0.06 * chord, 14)
        rings.append(begin + t * (end - begin) + section @ axes)
    return loft(rings)


def _wings(
    a: Airplane, y: float, z: float, taper: float, sweep: float, rise: float
) -> Mesh:
    tip = (a.span / 2, y - sweep, z + rise)
    return mirror_pair(_blade((0, y, z), tip, (a.chord, taper * a.chord), (1, 0, 0)))


def _low_swept_wings(a: Airplane) -> Mesh:
    return _wings(a, 0.03, -0.5 * a.body, 0.4, 0.1 + a.sweep, 0.05 + a.rise)


def _high_straight_wings(a: Airplane) -> Mesh:
    return _wings(a, 0.1, 0.95 * a.body, 0.85, 0.0, 0.01)


def _mid_tapered_wings(a: Airplane) -> Mesh:
    return _wings(a, 0.08, 0.0, 0.5, 0.4 * a.sweep, a.rise)


def _biplane_wings(a: Airplane) -> Mesh:
    low, high = -0.8 * a.body, 1.7 * a.body
    x = 0.34 * a.span
    struts = [
        rod((x, y, low), (x, y + 0.03, high), 0.008, sides=8) for y in (0.08, 0.16)
    ]
    cabane = rod((0.5 * a.body, 0.13, 0), (0.5 * a.body, 0.15, high), 0.008, sides=8)
    wings = [_wings(a, 0.11, low, 0.9, 0, 0), _wings(a, 0.15, high, 0.9, 0, 0)]
    return merge([*wings, mirror_pair(merge([*struts, cabane]))])


def _delta_wings(a: Airplane) -> Mesh:
    root, tip = (0, -0.12, -0.3 * a.body), (0.4 * a.span, -0.34, -0.2 * a.body)
    return mirror_pair(_blade(root, tip, (0.6, 0.12), (1, 0, 0)))


def _fin(a: Airplane, x: float = 0.0, root: float = 0.3) -> Mesh:
    top = (x, -0.5, a.body * root + a.fin)
    return _blade((x, -0.42, a.body * root), top, (0.17, 0.09), (0, 0, 1))


def _tailplane(a: Airplane, y: float, z: float) -> Mesh:
    tip = (0.19 * a.span, y - 0.04, z)
    return mirror_pair(_blade((0, y, z), tip, (0.13, 0.08), (1, 0, 0)))


def _plain_tail(a: Airplane) -> Mesh:
    return merge([_fin(a), _tailplane(a, -0.43, 0.35 * a.body)])


def _t_tail(a: Airplane) -> Mesh:
    return merge([_fin(a), _tailplane(a, -0.5, 0.28 * a.body + a.fin)])


def _cross_tail(a: Airplane) -> Mesh:
    return merge([_fin(a), _tailplane(a, -0.46, 0.3 * a.body + 0.5 * a.fin)])


def _twin_tail(a: Airplane) -> Mesh:
    fins = mirror_pair(_fin(a, 0.18 * a.span, 0.2))
    return merge([fins, _tailplane(a, -0.42, 0.3 * a.body)])


def _nacelle(x: float, y: float, z: float, radius: float) -> Mesh:
    """A jet engine about `y`, open at the front as far as one sees."""
    rings = [(0.6, -1.8), (1, -0.6), (1.05, 1), (0.95, 1.5), (0.75, 1.5), (0.4, 1.1)]
    tube = lathe([(radius * r, radius * h) for r, h in rings], 16)
    return shifted(turned(tube, 0, -90), x, y, z)


def _propeller(x: float, y: float, z: float, radius: float, blades: int) -> Mesh:
    spinner = lathe([(0.22, -0.15), (0.24, 0), (0.15, 0.25), (0.03, 0.34)], 12)
    blade = bar((0, 0, 0.05), (0.95, 0, 0.05), 0.2, 0.06, 0.7)
    whole = merge([spinner, around(blade, blades)])
    scaled = whole.transformed(np.diag([radius, radius, radius, 1.0]))
    return shifted(turned(scaled, 0, -90), x, y, z)


def _nose_propeller(a: Airplane) -> Mesh:
    y = 0.44 + 0.04 * (a.fin > 0.14)
    return _propeller(0, y, 0, 1.9 * a.body, 3)


def _two_jets(a: Airplane) -> Mesh:
    return mirror_pair(_nacelle(0.2 * a.span, 0.06, -0.9 * a.body, 0.042))


def _four_jets(a: Airplane) -> Mesh:
    pair = [(0.16, 0.08, 0.036), (0.31, 0.0, 0.033)]
    return mirror_pair(
        merge(_nacelle(x * a.span, y, -0.8 * a.body, r) for x, y, r in pair)
    )


def _rear_jets(a: Airplane) -> Mesh:
    return mirror_pair(_nacelle(1.35 * a.body, -0.27, 0.5 * a.body, 0.04))


def _two_propellers(a: Airplane) -> Mesh:
    x = 0.24 * a.span
    body = shifted(
        turned(lathe([(0.015, -0.14), (0.035, 0), (0.035, 0.08)], 12), 0, -90), x, 0.12
    )
    return mirror_pair(merge([body, _propeller(x, 0.21, 0, 0.11, 4)]))


def _wheel(x: float, y: float, z: float, radius: float) -> Mesh:
    rings = [(0.75, -0.3), (1, -0.15), (1, 0.15), (0.75, 0.3)]
    tyre = lathe([(radius * r, radius * h) for r, h in rings], 16)
    return shifted(turned(tyre, 1, 90), x, y, z)


def _leg(x: float, y: float, depth: float) -> Mesh:
    strut = rod((0.5 * x, y, 0), (x, y, -depth), 0.01, sides=8)
    return merge([strut, _wheel(x, y, -depth, 0.038)])


def _tricycle(a: Airplane) -> Mesh:
    mains = mirror_pair(_leg(0.1, -0.03, 2.0 * a.body))
    return merge([mains, _leg(0.0, 0.33, 2.0 * a.body)])


def _tail_wheel(a: Airplane) -> Mesh:
    mains = mirror_pair(_leg(0.11, 0.22, 2.0 * a.body))
    strut = rod((0, -0.42, 0), (0, -0.44, -0.9 * a.body), 0.008, sides=8)
    return merge([mains, strut, _wheel(0, -0.44, -0.9 * a.body, 0.022)])


def _floats(a: Airplane) -> Mesh:
    x, z = 0.13, -2.2 * a.body
    rings = [(0.02, -0.3), (0.035, -0.15), (0.04, 0.1), (0.03, 0.25), (0.008, 0.32)]
    hull = shifted(turned(lathe(rings, 12), 0, -90), x, 0.05, z)
    struts = [rod((0.03, y, 0), (x, y, z), 0.009, sides=8) for y in (-0.05, 0.18)]
    return mirror_pair(merge([hull, *struts]))


def _canopy(a: Airplane) -> Mesh:
    angle = np.linspace(0.08, np.pi - 0.08, 9)
    ball = lathe([(np.sin(t), -np.cos(t)) for t in angle], 16)
    size = np.diag([0.6 * a.body, 0.09, 0.75 * a.body, 1.0])
    return shifted(turned(ball, 0, -90).transformed(size), 0, 0.2, 0.75 * a.body)


WINGS: dict[str, Callable[[Airplane], Mesh]] = {
    "low_swept": _low_swept_wings,
    "high_straight": _high_straight_wings,
    "mid_tapered": _mid_tapered_wings,
    "biplane": _biplane_wings,
    "delta": _delta_wings,
}
TAILS: dict[str, Callable[[Airplane], Mesh]] = {
    "plain": _plain_tail,
    "t": _t_tail,
    "cross": _cross_tail,
    "twin": _twin_tail,
}
ENGINES: dict[str, Callable[[Airplane], Mesh]] = {
    "two_jets": _two_jets,
    "nose_propeller": _nose_propeller,
    "rear_jets": _rear_jets,
    "two_propellers": _two_propellers,
    "four_jets": _four_jets,
}
GEARS: dict[str, Callable[[Airplane], Mesh] | None] = {
    "none": None,
    "tricycle": _tricycle,
    "tail_wheel": _tail_wheel,
    "floats": _floats,
}


def airplane(index: int) -> Mesh:
    """The airplane of this number, about 1 long."""
    style = combination(
        index,
        {
            "wings": [*WINGS],
            "body": [*_BODIES],
            "engines": [*ENGINES],
            "tail": [*TAILS],
            "gear": [*GEARS],
        },
    )
    draw = Proportions("airplane", index)
    sizes = Airplane(
        body=draw.between(0.055, 0.08),
        span=draw.between(0.85, 1.15),
        chord=draw.between(0.18, 0.26),
        sweep=draw.between(0.05, 0.2),
        rise=draw.between(0.0, 0.06),
        fin=draw.between(0.15, 0.22),
    )
    parts = [_fuselage(sizes, _BODIES[style["body"]]), _canopy(sizes)]
    for makers, name in ((WINGS, "wings"), (ENGINES, "engines"), (TAILS, "tail")):
        parts.append(makers[style[name]](sizes))
    gear = GEARS[style["gear"]]
    return merge([*parts, gear(sizes)] if gear else parts)
