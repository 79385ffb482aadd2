import json

import numpy as np
import pytest
from hypothesis import given

from igllm_pipelines.scene import (
    Camera,
    LabelError,
    Light,
    Scene,
    SceneObject,
    read_labels,
    scene_from_record,
    scene_to_record,
    write_labels,
)
from igllm_pipelines.scene.rotations import from_representation, yaw_from_quat
from tests.scene.strategies import asset_scenes, clevr_scenes


def full_scene():
    camera = Camera.look_at(
        (7, -6, 5), (0, 0, 0), lens_mm=42, sensor_width_mm=32, width_px=9, height_px=9
    )
    light = Light("Key", "AREA", (1, 2, 3), (1, 0, 0, 0), 78.5, 0.5, (1, 1, 1))
    obj = SceneObject(
        location=(1.25, -0.5, 0.7),
        rotation=(0.5, 0.5, -0.5, 0.5),
        color="red",
        shape="chair_0007",
        texture="wood_0042",
        extents=(0.5, 0.75, 1.5),
        pixel_coords=(3.25, 4.5, 11.0),
        visible_pixels=7,
    )
    return Scene(
        objects=(obj,),
        image_filename="a.png",
        camera=camera,
        lights=(light,),
        backdrop="floor",
        seed=(7, 0, 3),
        generator="clevr-1",
        engine="bpy 5.0.1",
    )


def record(**changes):
    obj = {"3d_coords": [1, 2, 3], "pixel_coords": [4, 5, 6], "shape": "cube"}
    return {"image_filename": "a.png", "objects": [{**obj, **changes}]}


def test_every_field_survives():
    scene = full_scene()
    copy = json.loads(json.dumps(scene_to_record(scene)))
    assert scene_from_record(copy, "here") == scene


@given(clevr_scenes)
def test_clevr_round_trip(scene):
    assert_survives(scene)


@given(asset_scenes)
def test_asset_round_trip(scene):
    assert_survives(scene)


def assert_survives(scene):
    back = scene_from_record(json.loads(json.dumps(scene_to_record(scene))), "here")
    assert back == scene


def test_upright_rotation_is_written_in_degrees():
    quat = tuple(from_representation([0, 0, np.radians(30)], "aa"))
    written = scene_to_record(Scene((SceneObject(rotation=quat),), "a.png"))
    assert written["objects"][0]["rotation"] == pytest.approx(30)


def test_rotation_of_an_asset_is_written_as_euler_angles():
    quat = tuple(from_representation([0, 0, np.radians(30)], "aa"))
    upright = SceneObject(rotation=quat, extents=(1, 1, 1))
    written = scene_to_record(Scene((upright,), "a.png"))
    assert written["objects"][0]["rotation"] == pytest.approx([0, 0, np.radians(30)])


def test_official_yaw_is_read_as_degrees():
    scene = scene_from_record(record(rotation=90), "here")
    assert yaw_from_quat(scene.objects[0].rotation) == pytest.approx(np.pi / 2)


def test_official_euler_angles_are_read_as_extrinsic_radians():
    angles = [0.1, -0.4, 1.2]
    scene = scene_from_record(record(rotation=angles), "here")
    expected = from_representation(angles, "euler")
    np.testing.assert_allclose(scene.objects[0].rotation, expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"3d_coords": [1, float("nan"), 3]}, "3d_coords must be finite"),
        ({"3d_coords": [1, 2]}, "3d_coords must hold 3 numbers"),
        ({"3d_coords": None}, "3d_coords must hold"),
        ({"pixel_coords": [1, 2, "x"]}, "pixel_coords must hold numbers"),
        ({"rotation": [1, 2]}, "rotation must hold 3 numbers"),
        ({"rotation": float("inf")}, "rotation must be finite"),
        ({"rotation_quat": [0, 0, 0, 0]}, "not zero"),
        ({"shape": 3}, "'shape' must be text"),
        ({"texture": 3}, "'texture' must be text"),
        ({"extents": [1, 2]}, "extents must hold 3 numbers"),
        ({"extents": [1, 2, 0]}, "extents must be positive"),
    ],
)
def test_bad_object_is_named(changes, reason):
    with pytest.raises(LabelError, match=reason) as caught:
        scene_from_record(record(**changes), "train.json, scene 7")
    assert "train.json, scene 7 (a.png), object 0" in str(caught.value)


def test_missing_location_is_named():
    bad = record()
    del bad["objects"][0]["3d_coords"]
    with pytest.raises(LabelError, match="object 0: '3d_coords' is missing"):
        scene_from_record(bad, "here")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([], "list 'objects'"),
        ({"objects": []}, "image_filename"),
        ({"image_filename": "a", "objects": 3}, "list 'objects'"),
        ({"image_filename": "a", "objects": [3]}, "must be a JSON object"),
        ({"image_filename": "a", "objects": [], "camera": {"fov": 3}}, "fov"),
        ({"image_filename": "a", "objects": [], "lights": [{}]}, "missing"),
        ({"image_filename": "a", "objects": [], "backdrop": "sea"}, "backdrop"),
    ],
)
def test_bad_scene_is_named(bad, reason):
    with pytest.raises(LabelError, match=reason):
        scene_from_record(bad, "here")


@pytest.mark.parametrize("bare", [True, False])
def test_file_round_trip(tmp_path, bare):
    path = tmp_path / "labels" / "train.json"
    write_labels(path, [scene_to_record(full_scene())], {"generator": "clevr-1"})
    if bare:
        path.write_text(json.dumps(json.loads(path.read_text())["scenes"]))
    assert read_labels(path) == [full_scene()]


def test_file_is_the_same_twice(tmp_path):
    records = [scene_to_record(full_scene())]
    for name in ("a.json", "b.json"):
        write_labels(tmp_path / name, records, {"b": 1, "a": 2})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "train.json"
    write_labels(path, [record()], {})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant|Out of range"):
        write_labels(path, [record(rotation=float("nan"))], {})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such label file"),
        ("{", "no valid JSON"),
        ('{"scene": []}', "neither a list"),
    ],
)
def test_bad_file_is_named(tmp_path, content, reason):
    path = tmp_path / "train.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LabelError, match=reason) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


def test_two_scenes_of_one_image_are_named(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([record(), record()]))
    with pytest.raises(LabelError, match="scenes 0 and 1 name the same image 'a.png'"):
        read_labels(path)
