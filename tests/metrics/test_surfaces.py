"""Points on surfaces and the Chamfer distance."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from igllm_pipelines.assets import AssetError, AssetsConfig, load_catalog
from igllm_pipelines.assets.mesh import Mesh
from igllm_pipelines.assets.solids import box
from igllm_pipelines.metrics.surfaces import (
    asset_points,
    chamfer,
    chamfer_sums,
    sample_surface,
    scene_points,
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


def test_objects_are_posed_as_the_scene_says(catalog) -> None:
    points_of = asset_points(catalog, 64, seed=0)
    turn = Rotation.from_euler("xyz", (0.1, -0.7, 2.0))
    extents = tuple(2.0 * np.asarray(catalog["chair_0001"].extents))
    quat = tuple(turn.as_quat(scalar_first=True))
    chair = SceneObject(
        location=(1, 2, 3), rotation=quat, shape="chair_0001", extents=extents
    )
    nowhere = SceneObject(shape="chair_0000")
    got = scene_points(Scene((chair, nowhere)), points_of)
    expected = 2 * turn.apply(points_of("chair_0001")) + (1, 2, 3)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_scenes_that_are_alike_have_no_distance(catalog) -> None:
    points_of = asset_points(catalog, 200, seed=0)
    there = Scene((SceneObject(location=(0, 0, 0), shape="chair_0000"),))
    moved = Scene((SceneObject(location=(0, 0, 9), shape="chair_0000"),))
    got = chamfer_sums([there, moved, None], [there] * 3, points_of)
    assert got.denominator.tolist() == [1, 1, 0]
    assert got.numerator[0] == 0
    assert 2 * 8 < got.numerator[1] < 2 * 9


def test_points_of_an_asset_do_not_depend_on_others(catalog) -> None:
    first, second = (asset_points(catalog, 10, seed=3) for _ in range(2))
    first("chair_0000")
    np.testing.assert_array_equal(first("chair_0002"), second("chair_0002"))
    with pytest.raises(AssetError, match="no asset"):
        first("chair_0009")
