"""Parametric toy airplanes. The nose points along +y, the fin along +z; metres."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from igllm_pipelines.assets.design import Proportions, combination
from igllm_pipelines.assets.mesh import Array, Mesh, merge
from igllm_pipelines.assets.solids import (
    Point,
    around,
    bar,
    box,
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
        nose: where the fuselage ends, along y and z.
    """

    body: float
    span: float
    chord: float
    sweep: float
    rise: float
    fin: float
    nose: tuple[float, float]


@dataclass(frozen=True)
class Blade:
    """One half of a wing or tailplane, or a fin.

    Attributes:
        root: middle of its inner end.
        tip: middle of its outer end.
        chords: its depth along y, at the root and at the tip.
    """

    root: Point
    tip: Point
    chords: tuple[float, float]

    def at(self, share: float) -> tuple[Array, float]:
        """Middle and chord at this share of the way from the root to the tip."""
        root, tip = np.asarray(self.root), np.asarray(self.tip)
        return root + share * (tip - root), float(np.interp(share, (0, 1), self.chords))

    def mesh(self, across: Point = (1, 0, 0)) -> Mesh:
        """The solid, rounded at the tip; `across` is the direction of its span."""
        axes = np.stack([(0, 1, 0), np.cross(across, (0, 1, 0))])
        rings = []
        for share, rounding in ((0, 1), (0.94, 1), (0.985, 0.85), (1, 0.55)):
            middle, chord = self.at(share)
            section = rounding * chord * ellipse(0.5, 0.06, 14)
            rings.append(middle + section @ axes)
        return loft(rings)


_Profile = Sequence[tuple[float, float, float]]
BODIES: dict[str, _Profile] = {
    "jet": [(-0.5, 0.1, 0.6), (-0.3, 0.6, 0.3), (-0.12, 1, 0), (0.3, 1, 0),
            (0.4, 0.85, -0.05), (0.47, 0.5, -0.2), (0.5, 0.1, -0.3)],
    "stubby": [(-0.48, 0.25, 0.3), (-0.25, 0.75, 0.1), (0, 1.25, 0), (0.25, 1.3, 0),
               (0.38, 1.05, 0), (0.44, 0.5, 0)],
    "needle": [(-0.5, 0.5, 0), (-0.4, 0.75, 0), (0, 0.9, 0), (0.2, 0.75, 0),
               (0.4, 0.35, 0), (0.6, 0.03, -0.1)],
    "teardrop": [(-0.5, 0.15, 0.2), (-0.2, 0.4, 0.1), (0.05, 0.9, 0), (0.25, 1.15, 0),
                 (0.36, 0.9, 0), (0.42, 0.45, 0)],
}  # fmt: skip
"""Rings of each fuselage: place along y; radius and height in shares of `body`."""


def _fuselage(a: Airplane, profile: _Profile) -> Mesh:
    z, x = circle(sides=20).T
    ring = np.stack([x, np.zeros_like(x), z], axis=1)
    return loft([a.body * r * ring + (0, y, a.body * h) for y, r, h in profile])


def _low_swept_wings(a: Airplane) -> list[Blade]:
    z = -0.5 * a.body
    tip = (a.span / 2, -0.07 - a.sweep, z + 0.05 + a.rise)
    return [Blade((0, 0.03, z), tip, (a.chord, 0.4 * a.chord))]


def _high_straight_wings(a: Airplane) -> list[Blade]:
    z = 0.95 * a.body
    return [Blade((0, 0.1, z), (a.span / 2, 0.1, z), (a.chord, 0.85 * a.chord))]


def _mid_tapered_wings(a: Airplane) -> list[Blade]:
    tip = (a.span / 2, 0.08 - 0.4 * a.sweep, a.rise)
    return [Blade((0, 0.08, 0), tip, (a.chord, 0.5 * a.chord))]


def _biplane_wings(a: Airplane) -> list[Blade]:
    x, low, high = a.span / 2, -0.8 * a.body, 1.7 * a.body
    chords = (a.chord, 0.9 * a.chord)
    return [
        Blade((0, 0.11, low), (x, 0.11, low), chords),
        Blade((0, 0.15, high), (x, 0.15, high), chords),
    ]


