"""Each fault in a label is found, and the failing row is named."""

import json
from dataclasses import replace
from typing import Any

import pytest

from igllm_pipelines.domains.clevr import RADIUS_M, ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.scene import Scene, SceneObject
from igllm_pipelines.validation.report import (
    ValidationFailed,
    data_card,
    labels_digest,
    require_valid,
    validate_scenes,
)

Scenes = dict[str, list[Scene]]
CLEVR = ClevrConfig(num_scenes={"train": 6, "val_ID": 4, "val_OOD": 4})
DOTS = DotsConfig(num_scenes={"train": 20, "val_ID": 4, "random": 8})
CLEVR_NAME, DOT_NAME = "CLEVR_val_ID_000002.png", "dot_val_ID_000002.png"


def draw(config: ClevrConfig | DotsConfig) -> Scenes:
    """Scenes as a renderer would leave them."""
    return {
        split: [_rendered(config, split, index) for index in range(count)]
        for split, count in config.num_scenes.items()
    }


def _rendered(config: ClevrConfig | DotsConfig, split: str, index: int) -> Scene:
    scene = config.draw(7, split, index, 0)
    objects = tuple(replace(obj, visible_pixels=100) for obj in scene.objects)
    return replace(scene, image_filename=config.filename(split, index), objects=objects)


@pytest.fixture(scope="module")
def clevr() -> Scenes:
    return draw(CLEVR)


@pytest.fixture(scope="module")
def dots() -> Scenes:
    return draw(DOTS)


def images_of(scenes: Scenes) -> dict[str, list[str]]:
    return {split: [s.image_filename for s in rows] for split, rows in scenes.items()}


def validate(scenes: Scenes, config: ClevrConfig | DotsConfig) -> dict[str, Any]:
    return validate_scenes(scenes, images_of(scenes), config).report


def with_object(scenes: Scenes, **changes: Any) -> Scenes:
    """The scenes with the first object of val_ID's third image changed."""
    broken = {split: list(rows) for split, rows in scenes.items()}
    scene = broken["val_ID"][2]
    changed = replace(scene.objects[0], **changes)
    objects = (changed, *scene.objects[1:])
    broken["val_ID"][2] = replace(scene, objects=objects)
    return broken


def message(report: dict[str, Any]) -> str:
    with pytest.raises(ValidationFailed) as caught:
        require_valid(report, "data/01_raw/clevr")
    return str(caught.value)


def failing(report: dict[str, Any]) -> list[str]:
    return [check["check"] for check in report["checks"] if not check["valid"]]


def test_drawn_scenes_are_valid(clevr: Scenes, dots: Scenes) -> None:
    for scenes, config in ((clevr, CLEVR), (dots, DOTS)):
        report = validate(scenes, config)
        assert failing(report) == []
        require_valid(report)


def test_report_is_plain_and_the_same_each_time(clevr: Scenes) -> None:
    broken = with_object(clevr, shape="cone", pixel_coords=None)
    first, second = (json.dumps(validate(broken, CLEVR)) for _ in range(2))
    assert first == second
    assert "NaN" not in first


def first_object(scenes: Scenes) -> SceneObject:
    return scenes["val_ID"][2].objects[0]


FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown shape": ({"shape": "cone"}, "shape is a known word", "shape=cone"),
    "missing shape": ({"shape": None}, "shape is given", "shape=None"),
    "wrong condition": (
        {"shape": "cube", "color": "red"},
        "colors follow CoGenT condition A",
        "shape_color=cube red",
    ),
    "outside the ground": (
        {"location": (3.5, 0.0, 0.7)},
        "x lies on the ground square",
        "x=3.5",
    ),
    "floating": (
        {"location": (0.0, 0.0, 1.25)},
        "it stands on the ground: z is the radius of its size",
        "z=1.25",
    ),
    "wrong pixel": (
        {"pixel_coords": (1.0, 2.0, 9.0)},
        "location projects onto pixel_coords within 1 px",
        "u=1, v=2",
    ),
    "missing pixel": ({"pixel_coords": None}, "u is given", "u=None"),
    "missing location": ({"location": None}, "x is given", "x=None"),
    "hidden": ({"visible_pixels": 3}, "enough of it is seen", "visible_pixels=3"),
    "never counted": ({"visible_pixels": None}, "visible_pixels is given", "=None"),
    "no rotation": ({"rotation": None}, "the rotation is given", "turned=False"),
    "behind": (
        {"pixel_coords": (1.0, 2.0, -9.0)},
        "it lies before the camera",
        "depth=-9",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_an_object_is_named(fault: str, clevr: Scenes) -> None:
    changes, check, value = FAULTS[fault]
    report = validate(with_object(clevr, **changes), CLEVR)
    assert check in failing(report)
    text = message(report)
    start = text.index(check)
    lines = text[start:].splitlines()
    assert f"val_ID, {CLEVR_NAME}, object 0: " in lines[1]
    assert value in lines[1]
    assert "Mend or remove these labels" in text


def test_condition_b_swaps_cubes_and_cylinders(clevr: Scenes) -> None:
    swapped = {**clevr, "val_ID": clevr["val_OOD"], "val_OOD": clevr["val_ID"]}
    found = failing(validate(swapped, CLEVR))
    assert "colors follow CoGenT condition A" in found
    assert "colors follow CoGenT condition B" in found


def test_shared_scene_is_named_in_both_splits(clevr: Scenes) -> None:
    leaked = {split: list(rows) for split, rows in clevr.items()}
    source = clevr["train"][1]
    # another name, another order of the objects: still the same scene
    leaked["val_ID"][2] = replace(
        source, image_filename=CLEVR_NAME, objects=source.objects[::-1]
    )
    report = validate(leaked, CLEVR)
    assert failing(report) == ["no scene occurs twice"]
    text = message(report)
    assert f"val_ID, {CLEVR_NAME}" in text
    assert f"train, {source.image_filename}" in text


def test_duplicate_image_name_is_named(clevr: Scenes) -> None:
    broken = {split: list(rows) for split, rows in clevr.items()}
    broken["val_ID"][3] = replace(broken["val_ID"][3], image_filename=CLEVR_NAME)
    report = validate(broken, CLEVR)
    assert failing(report) == ["image names are unique"]
    assert f"val_ID, {CLEVR_NAME}" in message(report)


def test_missing_and_extra_images_are_named(clevr: Scenes) -> None:
    images = images_of(clevr)
    images["val_ID"] = [n for n in images["val_ID"] if n != CLEVR_NAME] + ["x.png"]
    report = validate_scenes(clevr, images, CLEVR).report
    assert failing(report) == ["every label has its image", "every image has its label"]
    text = message(report)
    assert f"val_ID, {CLEVR_NAME}: has_image=False" in text
    assert "val_ID, x.png" in text


def test_wrong_numbers_of_scenes_and_objects_are_named(clevr: Scenes) -> None:
    broken = {split: list(rows) for split, rows in clevr.items()}
    broken["train"] = broken["train"][:-1]
    scene = broken["val_ID"][2]
    broken["val_ID"][2] = replace(scene, objects=scene.objects[:1])
    report = validate(broken, CLEVR)
    assert set(failing(report)) == {"number of scenes", "number of objects"}
    text = message(report)
    assert "train: scenes=5" in text
    assert f"val_ID, {CLEVR_NAME}: objects=1" in text


def test_scene_without_camera_or_with_another_size_is_named(clevr: Scenes) -> None:
    broken = {split: list(rows) for split, rows in clevr.items()}
    broken["val_ID"][2] = replace(broken["val_ID"][2], camera=None)
    small = replace(broken["train"][0].camera, width_px=64)
    broken["train"][0] = replace(broken["train"][0], camera=small)
    found = failing(validate(broken, CLEVR))
    assert "the camera is stored" in found
    assert "image width" in found


def test_unreadable_labels_fail_and_the_rest_is_checked(clevr: Scenes) -> None:
    rest = {split: rows for split, rows in clevr.items() if split != "val_ID"}
    reason = "val_ID.json, scene 2: 3d_coords must be finite"
    unreadable = {"val_ID": reason}
    report = validate_scenes(rest, images_of(clevr), CLEVR, unreadable).report
    assert failing(report) == ["labels can be read"]
    assert reason in message(report)


def test_many_failing_rows_are_capped() -> None:
    config = ClevrConfig(num_scenes={"train": 12}, conditions={"train": "A"})
    drawn = draw(config)["train"]
    bare = [
        replace(s, objects=tuple(replace(o, color="pink") for o in s.objects))
        for s in drawn
    ]
    report = validate({"train": bare}, config)
    record = next(c for c in report["checks"] if c["check"] == "color is a known word")
    assert record["failing"] == sum(len(s.objects) for s in drawn) > 20
    assert len(record["rows"]) == 20
    assert f"and {record['failing'] - 5} more" in message(report)


DOT_FAULTS: dict[str, tuple[tuple[float, float], str]] = {
    "outside the image": ((1.01, 0.9), "the dot lies in the image: x"),
    "at the edge": ((0.1, 0.001), "the dot lies in the image: y"),
    "in a held-out cell": ((0.3, 0.1), "the dot lies in a training cell"),
}


@pytest.mark.parametrize("fault", DOT_FAULTS)
def test_fault_of_a_dot_is_named(fault: str, dots: Scenes) -> None:
    (x, y), check = DOT_FAULTS[fault]
    side = DOTS.width_px
    pixels = (x * side, y * side, 0.0)
    report = validate(
        with_object(dots, location=(x, y, 0.0), pixel_coords=pixels), DOTS
    )
    assert check in failing(report)
    assert f"val_ID, {DOT_NAME}, object 0" in message(report)


def test_random_dots_need_no_training_cell(dots: Scenes) -> None:
    assert failing(validate(dots, DOTS)) == []
    moved = {**dots, "val_ID": dots["random"][:4]}
    assert "the dot lies in a training cell" in failing(validate(moved, DOTS))


def test_dot_at_another_pixel_is_named(dots: Scenes) -> None:
    report = validate(with_object(dots, pixel_coords=(1.0, 1.0, 0.0)), DOTS)
    assert failing(report) == ["location projects onto pixel_coords within 1 px"]


def test_data_card_counts_and_digests(clevr: Scenes) -> None:
    card = data_card(clevr, validate(clevr, CLEVR))
    assert card["valid"] is True
    assert card["splits"]["train"]["scenes"] == 6
    assert card["splits"]["train"]["objects"] == sum(
        len(scene.objects) for scene in clevr["train"]
    )
    assert card["splits"]["val_ID"]["labels_sha256"] == labels_digest(clevr["val_ID"])


def test_data_card_of_invalid_data_is_refused(clevr: Scenes) -> None:
    broken = with_object(clevr, shape="cone")
    with pytest.raises(ValidationFailed, match="shape=cone"):
        data_card(broken, validate(broken, CLEVR))


def test_digest_follows_the_labels(clevr: Scenes) -> None:
    def change(scenes: Scenes) -> str:
        return labels_digest(scenes["val_ID"])

    assert change(clevr) == change(clevr)
    assert change(clevr) != change(with_object(clevr, size=_other_size(clevr)))


def _other_size(scenes: Scenes) -> str:
    return next(size for size in RADIUS_M if size != first_object(scenes).size)
