import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from igllm_pipelines.assets import AssetError, AssetsConfig, load_catalog
from igllm_pipelines.assets.airplanes import STYLES as AIRPLANE_STYLES
from igllm_pipelines.assets.design import MAX_INSTANCES, combination
from igllm_pipelines.assets.procedural import (
    MAKERS,
    procedural_catalog,
    procedural_mesh,
)
from tests.assets.shapes import is_manifold, signed_volume

ALL = AssetsConfig(categories=tuple(MAKERS), per_category=40)
TURNS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 48)


@pytest.fixture(scope="module")
def catalog():
    return load_catalog(ALL)


def test_ids_are_numbered_in_order(catalog):
    ids = [asset.id for asset in catalog.assets]
    assert ids == sorted(ids)
    assert len(ids) == len({*ids}) == 160
    assert {"chair_0000", "chair_0039", "airplane_0007"} <= {*ids}


def test_last_of_each_category_are_held_out(catalog):
    held_out = [asset.id for asset in catalog.held_out()]
    assert held_out == sorted(f"{c}_{i:04d}" for c in MAKERS for i in range(32, 40))
    assert {*catalog.training()} | {*catalog.held_out()} == {*catalog.assets}


def test_fewer_instances_are_the_first_ones(catalog):
    few = procedural_catalog(replace(ALL, per_category=3, held_out=0))
    assert all(
        replace(catalog[asset.id], held_out=False) == asset for asset in few.assets
    )


def test_extents_are_those_of_the_mesh(catalog):
    for asset in catalog.assets:
        low, high = procedural_mesh(asset.id).bounds()
        np.testing.assert_allclose(high - low, asset.extents, atol=1e-12)
        np.testing.assert_allclose(low, -high, atol=1e-12)
        assert np.linalg.norm(asset.extents) == pytest.approx(1)


def test_meshes_are_closed_turned_outwards_and_light(catalog):
    for asset in catalog.assets:
        mesh = procedural_mesh(asset.id)
        assert is_manifold(mesh), asset.id
        assert signed_volume(mesh) > 0, asset.id
        assert len(mesh.triangles()) < 3000, asset.id


@pytest.mark.parametrize("category", MAKERS)
def test_no_two_instances_are_alike(category):
    meshes = [
        procedural_mesh(f"{category}_{i:04d}").vertices for i in range(MAX_INSTANCES)
    ]
    extents = {tuple(np.ptp(v, axis=0).round(3)) for v in meshes}
    shapes = {v.round(6).tobytes() for v in meshes}
    assert len(shapes) == MAX_INSTANCES
    assert len(extents) > 0.95 * MAX_INSTANCES


def test_combinations_differ_in_structure():
    chosen = [tuple(combination(i, AIRPLANE_STYLES).values()) for i in range(100)]
    assert len({*chosen}) == 100
    for style, words in zip(zip(*chosen, strict=True), AIRPLANE_STYLES.values(),
                            strict=True):  # fmt: skip
        assert {*style} == {*words}


def test_a_mesh_is_the_same_in_another_process():
    code = (
        "from igllm_pipelines.assets.procedural import procedural_mesh as mesh\n"
        "import hashlib\n"
        "data = mesh('chair_0007').vertices.round(9) + 0.0\n"
        "print(hashlib.sha256(data.tobytes()).hexdigest())"
    )
    run = [sys.executable, "-c", code]
    hashes = {
        subprocess.run(run, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(hashes) == 1


def looks_the_same(mesh, turns):
    """After a turn by 2 pi / turns about z each vertex lies on another one."""
    angle = 2 * np.pi / turns
    c, s = np.cos(angle), np.sin(angle)
    turned = mesh.vertices @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T
    return cKDTree(mesh.vertices).query(turned)[0].max() < 1e-9


def test_symmetry_is_that_of_the_mesh(catalog):
    for asset in catalog.assets:
        # any angle: the mesh has 48 sides
        order = asset.symmetry or 48
        mesh = procedural_mesh(asset.id)
        for turns in TURNS:
            assert looks_the_same(mesh, turns) == (order % turns == 0), asset.id


def test_tables_have_all_kinds_of_symmetry(catalog):
    tables = [a.symmetry for a in catalog.assets if a.category == "table"]
    assert {0, 1, 2, 3, 4} <= {*tables}
    others = {a.symmetry for a in catalog.assets if a.category != "table"}
    assert others == {1}


def test_airplanes_look_different_after_every_half_turn():
    for i in range(20):
        vertices = procedural_mesh(f"airplane_{i:04d}").vertices
        tree = cKDTree(vertices)
        for axis in range(3):
            half_turn = -np.ones(3)
            half_turn[axis] = 1
            assert tree.query(vertices * half_turn)[0].max() > 0.02


@pytest.mark.parametrize("category", ["chair", "sofa"])
def test_seats_have_their_back_behind_and_face_forward(category):
    for i in range(40):
        mesh = procedural_mesh(f"{category}_{i:04d}")
        top = mesh.vertices[:, 2].max()
        highest = mesh.vertices[mesh.vertices[:, 2] > top - 0.03]
        assert highest[:, 1].mean() < -0.01


def test_airplanes_have_their_fin_up_and_behind():
    for i in range(40):
        vertices = procedural_mesh(f"airplane_{i:04d}").vertices
        rear = vertices[vertices[:, 1] < np.quantile(vertices[:, 1], 0.1)]
        assert rear[:, 2].max() > 0.8 * vertices[:, 2].max()
        # the widest part, the wing, lies before the tail
        assert vertices[np.abs(vertices[:, 0]).argmax(), 1] > rear[:, 1].mean()


def test_tables_stand_with_their_top_up():
    for i in range(40):
        mesh = procedural_mesh(f"table_{i:04d}")
        top = mesh.vertices[mesh.vertices[:, 2] > mesh.vertices[:, 2].max() - 1e-9]
        spans = np.ptp(top[:, :2], axis=0)
        np.testing.assert_allclose(spans, mesh.extents()[:2], rtol=0.06)
        assert spans[0] > 0.85 * spans[1]


@pytest.mark.parametrize(
    ("asset_id", "reason"),
    [
        ("lamp_0000", "categories are sofa, chair, table, airplane"),
        ("chair_7", "like chair_0007"),
        ("chair_0100", "at most 100"),
    ],
)
def test_unknown_ids_are_named(asset_id, reason):
    with pytest.raises(AssetError, match=reason):
        procedural_mesh(asset_id)


def test_too_many_instances_are_named():
    with pytest.raises(AssetError, match=r"per_category to at most 100"):
        procedural_catalog(AssetsConfig(per_category=101))
