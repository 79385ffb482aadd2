"""Closed solids that furniture and airplanes are put together from.

Each is manifold with its faces turned outwards. Lengths in metres, z up.
"""

from collections.abc import Sequence
from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import ArrayLike

from igllm_pipelines.assets.mesh import Array, Face, Mesh, merge

Point = Sequence[float]

ROUND_SIDES = 48
"""Of a lathe: looks round, and 3, 4 and 6 legs stand on it symmetrically."""

_CORNERS = tuple(product((-1, 1), repeat=3))


def box(size: Point, centre: Point = (0, 0, 0), chamfer: float = 0.006) -> Mesh:
    """A box whose edges are cut off at 45 degrees.

    Args:
        size: along x, y, z.
        centre: of the box.
        chamfer: width of the cut, at most a quarter of the smallest size is taken.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    cut = min(chamfer, half.min() / 2)
    return Mesh(_box_vertices(half, cut) + np.asarray(centre), _box_faces())


def _box_vertices(half: Array, cut: float) -> Array:
    """Three at each corner: the one of axis a lies in the face across a."""
    shrink = cut * (1 - np.eye(3))
    return np.concatenate([np.array(s) * (half - shrink) for s in _CORNERS])


@cache
def _box_faces() -> tuple[Face, ...]:
    faces: list[Face] = []
    for a, sign in product(range(3), (-1, 1)):
        ring = [3 * i + a for i, s in enumerate(_CORNERS) if s[a] == sign]
        faces.append((ring[0], ring[1], ring[3], ring[2]))
    for i, j in combinations(range(8), 2):
        differ = [a for a in range(3) if _CORNERS[i][a] != _CORNERS[j][a]]
        if len(differ) == 1:
            a, b = (axis for axis in range(3) if axis != differ[0])
            faces.append((3 * i + a, 3 * i + b, 3 * j + b, 3 * j + a))
    faces += [(3 * i, 3 * i + 1, 3 * i + 2) for i in range(8)]
    return _turned_outwards(_box_vertices(np.ones(3), 0.25), faces)


def cushion(
    size: Point, centre: Point = (0, 0, 0), radius: float = 0.05, steps: int = 2
) -> Mesh:
    """A box with rounded edges and corners.

    Args:
        size: along x, y, z.
        centre: of the box.
        radius: of the edges, at most nearly half of the smallest size is taken.
        steps: faces across an eighth of a circle.
    """
    half = np.asarray(size, dtype=np.float64) / 2
    radius = min(radius, 0.95 * float(half.min()))
    sides, directions = _cushion_points(steps)
    vertices = sides * (half - radius) + radius * directions
    return Mesh(vertices + np.asarray(centre), _cushion_faces(steps), smooth=True)


@cache
def _cushion_keys(steps: int) -> tuple[tuple[int, ...], ...]:
    """The points on the surface of a cubic grid; it is cut in two along each axis."""
    last = 2 * steps + 1
    grid = product(range(last + 1), repeat=3)
    return tuple(key for key in grid if {*key} & {0, last})


@cache
def _cushion_points(steps: int) -> tuple[Array, Array]:
    """On which side of the centre each point lies, and where its normal points."""
    keys = np.array(_cushion_keys(steps))
    ramp = np.tan(np.linspace(0, np.pi / 4, steps + 1))
    node = np.concatenate([-ramp[::-1], ramp])
    directions = node[keys] / np.linalg.norm(node[keys], axis=1, keepdims=True)
    return np.where(keys <= steps, -1.0, 1.0), directions


@cache
def _cushion_faces(steps: int) -> tuple[Face, ...]:
    number = {key: i for i, key in enumerate(_cushion_keys(steps))}
    last = 2 * steps + 1
    faces: list[Face] = []
    for axis, level in product(range(3), (0, last)):
        for u, v in product(range(last), repeat=2):
            ring = [(u, v), (u + 1, v), (u + 1, v + 1), (u, v + 1)]
            keys = [(*p[:axis], level, *p[axis:]) for p in ring]
            faces.append(tuple(number[key] for key in keys))
    sides, directions = _cushion_points(steps)
    return _turned_outwards(sides + directions, faces)


def _turned_outwards(vertices: Array, faces: list[Face]) -> tuple[Face, ...]:
    """The faces of a convex solid about the origin, counter-clockwise from outside."""
    outward = []
    for face in faces:
        a, b, c = vertices[list(face[:3])]
        inside_out = np.cross(b - a, c - a) @ a < 0
        outward.append(face[::-1] if inside_out else face)
    return tuple(outward)


def loft(rings: ArrayLike, smooth: bool = True) -> Mesh:
    """The skin over rings ``(r, k, 3)`` of as many points each, with flat ends.

    Each ring is convex and runs counter-clockwise seen from the next one.
    """
    points = np.asarray(rings, dtype=np.float64)
    count, sides = points.shape[:2]
    faces: list[Face] = [tuple(range(sides))[::-1]]
    for ring, i in product(range(count - 1), range(sides)):
        a, b = ring * sides + i, ring * sides + (i + 1) % sides
        faces.append((a, b, b + sides, a + sides))
    faces.append(tuple(range((count - 1) * sides, count * sides)))
    return Mesh(points.reshape(-1, 3), tuple(faces), smooth)


def circle(radius: float = 1.0, sides: int = 12) -> Array:
    """Outline ``(sides, 2)`` of a circle, counter-clockwise."""
    return ellipse(radius, radius, sides)


def ellipse(x: float, y: float, sides: int = ROUND_SIDES) -> Array:
    """Outline ``(sides, 2)`` of an ellipse with these half axes."""
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    return np.stack([x * np.cos(angle), y * np.sin(angle)], axis=1)


def rectangle(x: float, y: float, radius: float = 0.0, steps: int = 3) -> Array:
    """Outline of a rectangle of sizes `x` and `y`, its corners rounded."""
    if not radius:
        return np.array([[x, -y], [x, y], [-x, y], [-x, -y]]) / 2
    turn = np.linspace(0, np.pi / 2, steps + 1)
    arcs = []
    for quarter, (sx, sy) in enumerate([(1, 1), (-1, 1), (-1, -1), (1, -1)]):
        angle = turn + quarter * np.pi / 2
        middle = np.array([sx * (x / 2 - radius), sy * (y / 2 - radius)])
        arcs.append(middle + radius * np.stack([np.cos(angle), np.sin(angle)], 1))
    return np.concatenate(arcs)


def slab(outline: Array, bottom: float, top: float, chamfer: float = 0.006) -> Mesh:
    """A plate of a convex outline ``(k, 2)`` in the xy plane, its edges cut off.

    The cut shrinks the outline towards the origin.
    """
    cut = min(chamfer, (top - bottom) / 4)
    inset = 1 - cut / np.linalg.norm(outline, axis=1).max()
    levels = [(inset, bottom), (1, bottom + cut), (1, top - cut), (inset, top)]
    return loft([np.pad(s * outline, ((0, 0), (0, 1))) + (0, 0, z) for s, z in levels])


def lathe(profile: Sequence[Sequence[float]], sides: int = ROUND_SIDES) -> Mesh:
    """A solid of revolution about z.

    Args:
        profile: radius (above 0) and height of each ring, from the bottom up.
        sides: of each ring.
    """
    ring = np.pad(circle(sides=sides), ((0, 0), (0, 1)))
    return loft([ring * r + (0, 0, z) for r, z in profile])


def sweep(
    path: ArrayLike, section: Array, scales: Sequence[float] | None = None
) -> Mesh:
    """A section drawn along a path.

    The section's first axis starts level, along x where the path starts upright, and is
    carried along without twisting.

    Args:
        path: (n, 3).
        section: (k, 2), convex, counter-clockwise.
        scales: of the section at each point of the path.
    """
    points = np.asarray(path, dtype=np.float64)
    steps = np.diff(points, axis=0)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    tangents = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]])
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    upright = np.hypot(*tangents[0, :2]) < 1e-6
    side = np.eye(3)[0] if upright else np.cross((0, 0, 1), tangents[0])
    rings = []
    for i, (point, tangent) in enumerate(zip(points, tangents, strict=True)):
        side = side - (side @ tangent) * tangent
        side = side / np.linalg.norm(side)
        axes = np.stack([side, np.cross(tangent, side)])
        rings.append(point + (scales[i] if scales else 1.0) * section @ axes)
    return loft(rings)


def rod(
    start: Point, end: Point, radius: float, taper: float = 1.0, sides: int = 12
) -> Mesh:
    """A round bar; its radius at the end is `taper` times the one at the start."""
    return sweep([start, end], circle(radius, sides), [1.0, taper])


def bar(
    start: Point, end: Point, width: float, depth: float, taper: float = 1.0
) -> Mesh:
    """A bar of rectangular section; its end is `taper` times as wide and deep."""
    return sweep([start, end], rectangle(width, depth), [1.0, taper])


def rounded_path(points: ArrayLike, radius: float, steps: int = 5) -> Array:
    """A path ``(n, 3)`` along these points with its inner corners rounded off."""
    corners = np.asarray(points, dtype=np.float64)
    path = [corners[:1]]
    blend = np.linspace(0, 1, steps + 1)[:, None]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        to_start = (before - corner) / np.linalg.norm(before - corner)
        to_end = (after - corner) / np.linalg.norm(after - corner)
        # a quadratic Bezier curve: from one side of the corner to the other
        bend = (1 - blend) ** 2 * to_start + blend**2 * to_end
        path.append(corner + radius * bend)
    return np.concatenate([*path, corners[-1:]])


def shifted(mesh: Mesh, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
    """The mesh moved by x, y, z."""
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return mesh.transformed(matrix)


def turned(mesh: Mesh, axis: int, angle_deg: float) -> Mesh:
    """The mesh turned counter-clockwise about x (0), y (1) or z (2)."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(4)
    matrix[[a, a, b, b], [a, b, a, b]] = c, -s, s, c
    return mesh.transformed(matrix)


def mirror_pair(mesh: Mesh, axis: int = 0) -> Mesh:
    """The mesh and its mirror image across the plane through the origin."""
    flip = np.eye(4)
    flip[axis, axis] = -1
    return merge([mesh, mesh.transformed(flip)])


def four_corners(mesh: Mesh) -> Mesh:
    """The mesh and its mirror images in x and y."""
    return mirror_pair(mirror_pair(mesh, 0), 1)


def around(mesh: Mesh, count: int) -> Mesh:
    """So many copies of the mesh, evenly about the z axis."""
    return merge(turned(mesh, 2, 360 * i / count) for i in range(count))