def _delta_wings(a: Airplane) -> list[Blade]:
    tip = (0.4 * a.span, -0.34, -0.2 * a.body)
    return [Blade((0, -0.12, -0.3 * a.body), tip, (0.6, 0.12))]


def _struts(a: Airplane, low: Blade, high: Blade) -> Mesh:
    """What holds the upper wing of a biplane."""
    below, above = low.at(0.68)[0], high.at(0.68)[0]
    ends = [(below + (0, y, 0), above + (0, y, 0)) for y in (-0.05, 0.04)]
    ends.append((np.array((0.5 * a.body, 0.13, 0)), high.at(0.08)[0]))
    return mirror_pair(
        merge(rod(start.tolist(), end.tolist(), 0.008, sides=8) for start, end in ends)
    )


def _wings(a: Airplane, blades: list[Blade]) -> Mesh:
    halves = mirror_pair(merge(blade.mesh() for blade in blades))
    return merge([halves, _struts(a, *blades)]) if len(blades) > 1 else halves


def _fin(a: Airplane, x: float = 0.0, root: float = 0.3) -> Mesh:
    bottom = root * a.body
    blade = Blade((x, -0.42, bottom), (x, -0.5, bottom + a.fin), (0.17, 0.09))
    return blade.mesh(across=(0, 0, 1))


def _tailplane(a: Airplane, y: float, z: float) -> Mesh:
    blade = Blade((0, y, z), (0.19 * a.span, y - 0.04, z), (0.13, 0.08))
    return mirror_pair(blade.mesh())


def _plain_tail(a: Airplane) -> Mesh:
    return merge([_fin(a), _tailplane(a, -0.43, 0.35 * a.body)])


def _t_tail(a: Airplane) -> Mesh:
    return merge([_fin(a), _tailplane(a, -0.5, 0.28 * a.body + a.fin)])


def _cross_tail(a: Airplane) -> Mesh:
    return merge([_fin(a), _tailplane(a, -0.46, 0.3 * a.body + 0.5 * a.fin)])


def _twin_tail(a: Airplane) -> Mesh:
    fins = mirror_pair(_fin(a, 0.18 * a.span, 0.2))
    return merge([fins, _tailplane(a, -0.42, 0.3 * a.body)])


def _along_y(mesh: Mesh, place: Point) -> Mesh:
    """Turns what was built along z towards the nose, and moves it to its place."""
    return shifted(turned(mesh, 0, -90), *place)


def _jet(place: Point, radius: float) -> Mesh:
    """A jet engine; its intake is a hollow."""
    rings = [(0.6, -1.8), (1, -0.6), (1.05, 1), (0.95, 1.5), (0.75, 1.5), (0.4, 1.1)]
    return _along_y(lathe([(radius * r, radius * h) for r, h in rings], 16), place)


def _hanging_jet(wing: Blade, share: float, radius: float) -> Mesh:
    """A jet engine before and below a wing, on a pylon."""
    (x, y, z), chord = wing.at(share)
    front = y + chord / 2
    pylon = box((0.015, 0.45 * chord, 0.06), (x, front - 0.2 * chord, z - 0.03))
    return merge([_jet((x, front, z - 0.035 - radius), radius), pylon])


def _propeller(place: Point, radius: float, blades: int) -> Mesh:
    spinner = lathe([(0.22, -0.15), (0.24, 0), (0.15, 0.25), (0.03, 0.34)], 12)
    blade = bar((0, 0, 0.05), (0.95, 0, 0.05), 0.2, 0.06, 0.7)
    whole = merge([spinner, around(blade, blades)])
    return _along_y(whole.transformed(np.diag([radius, radius, radius, 1])), place)


def _nose_propeller(a: Airplane, wing: Blade) -> Mesh:
    y, z = a.nose
    return _propeller((0, y, z), 1.9 * a.body, 3)


def _two_jets(a: Airplane, wing: Blade) -> Mesh:
    return mirror_pair(_hanging_jet(wing, 0.42, 0.042))


def _four_jets(a: Airplane, wing: Blade) -> Mesh:
    jets = [_hanging_jet(wing, share, 0.035) for share in (0.34, 0.64)]
    return mirror_pair(merge(jets))


