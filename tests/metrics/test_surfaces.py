"""Points on surfaces and the Chamfer distance."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from igllm_pipelines.assets import AssetError, AssetsConfig, load_catalog
from igllm_pipelines.assets.mesh import Mesh
from igllm_pipelines.assets.solids import box
from igllm_pipelines.metrics.surfaces import (
    asset_surfaces,
    chamfer,
    chamfer_sums,
    sample_surface,
    scene_points,
    solid_surfaces,
)
from igllm_pipelines.scene import Scene, SceneObject


@pytest.fixture(scope="module")
def catalog():
    return load_catalog(AssetsConfig(categories=("chair",), per_category=3))


def test_points_lie_on_the_surface_evenly_by_area() -> None:
    size = np.array([1.0, 2.0, 4.0])
    mesh = box(tuple(size), chamfer=0.0)
    points = sample_surface(mesh, 20_000, np.random.default_rng(0))
    on_face = np.isclose(np.abs(points), size / 2, atol=1e-9)
    assert on_face.any(axis=1).all()
    areas = np.array([8.0, 4.0, 2.0])
    shares = on_face.mean(axis=0)
    np.testing.assert_allclose(shares, areas / areas.sum(), atol=0.015)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.05)


def test_mesh_without_area_is_refused() -> None:
    mesh = Mesh(np.zeros((3, 3)), ((0, 1, 2),))
    with pytest.raises(ValueError, match="without area"):
        sample_surface(mesh, 1, np.random.default_rng(0))


@pytest.mark.parametrize(("few", "many"), [(1, 1), (7, 30), (200, 150)])
def test_chamfer_equals_all_pairs(few: int, many: int) -> None:
    rng = np.random.default_rng(few)
    a, b = rng.normal(size=(few, 3)), rng.normal(size=(many, 3))
    pairs = cdist(a, b)
    expected = pairs.min(axis=0).mean() + pairs.min(axis=1).mean()
    assert chamfer(a, b) == pytest.approx(expected)
    assert np.isnan(chamfer(a, b[:0]))


def asset(name: str, size: float = 1.0, **more) -> SceneObject:
    return SceneObject(
        shape=name, extents=(size * 2 / 3, size / 3, size * 2 / 3), **more
    )


def solid(shape: str, size: str = "large", yaw_deg: float = 0.0, **more) -> SceneObject:
    quat = tuple(
        Rotation.from_euler("z", yaw_deg, degrees=True).as_quat()[[3, 0, 1, 2]]
    )
    more = {"location": (0, 0, 0), "rotation": quat, **more}
    return SceneObject(shape=shape, size=size, **more)


def test_objects_are_posed_as_the_scene_says(catalog) -> None:
    surface_of = asset_surfaces(catalog, 64, seed=0)
    turn = Rotation.from_euler("xyz", (0.1, -0.7, 2.0))
    quat = tuple(turn.as_quat(scalar_first=True))
    chair = asset("chair_0001", 2.0, location=(1, 2, 3), rotation=quat)
    nowhere = asset("chair_0000")
    got = scene_points(Scene((chair, nowhere)), surface_of)
    assert catalog["chair_0001"].symmetry == 1
    unit = surface_of(asset("chair_0001")).points
    np.testing.assert_allclose(got, 2 * turn.apply(unit) + (1, 2, 3), atol=1e-12)


def test_scenes_that_are_alike_have_no_distance(catalog) -> None:
    surface_of = asset_surfaces(catalog, 200, seed=0)
    there = Scene((asset("chair_0000", location=(0, 0, 0)),))
    moved = Scene((asset("chair_0000", location=(0, 0, 9)),))
    got = chamfer_sums([there, moved, None], [there] * 3, surface_of)
    assert got.denominator.tolist() == [1, 1, 0]
    assert got.numerator[0] == 0
    assert 2 * 8 < got.numerator[1] < 2 * 9


def test_points_of_an_asset_do_not_depend_on_others(catalog) -> None:
    first, second = (asset_surfaces(catalog, 10, seed=3) for _ in range(2))
    first(asset("chair_0000"))
    again = [surface_of(asset("chair_0002")).points for surface_of in (first, second)]
    np.testing.assert_array_equal(*again)
    with pytest.raises(AssetError, match="no asset"):
        first(asset("chair_0009"))


def test_solids_have_the_area_of_clevrs_shapes() -> None:
    surface_of = solid_surfaces({"large": 0.7, "small": 0.35}, count=40_000)
    ball = surface_of(solid("sphere")).points
    np.testing.assert_allclose(np.linalg.norm(ball, axis=1), 0.7, atol=4e-3)
    np.testing.assert_allclose(ball.mean(axis=0), 0, atol=0.02)
    x, y, z = surface_of(solid("cylinder", "small")).points.T / 0.35
    assert np.hypot(x, y).max() == pytest.approx(1, abs=1e-6)
    assert np.abs(z).max() == pytest.approx(1, abs=1e-9)
    # lids, side and rounded rims
    edge = 0.085
    flat = 2 * np.pi * (1 - edge) ** 2
    side = 2 * np.pi * (2 - 2 * edge)
    rims = 2 * (np.pi**2 * edge * (1 - edge) + 2 * np.pi * edge**2)
    lids = (np.abs(z) > 1 - 1e-9).mean()
    assert lids == pytest.approx(flat / (flat + side + rims), abs=0.01)
    cube = surface_of(solid("cube")).points / 0.7
    on_face = np.isclose(np.abs(cube), 1, atol=1e-9).any(axis=1).mean()
    faces, edges, corners = 24 * 0.8**2, 12 * np.pi / 2 * 0.2 * 1.6, 4 * np.pi * 0.04
    assert on_face == pytest.approx(faces / (faces + edges + corners), abs=0.01)
    assert surface_of(SceneObject(shape="cone", size="large")) is None
    assert surface_of(SceneObject(shape="cube")) is None


@pytest.mark.parametrize(
    ("shape", "yaw_deg"), [("cube", 90.0), ("cube", 270.0), ("cylinder", 33.0)]
)
def test_turns_that_look_the_same_have_no_distance(shape: str, yaw_deg: float) -> None:
    surface_of = solid_surfaces({"large": 0.7})
    true, turned = (Scene((solid(shape, yaw_deg=a),)) for a in (7.0, 7.0 + yaw_deg))
    unsaid = Scene((solid(shape, rotation=None),))
    sums = chamfer_sums([turned, unsaid], [true, true], surface_of)
    assert sums.numerator[0] == pytest.approx(0, abs=1e-9)
    assert (sums.numerator[1] < 1e-9) == (shape == "cylinder")


def test_distance_of_two_balls_is_that_of_their_surfaces() -> None:
    surface_of = solid_surfaces({"large": 0.7, "small": 0.35}, count=5_000)
    got = chamfer_sums(
        [Scene((solid("sphere", "small"),))], [Scene((solid("sphere"),))], surface_of
    )
    assert got.value == pytest.approx(2 * 0.35, rel=0.02)
