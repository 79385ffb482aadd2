import numpy as np
import pytest
from scipy.spatial import ConvexHull

from igllm_pipelines.assets.solids import (
    around,
    bar,
    box,
    circle,
    cushion,
    ellipse,
    four_corners,
    lathe,
    loft,
    mirror_pair,
    rectangle,
    rod,
    rounded_path,
    shifted,
    slab,
    sweep,
    turned,
)
from tests.assets.shapes import is_manifold, signed_volume

BEND = rounded_path([(0, 0, 0), (0, 0, 2), (0, 2, 2), (2, 2, 2)], 0.5)
SOLIDS = {
    "box": box((1, 2, 3), (4, 5, 6), 0.1),
    "thin box": box((1, 2, 0.01), chamfer=0.1),
    "cushion": cushion((1, 2, 3), (4, 5, 6), 0.2),
    "round cushion": cushion((1, 1, 1), radius=0.6, steps=3),
    "lathe": lathe([(1, 0), (0.2, 1), (0.5, 2)]),
    "slab": slab(ellipse(2, 1), 0.5, 0.6),
    "rounded slab": slab(rectangle(2, 1, 0.3), 0, 0.1),
    "rod": rod((0, 0, 0), (1, 1, 1), 0.1, 0.5),
    "hanging rod": rod((0, 0, 1), (0, 0, 0), 0.1),
    "bar": bar((1, 0, 0), (-1, 0.5, 0.2), 0.1, 0.2),
    "bent tube": sweep(BEND, circle(0.1)),
    "turned": turned(box((1, 2, 3)), 1, 30),
    "mirror pair": mirror_pair(box((1, 1, 1), (1, 0, 0))),
    "four corners": four_corners(rod((1, 1, 0), (2, 2, 1), 0.1)),
    "around": around(rod((1, 0, 0), (2, 0, 1), 0.1), 5),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solid_is_closed_and_turned_outwards(name):
    assert is_manifold(SOLIDS[name])
    assert signed_volume(SOLIDS[name]) > 0


@pytest.mark.parametrize("name", SOLIDS)
def test_solid_faces_are_flat(name):
    solid = SOLIDS[name]
    for face in solid.faces:
        corners = solid.vertices[list(face)]
        spread = np.linalg.svd(corners - corners.mean(axis=0), compute_uv=False)
        # the squares of a bent tube, and at a cushion's corners, twist a little
        twisted = "tube" in name or "cushion" in name
        assert spread[-1] < (0.06 * spread[0] if twisted else 1e-9)


@pytest.mark.parametrize("name", ["box", "thin box", "slab", "rod", "bar"])
def test_volume_is_that_of_the_hull_where_convex(name):
    hull = ConvexHull(SOLIDS[name].vertices).volume
    assert signed_volume(SOLIDS[name]) == pytest.approx(hull)


@pytest.mark.parametrize("name", ["box", "cushion"])
def test_size_and_centre(name):
    low, high = SOLIDS[name].bounds()
    np.testing.assert_allclose(low, (3.5, 4, 4.5))
    np.testing.assert_allclose(high, (4.5, 6, 7.5))


def test_chamfer_cuts_a_prism_off_each_edge():
    # of an edge that is long beside the cut c, the prism's section is c^2 / 2
    long = signed_volume(box((1, 1, 101), chamfer=0.1))
    short = signed_volume(box((1, 1, 1), chamfer=0.1))
    assert (long - short) / 100 == pytest.approx(1 - 4 * 0.1**2 / 2)


def test_cushion_nears_the_rounded_box():
    r, size = 0.2, 1.0
    core = size - 2 * r
    exact = core**3 + 6 * core**2 * r + 3 * np.pi * r**2 * core + 4 / 3 * np.pi * r**3
    fine = cushion((size,) * 3, radius=r, steps=8)
    assert signed_volume(fine) == pytest.approx(exact, rel=1e-3)


def test_lathe_nears_the_cylinder():
    solid = lathe([(2, 0), (2, 3)], sides=500)
    assert signed_volume(solid) == pytest.approx(np.pi * 4 * 3, rel=1e-3)


def test_sweep_keeps_its_section_across_a_straight_path():
    solid = sweep([(0, 0, 0), (0, 3, 0)], rectangle(0.5, 1))
    assert signed_volume(solid) == pytest.approx(1.5)
    # the first axis of the section stays level
    np.testing.assert_allclose(solid.extents(), (0.5, 3, 1))


def test_rounded_path_starts_and_ends_where_asked():
    np.testing.assert_allclose(BEND[[0, -1]], [(0, 0, 0), (2, 2, 2)])
    assert np.linalg.norm(BEND - (0, 0, 2), axis=1).min() > 0.15


@pytest.mark.parametrize("axis", range(3))
def test_turned_is_counter_clockwise(axis):
    point = loft(np.eye(3)[[[0, 1, 2]]])
    following = turned(point, axis, 90).vertices[(axis + 1) % 3]
    np.testing.assert_allclose(following, np.eye(3)[(axis + 2) % 3], atol=1e-15)


def test_around_is_symmetric():
    once = around(rod((1, 0, 0), (2, 0, 1), 0.1), 5)
    again = turned(once, 2, 72)
    order = np.lexsort(once.vertices.round(9).T)
    other = np.lexsort(again.vertices.round(9).T)
    np.testing.assert_allclose(once.vertices[order], again.vertices[other], atol=1e-9)


def test_shifted():
    low, _ = shifted(box((2, 2, 2)), 1, 2, 3).bounds()
    np.testing.assert_allclose(low, (0, 1, 2))
