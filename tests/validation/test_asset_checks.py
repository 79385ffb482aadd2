"""Checks of so3, 6dof and shapenet: each finds the data that break exactly it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from igllm_pipelines.assets import load_catalog
from igllm_pipelines.domains.poses import half_height_m
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.scene import Camera, SceneObject
from igllm_pipelines.validation.tables import scene_tables
from tests.validation.drawn import (
    Scenes,
    draw,
    failing,
    validate,
    with_object,
    with_scene,
)

FEW = {"train": 4, "val_ID": 14}
SHAPENET_FEW = {
    **FEW,
    **{"val_OOD_texture": 4, "val_OOD_shape": 4, "val_OOD_camera": 4},
}
SO3 = So3Config(num_scenes={**FEW, "val_OOD": 4})
SIX_DOF = SixDofConfig(num_scenes=FEW)
SHAPENET = ShapeNetConfig(num_scenes=SHAPENET_FEW, min_objects=2)
CONFIGS: dict[str, SceneConfig] = {
    "so3": SO3,
    "6dof": SIX_DOF,
    "shapenet": SHAPENET,
    "resting": replace(SHAPENET, placement="resting"),
    "floating": replace(SHAPENET, placement="floating"),
    "own": replace(SHAPENET, appearance="own"),
}
ASSETS = ("so3", "6dof", "shapenet")


@pytest.fixture(scope="module")
def drawn() -> dict[str, Scenes]:
    return {name: draw(config) for name, config in CONFIGS.items()}


@pytest.mark.parametrize("name", CONFIGS)
def test_drawn_scenes_are_valid(name: str, drawn: dict[str, Scenes]) -> None:
    report = validate(drawn[name], CONFIGS[name])
    assert failing(report) == []
    assert report["valid"]


# changes to the first object of an image of val_ID, and what must be found
SHARED_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no location": ({"location": None}, "x is given"),
    "no pixel": ({"pixel_coords": None}, "u is given"),
    "wrong pixel": (
        {"pixel_coords": (1.0, 1.0, 9.0)},
        "location projects onto pixel_coords within 1 px",
    ),
    "behind": ({"pixel_coords": (1.0, 1.0, -9.0)}, "it lies before the camera"),
    "never counted": ({"visible_pixels": None}, "visible_pixels is given"),
    "hidden": ({"visible_pixels": 3}, "enough of it is seen"),
    "no rotation": ({"rotation": None}, "the rotation is given"),
    "no extents": ({"extents": None}, "lowest_m is given"),
    "other extents": ({"extents": (0.1, 0.2, 0.3)}, "the extents are those"),
    "no shape": ({"shape": None}, "shape is given"),
}


@pytest.fixture(scope="module", params=ASSETS)
def faults(request: Any, drawn: dict[str, Scenes]) -> dict[str, Any]:
    """The report on scenes with one fault of `SHARED_FAULTS` in an image each."""
    scenes = drawn[request.param]
    for index, (changes, _) in enumerate(SHARED_FAULTS.values()):
        scenes = with_object(scenes, "val_ID", index, **changes)
    return validate(scenes, CONFIGS[request.param])


@pytest.mark.parametrize("fault", SHARED_FAULTS)
def test_fault_of_any_asset_is_found(fault: str, faults: dict[str, Any]) -> None:
    index, check = list(SHARED_FAULTS).index(fault), SHARED_FAULTS[fault][1]
    (found,) = [c for c in faults["checks"] if c["check"].startswith(check)]
    images = {(row["split"], row["image"][-10:]) for row in found["rows"]}
    assert ("val_ID", f"{index:06d}.png") in images


def assert_found(report: dict[str, Any], check: str, split: str) -> None:
    """The check failed, and its first row is the second image of the split."""
    failed = [c for c in report["checks"] if not c["valid"]]
    (found,) = [c for c in failed if c["check"].startswith(check)]
    row = found["rows"][0]
    assert (row["split"], row["image"][-10:]) == (split, "000001.png")


SCENE_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no camera": ({"camera": None}, "the camera is stored"),
    "no lamps": ({"lights": ()}, "the lamps are stored"),
    "no backdrop": ({"backdrop": ""}, "the backdrop is stored"),
    "other backdrop": ({"backdrop": "sweep"}, "the backdrop"),
    "no objects": ({"objects": ()}, "number of objects"),
}


@pytest.mark.parametrize("domain", ASSETS)
def test_fault_of_any_scene_is_found(domain: str, drawn: dict[str, Scenes]) -> None:
    scenes = drawn[domain]
    for index, (changes, _) in enumerate(SCENE_FAULTS.values()):
        scenes = with_scene(scenes, "val_ID", index, **changes)
    report = validate(scenes, CONFIGS[domain])
    for index, (_, check) in enumerate(SCENE_FAULTS.values()):
        (found,) = [c for c in report["checks"] if c["check"] == check]
        assert f"{index:06d}.png" in {row["image"][-10:] for row in found["rows"]}


@pytest.mark.parametrize("domain", ASSETS)
def test_image_of_another_size_is_found(domain: str, drawn: dict[str, Scenes]) -> None:
    camera = replace(drawn[domain]["val_ID"][1].camera, width_px=64, height_px=32)
    broken = with_scene(drawn[domain], "val_ID", 1, camera=camera)
    found = failing(validate(broken, CONFIGS[domain]))
    assert {"image width", "image height"} <= set(found)


@pytest.mark.parametrize("domain", ASSETS)
def test_scene_in_two_splits_is_found(domain: str, drawn: dict[str, Scenes]) -> None:
    objects = drawn[domain]["train"][0].objects
    camera = drawn[domain]["train"][0].camera
    leaked = with_scene(drawn[domain], "val_ID", 1, objects=objects, camera=camera)
    assert failing(validate(leaked, CONFIGS[domain])) == ["no scene occurs twice"]


@pytest.mark.parametrize("domain", ["so3", "6dof"])
def test_moved_camera_is_found(domain: str, drawn: dict[str, Scenes]) -> None:
    camera = moved_camera(drawn[domain]["val_ID"][1].camera, 1.01)
    report = validate(
        with_scene(drawn[domain], "val_ID", 1, camera=camera), CONFIGS[domain]
    )
    assert_found(report, "the camera is the one of the domain", "val_ID")


def moved_camera(camera: Camera, factor: float) -> Camera:
    """A camera of the same size and lens, farther from the origin."""
    matrix = np.array(camera.world_from_camera)
    matrix[:3, 3] *= factor
    rows = tuple(tuple(row) for row in matrix.tolist())
    return replace(camera, world_from_camera=rows)


@pytest.mark.parametrize(
    ("changes", "checks"),
    [
        ({"color": "blue"}, {"color is that of all images"}),
        ({"material": "metal"}, {"material is that of all images"}),
        ({"location": (0.0, 0.0, 1e-3)}, {"it is at the origin: z"}),
    ],
)
def test_so3_object_is_always_the_same(
    changes: dict[str, Any], checks: set[str], drawn: dict[str, Scenes]
) -> None:
    broken = with_object(drawn["so3"], "val_ID", 1, **changes)
    assert set(failing(validate(broken, SO3))) == checks


@pytest.mark.parametrize("split", ["train", "val_ID"])
def test_held_out_orientation_in_training_is_found(
    split: str, drawn: dict[str, Scenes]
) -> None:
    leak = drawn["so3"]["val_OOD"][0].objects[0].rotation
    report = validate(with_object(drawn["so3"], split, 1, rotation=leak), SO3)
    assert_found(report, "the orientation lies outside the held-out region", split)


def test_training_orientation_among_the_held_out_is_found(
    drawn: dict[str, Scenes],
) -> None:
    leak = drawn["so3"]["train"][0].objects[0].rotation
    report = validate(with_object(drawn["so3"], "val_OOD", 1, rotation=leak), SO3)
    assert_found(report, "the orientation lies in the held-out region", "val_OOD")


def test_six_dof_words(drawn: dict[str, Scenes]) -> None:
    faults: list[tuple[dict[str, Any], str]] = [
        ({"color": "pink"}, "color is a known word"),
        ({"color": None}, "color is given"),
        ({"material": "wood"}, "material is a known word"),
        ({"material": None}, "material is given"),
        ({"shape": "airplane_0010"}, "shape is a known word"),
    ]
    scenes = drawn["6dof"]
    for index, (changes, _) in enumerate(faults):
        scenes = with_object(scenes, "val_ID", index, **changes)
    report = validate(scenes, SIX_DOF)
    failed = {c["check"]: c["rows"] for c in report["checks"] if not c["valid"]}
    assert set(failed) == {check for _, check in faults}
    for index, (_, check) in enumerate(faults):
        assert [row["image"][-10:] for row in failed[check]] == [f"{index:06d}.png"]


@pytest.mark.parametrize("domain", ["6dof", "shapenet"])
def test_object_partly_outside_the_image_is_found(
    domain: str, drawn: dict[str, Scenes]
) -> None:
    broken = with_object(drawn[domain], "val_ID", 1, location=(9.0, 9.0, 1.5))
    report = validate(broken, CONFIGS[domain])
    assert_found(report, "all of it is in the image", "val_ID")


def test_so3_may_be_seen_closely() -> None:
    """The box may reach out of the image, as long as the airplane is seen."""
    close = replace(SO3, lens_mm=210)
    assert failing(validate(draw(close), close)) == []


def test_six_dof_object_outside_its_box_is_found(drawn: dict[str, Scenes]) -> None:
    scene = drawn["6dof"]["val_ID"][1]
    location = (0.0, 0.0, SIX_DOF.box_max_m[2] + 0.01)
    broken = with_object(drawn["6dof"], "val_ID", 1, **at(scene.camera, location))
    assert failing(validate(broken, SIX_DOF)) == ["it lies in the box: z"]


def at(camera: Camera | None, location: tuple[float, float, float]) -> dict[str, Any]:
    assert camera is not None
    return {
        "location": location,
        "pixel_coords": tuple(camera.project(location).tolist()),
    }


def other_instance(obj: SceneObject, *, held_out: bool) -> dict[str, Any]:
    """The nearest in height of the instances of the wrong kind."""
    catalog = load_catalog(SHAPENET.assets)
    assets = catalog.held_out() if held_out else catalog.training()
    finished = (SHAPENET.finish(replace(obj, shape=asset.id)) for asset in assets)
    assert obj.extents is not None
    nearest = min(
        finished, key=lambda o: abs(np.subtract(o.extents, obj.extents)).max()
    )
    return {"shape": nearest.shape, "extents": nearest.extents}


def failed_by_split(report: dict[str, Any]) -> dict[str, set[str]]:
    """The names of the failed checks of each split."""
    failed: dict[str, set[str]] = {}
    for check in report["checks"]:
        if not check["valid"]:
            failed.setdefault(check["split"], set()).add(check["check"])
    return failed


def test_instances_of_the_wrong_kind_are_found(drawn: dict[str, Scenes]) -> None:
    scenes = drawn["shapenet"]
    for split in SHAPENET_FEW:
        held_out = split != "val_OOD_shape"
        wrong = other_instance(scenes[split][1].objects[0], held_out=held_out)
        scenes = with_object(scenes, split, 1, **wrong)
    failed = failed_by_split(validate(scenes, SHAPENET))
    for split in SHAPENET_FEW:
        kind = "held-out" if split == "val_OOD_shape" else "training"
        assert f"the shape is a {kind} instance" in failed[split]


def test_textures_of_the_wrong_family_are_found(drawn: dict[str, Scenes]) -> None:
    scenes, expected = drawn["shapenet"], {}
    for split in SHAPENET_FEW:
        unseen = split in ("val_OOD_texture", "val_OOD_shape")
        kind, texture = ("held-out", "wood_1") if unseen else ("training", "magic_1")
        scenes = with_object(scenes, split, 1, texture=texture)
        expected[split] = {f"the texture is of a {kind} family"}
    assert failed_by_split(validate(scenes, SHAPENET)) == expected


def test_looks_of_the_wrong_kind_are_found(drawn: dict[str, Scenes]) -> None:
    faults: list[tuple[str, dict[str, Any], str, str]] = [
        ("train", {"color": None}, "train", "color is given"),
        ("val_ID", {"color": "pink"}, "all", "color is a known word"),
        ("val_OOD_camera", {"color": None}, "val_OOD_camera", "color is given"),
        ("val_OOD_texture", {"color": "red"}, "val_OOD_texture", "no color is given"),
        ("val_OOD_shape", {"texture": None}, "val_OOD_shape", "it has a texture"),
    ]
    scenes = drawn["shapenet"]
    for split, changes, _, _ in faults:
        scenes = with_object(scenes, split, 1, **changes)
    found = failed_by_split(validate(scenes, SHAPENET))
    assert found == {place: {check} for _, _, place, check in faults}


def test_own_materials_have_no_looks(drawn: dict[str, Scenes]) -> None:
    scenes = with_object(drawn["own"], "train", 1, color="red")
    scenes = with_object(scenes, "val_ID", 1, texture="wood_0001")
    assert failed_by_split(validate(scenes, CONFIGS["own"])) == {
        "train": {"no color is given"},
        "val_ID": {"it has no texture"},
    }


def test_camera_of_the_held_out_range_in_training_is_found(
    drawn: dict[str, Scenes],
) -> None:
    scene = drawn["shapenet"]["val_OOD_camera"][0]
    colored = drawn["shapenet"]["train"][1]
    moved = replace(scene, image_filename=colored.image_filename)
    broken = {**drawn["shapenet"]}
    broken["train"] = [broken["train"][0], moved, *broken["train"][2:]]
    broken["val_OOD_camera"] = [
        replace(colored, image_filename=scene.image_filename),
        *broken["val_OOD_camera"][1:],
    ]
    report = validate(broken, SHAPENET)
    assert set(failing(report)) == {"camera pitch", "camera radius"}
    wrong = {c["split"] for c in report["checks"] if not c["valid"]}
    assert wrong == {"train", "val_OOD_camera"}


def test_camera_that_looks_elsewhere_is_found(drawn: dict[str, Scenes]) -> None:
    scene = drawn["shapenet"]["val_ID"][1]
    assert scene.camera is not None
    place = np.array(scene.camera.world_from_camera)[:3, 3]
    camera = Camera.look_at(
        place,
        (0.0, 0.0, 0.2),
        lens_mm=scene.camera.lens_mm,
        sensor_width_mm=scene.camera.sensor_width_mm,
        width_px=128,
        height_px=128,
    )
    objects = [replace(o, **at(camera, o.location)) for o in scene.objects]
    broken = with_scene(
        drawn["shapenet"], "val_ID", 1, camera=camera, objects=tuple(objects)
    )
    assert "it looks at the origin" in failing(validate(broken, SHAPENET))
    turned = Camera.look_at(
        (*(place[:2] * (1.0, -1.0)), place[2]),
        (0.0, 0.0, 0.0),
        lens_mm=scene.camera.lens_mm,
        sensor_width_mm=scene.camera.sensor_width_mm,
        width_px=128,
        height_px=128,
    )
    broken = with_scene(drawn["shapenet"], "val_ID", 1, camera=turned)
    assert "camera azimuth" in failing(validate(broken, SHAPENET))


@pytest.mark.parametrize(
    ("name", "lift_m", "check"),
    [
        ("resting", 0.05, "it stands on the ground"),
        ("resting", -0.05, "it stands on the ground"),
        ("floating", 3.0, "it lies over the ground"),
        ("shapenet", -3.0, "it lies over the ground"),
    ],
)
def test_height_over_the_ground_is_checked(
    name: str, lift_m: float, check: str, drawn: dict[str, Scenes]
) -> None:
    scene = drawn[name]["val_ID"][1]
    x, y, z = scene.objects[0].location or (0.0, 0.0, 0.0)
    lifted = at(scene.camera, (x, y, z + lift_m))
    report = validate(with_object(drawn[name], "val_ID", 1, **lifted), CONFIGS[name])
    assert_found(report, check, "val_ID")


def test_tilt_of_an_object_upside_down_is_known(drawn: dict[str, Scenes]) -> None:
    # in rounded numbers its z axis points down by more than 1
    turns = [
        (0.0, float(np.cos(t)), float(np.sin(t)), 0.0) for t in np.arange(0, 3, 0.1)
    ]
    scene = drawn["so3"]["train"][0]
    objects = tuple(replace(scene.objects[0], rotation=turn) for turn in turns)
    scenes = {"train": [replace(scene, objects=objects)]}
    tilts = scene_tables(scenes, {}, SO3).objects["tilt_deg"]
    np.testing.assert_allclose(tilts, 180.0, atol=1e-5)


def test_tilted_object_does_not_rest(drawn: dict[str, Scenes]) -> None:
    scene = drawn["resting"]["val_ID"][1]
    obj = scene.objects[0]
    x, y, _ = obj.location or (0.0, 0.0, 0.0)
    quat = (0.99, 0.05, 0.0, 0.1)
    assert obj.extents is not None
    tilted = at(scene.camera, (x, y, half_height_m(quat, obj.extents)))
    broken = with_object(drawn["resting"], "val_ID", 1, rotation=quat, **tilted)
    assert_found(validate(broken, CONFIGS["resting"]), "it is upright", "val_ID")


def test_overlapping_objects_are_found(drawn: dict[str, Scenes]) -> None:
    scene = drawn["shapenet"]["val_ID"][1]
    x, y, z = scene.objects[1].location or (0.0, 0.0, 0.0)
    near = at(scene.camera, (x + 0.1, y, z))
    report = validate(with_object(drawn["shapenet"], "val_ID", 1, **near), SHAPENET)
    assert_found(report, "objects keep their distance", "val_ID")


def test_object_beside_the_ground_square_is_found(drawn: dict[str, Scenes]) -> None:
    scene = drawn["shapenet"]["val_ID"][1]
    for location, check in (
        ((2.6, 0.0, 1.5), "x lies on the ground square"),
        ((0.0, -2.6, 1.5), "y lies on the ground square"),
    ):
        beside = at(scene.camera, location)
        broken = with_object(drawn["shapenet"], "val_ID", 1, **beside)
        assert_found(validate(broken, SHAPENET), check, "val_ID")
