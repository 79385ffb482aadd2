"""Assets in Blender: axes, scale, materials, memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from igllm_pipelines.assets import AssetError
from igllm_pipelines.assets.mesh import load_mesh
from igllm_pipelines.render.turntable import asset_scene
from igllm_pipelines.scene.rotations import matrix_from_quat
from tests.render.gallery import BLUE, GREEN, RED

pytestmark = pytest.mark.blender
TILTED = (0.8, 0.3, -0.4, 0.33)


def shown(asset, rotation=(1.0, 0.0, 0.0, 0.0), **look):
    """A scene with the asset before white, turned."""
    scene = asset_scene(asset, 0.5, 0.4, size_px=128, backdrop="white", **look)
    return replace(scene, objects=(replace(scene.objects[0], rotation=rotation),))


def covered(image):
    return image.min(axis=-1) < 240


def pixel_box(mask):
    """First and last column and row, as edges in pixels."""
    rows, columns = np.nonzero(mask)
    return np.array(
        [columns.min(), columns.max() + 1, rows.min(), rows.max() + 1], dtype=float
    )


def projected_box(scene, points):
    """Columns and rows between which the points of the object frame are seen."""
    (obj,) = scene.objects
    turned = points @ matrix_from_quat(obj.rotation).T
    pixels = scene.camera.project(turned * np.linalg.norm(obj.extents) + obj.location)
    low, high = pixels[:, :2].min(axis=0), pixels[:, :2].max(axis=0)
    return np.array([low[0], high[0], low[1], high[1]])


@pytest.mark.parametrize("rotation", [(1.0, 0.0, 0.0, 0.0), TILTED])
@pytest.mark.parametrize("name", ["sofa_0001", "table_0002", "airplane_0000"])
def test_procedural_asset_is_where_its_vertices_project(furniture, name, rotation):
    catalog, call = furniture
    scene = shown(catalog[name], rotation, color="blue")
    found = pixel_box(covered(call("picture", scene)))
    wanted = projected_box(scene, load_mesh(catalog[name]).vertices)
    assert np.abs(found - wanted).max() < 2


@pytest.mark.parametrize("rotation", [(1.0, 0.0, 0.0, 0.0), TILTED])
@pytest.mark.parametrize("name", ["chair_obj", "chair_glb", "chair_scenes"])
def test_file_is_where_its_vertices_project(gallery, name, rotation):
    catalog, call = gallery
    scene = shown(catalog[name], rotation)
    found = pixel_box(covered(call("picture", scene)))
    wanted = projected_box(scene, load_mesh(catalog[name]).vertices)
    assert np.abs(found - wanted).max() < 2


def test_box_corners_enclose_the_asset(gallery):
    catalog, call = gallery
    asset = catalog["chair_sheet"]  # it fills its box
    corners = np.array(
        [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    ) * (np.asarray(asset.extents) / 2)
    scene = shown(asset, TILTED)
    found = pixel_box(covered(call("picture", scene)))
    assert np.abs(found - projected_box(scene, corners)).max() < 2


def test_obj_and_glb_of_one_thing_give_one_picture(gallery):
    catalog, call = gallery
    views = [
        [call("picture", asset_scene(catalog[name], yaw, 0.4, backdrop="white"))
         for name in ("chair_obj", "chair_glb")]
        for yaw in (0.5, 2.0, -1.5)
    ]  # fmt: skip
    for obj, glb in views:
        assert np.abs(obj.astype(int) - glb).mean() < 2
    assert np.abs(views[0][0].astype(int) - views[1][0]).mean() > 10


def hue(image, mask):
    """Mean color of the pixels, its largest channel 1."""
    mean = image[mask].mean(axis=0)
    return mean / mean.max()


@pytest.mark.parametrize("name", ["chair_obj", "chair_glb"])
def test_materials_of_a_file_survive(gallery, name):
    catalog, call = gallery
    scene = shown(catalog[name])
    image = call("picture", scene)
    red = covered(image) & (image[..., 0] > image[..., 2])
    blue = covered(image) & (image[..., 2] > image[..., 0])
    assert min(red.sum(), blue.sum()) > 300
    assert hue(image, red) == pytest.approx(RED, abs=0.4)
    assert hue(image, blue) == pytest.approx(BLUE, abs=0.4)
    # rows count downwards
    assert np.nonzero(blue)[0].mean() < np.nonzero(red)[0].mean()


def test_texture_of_a_file_survives(gallery):
    catalog, call = gallery
    image = call("picture", shown(catalog["chair_sheet"]))
    assert hue(image, covered(image)) == pytest.approx(GREEN, abs=0.4)


def test_missing_texture_leaves_the_color_of_the_material(gallery):
    catalog, call = gallery
    assert any(problem.id == "chair_bare" for problem in catalog.problems)
    image = call("picture", shown(catalog["chair_bare"]))
    assert hue(image, covered(image)) == pytest.approx(BLUE, abs=0.4)


def test_color_word_covers_every_material_of_a_file(gallery):
    catalog, call = gallery
    scene = shown(catalog["chair_obj"], color="green")
    assert call("slots", scene) == [["rubber green", "rubber green"]]
    # the paint is the object's, not the mesh's
    assert call("slots", shown(catalog["chair_obj"])) == [["foot", "post"]]


def test_procedural_asset_without_a_look_is_grey(furniture):
    catalog, call = furniture
    scene = shown(catalog["table_0001"])
    assert call("slots", scene) == [["grey"]]
    image = call("picture", scene)
    assert np.ptp(image[covered(image)].mean(axis=0)) < 4


def test_metal_shines(furniture):
    catalog, call = furniture
    scene = shown(catalog["airplane_0000"], color="red")
    metal = replace(scene.objects[0], material="metal")
    pictures = [call("picture", s) for s in (scene, replace(scene, objects=(metal,)))]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() > 40


def test_visible_pixels_of_an_asset_are_its_outline(furniture):
    catalog, call = furniture
    for name in ("sofa_0001", "airplane_0000"):
        scene = shown(catalog[name], TILTED, color="blue")
        (seen,) = call("visible", scene)
        assert seen == pytest.approx(covered(call("picture", scene)).sum(), rel=0.1)


def test_asset_behind_another_has_no_visible_pixels(furniture):
    catalog, call = furniture
    scene = shown(catalog["sofa_0001"])
    (front,) = scene.objects
    eye = np.asarray(scene.camera.world_from_camera)[:3, 3]
    away = 0.5 * (np.asarray(front.location) - eye)
    small = tuple(0.1 * np.asarray(front.extents))
    behind = replace(front, location=tuple(front.location + away), extents=small)
    both = call("visible", replace(scene, objects=(behind, front)))
    assert both == [0, *call("visible", scene)]
    assert call("visible", replace(scene, objects=(behind,)))[0] > 0


def test_what_an_asset_lacks_is_an_error(furniture):
    catalog, call = furniture
    scene = shown(catalog["sofa_0001"])
    (obj,) = scene.objects
    for wrong, error, reason in (
        (replace(obj, extents=None), ValueError, "sofa_0001 without extents"),
        (replace(obj, shape="sofa_9999"), AssetError, "no asset 'sofa_9999'"),
        (replace(obj, location=None), ValueError, "without location"),
        (replace(obj, shape=None), ValueError, "without shape"),
        (replace(obj, color="pink"), ValueError, "color 'pink'"),
        (replace(obj, texture="silk_1"), ValueError, "no texture 'silk_1'"),
    ):
        with pytest.raises(error, match=reason):
            call("picture", replace(scene, objects=(wrong,)))
    call("picture", scene)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("chair_torn", "v 0 0 0\nv 1 0 0\nv 0 9 0\nf 1 2 3\n", "its box goes from"),
        ("chair_torn", "nothing\n", "it holds no faces"),
        ("chair_broken", "glTF and no more", "not imported: "),
    ],
)
def test_file_that_changed_is_named_and_leaves_nothing(gallery, name, content, reason):
    catalog, call = gallery
    asset = catalog[name]
    call("picture", replace(shown(asset), objects=()))
    before = call("held")
    Path(asset.path).write_text(content)
    with pytest.raises(AssetError, match=rf"asset {name}, {asset.path}: {reason}"):
        call("picture", shown(asset))
    assert call("held") == before


def test_assets_beyond_the_limit_are_forgotten(gallery):
    catalog, call = gallery
    empty = replace(shown(catalog["chair_obj"]), objects=())
    call("keep", 0)
    call("picture", empty)
    before = call("held")
    for name in ("chair_obj", "chair_glb", "chair_scenes", "chair_sheet"):
        call("picture", shown(catalog[name]))
        assert call("held")["meshes"] == before["meshes"] + 1
    assert call("held")["images"] == before["images"] + 1
    call("clear")
    assert call("held") == before
    call("keep", 2**20)
    for name in ("chair_obj", "chair_glb"):
        call("picture", shown(catalog[name]))
    call("clear")
    assert call("held")["meshes"] == before["meshes"] + 2


def test_scene_count_leaves_no_data_behind(furniture):
    catalog, call = furniture
    assets = catalog.assets
    for asset in assets:
        call("slots", shown(asset))
    before = call("held")
    for index in range(50):
        texture = f"wood_{index:04d}" if index % 2 else None
        call("slots", shown(assets[index % len(assets)], texture=texture))
    call("clear")
    after = call("held")
    assert after.pop("objects") == before.pop("objects") - 1
    assert after == before