def _rear_jets(a: Airplane, wing: Blade) -> Mesh:
    x, y, z = 1.4 * a.body, -0.27, 0.45 * a.body
    pylon = box((x, 0.07, 0.015), (x / 2, y, z))
    return mirror_pair(merge([_jet((x, y, z), 0.04), pylon]))


def _two_propellers(a: Airplane, wing: Blade) -> Mesh:
    (x, y, z), chord = wing.at(0.42)
    front = y + chord / 2
    body = lathe([(0.012, -0.14), (0.035, 0), (0.035, 0.06)], 12)
    propeller = _propeller((x, front + 0.06, z), 0.11, 4)
    return mirror_pair(merge([_along_y(body, (x, front, z)), propeller]))


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
    depth = 0.9 * a.body
    strut = rod((0, -0.42, 0), (0, -0.44, -depth), 0.008, sides=8)
    return merge([mains, strut, _wheel(0, -0.44, -depth, 0.022)])


def _floats(a: Airplane) -> Mesh:
    x, z = 0.13, -2.2 * a.body
    rings = [(0.02, -0.3), (0.035, -0.15), (0.04, 0.1), (0.03, 0.25), (0.008, 0.32)]
    hull = _along_y(lathe(rings, 12), (x, 0.05, z))
    struts = [rod((0.03, y, 0), (x, y, z), 0.009, sides=8) for y in (-0.05, 0.18)]
    return mirror_pair(merge([hull, *struts]))


def _canopy(a: Airplane) -> Mesh:
    angle = np.linspace(0.08, np.pi - 0.08, 9)
    ball = lathe([(np.sin(t), -np.cos(t)) for t in angle], 16)
    flat = ball.transformed(np.diag([0.6 * a.body, 0.75 * a.body, 0.09, 1]))
    return _along_y(flat, (0, 0.2, 0.75 * a.body))


WINGS: dict[str, Callable[[Airplane], list[Blade]]] = {
    "low_swept": _low_swept_wings,
    "high_straight": _high_straight_wings,
    "mid_tapered": _mid_tapered_wings,
    "biplane": _biplane_wings,
    "delta": _delta_wings,
}
ENGINES: dict[str, Callable[[Airplane, Blade], Mesh]] = {
    "two_jets": _two_jets,
    "nose_propeller": _nose_propeller,
    "rear_jets": _rear_jets,
    "two_propellers": _two_propellers,
    "four_jets": _four_jets,
}
TAILS: dict[str, Callable[[Airplane], Mesh]] = {
    "plain": _plain_tail,
    "t": _t_tail,
    "cross": _cross_tail,
    "twin": _twin_tail,
}
GEARS: dict[str, Callable[[Airplane], Mesh] | None] = {
    "none": None,
    "tricycle": _tricycle,
    "tail_wheel": _tail_wheel,
    "floats": _floats,
}
STYLES = {
    "wings": [*WINGS],
    "body": [*BODIES],
    "engines": [*ENGINES],
    "tail": [*TAILS],
    "gear": [*GEARS],
}


def _sizes(index: int, profile: _Profile) -> Airplane:
    draw = Proportions("airplane", index)
    body = draw.between(0.055, 0.08)
    y, _, z = profile[-1]
    return Airplane(
        body=body,
        span=draw.between(0.85, 1.15),
        chord=draw.between(0.18, 0.26),
        sweep=draw.between(0.05, 0.2),
        rise=draw.between(0.0, 0.06),
        fin=draw.between(0.15, 0.22),
        nose=(y, z * body),
    )


def airplane(index: int) -> Mesh:
    """The airplane of this number, about 1 long."""
    style = combination(index, STYLES)
    profile = BODIES[style["body"]]
    a = _sizes(index, profile)
    blades = WINGS[style["wings"]](a)
    parts = [_fuselage(a, profile), _canopy(a), _wings(a, blades)]
    parts += [ENGINES[style["engines"]](a, blades[0]), TAILS[style["tail"]](a)]
    gear = GEARS[style["gear"]]
    return merge([*parts, gear(a)] if gear else parts)
