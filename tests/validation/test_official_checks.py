"""Checks of official labels, which lack our fields."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.official import OfficialConfig, OfficialDots
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.scene import Scene, SceneObject
from igllm_pipelines.validation.checks import checks_for
from igllm_pipelines.validation.checks.official import official_checks
from tests.validation.drawn import (
    Scenes,
    draw,
    failing,
    validate,
    with_object,
    with_scene,
)

FEW = {"train": 4, "val_ID": 3}
SHAPENET_FEW = {**FEW, "val_OOD_texture": 3, "val_OOD_shape": 3}
DRAWN = {
    "clevr": ClevrConfig(num_scenes={**FEW, "val_OOD": 3}),
    "so3": So3Config(num_scenes={**FEW, "val_OOD": 3}),
    "6dof": SixDofConfig(num_scenes=FEW),
    "shapenet": ShapeNetConfig(num_scenes=SHAPENET_FEW),
}


def bare(scene: Scene) -> Scene:
    """A scene with the official fields only."""
    objects = tuple(
        replace(obj, extents=None, texture=None, visible_pixels=None)
        for obj in scene.objects
    )
    return Scene(objects, scene.image_filename)


@pytest.fixture(scope="module")
def official() -> dict[str, Scenes]:
    return {
        domain: {
            split: [bare(scene) for scene in rows]
            for split, rows in draw(config).items()
        }
        for domain, config in DRAWN.items()
    }


def check(scenes: Scenes, domain: str) -> dict[str, Any]:
    return validate(scenes, OfficialConfig(domain, "nowhere"))


@pytest.mark.parametrize("domain", DRAWN)
def test_labels_without_our_fields_are_valid(
    domain: str, official: dict[str, Scenes]
) -> None:
    report = check(official[domain], domain)
    assert failing(report) == []
    assert set(report["splits"]) == set(official[domain])


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("clevr", {"shape": "cone"}, "shape is a known word"),
    ("clevr", {"size": None}, "size is given"),
    ("clevr", {"rotation": None}, "the rotation is given"),
    ("so3", {"rotation": None}, "the rotation is given"),
    ("so3", {"pixel_coords": None}, "u is given"),
    ("6dof", {"location": None}, "x is given"),
    ("6dof", {"material": None}, "material is given"),
    ("shapenet", {"shape": "lamp_0001"}, "the shape names its category"),
    ("shapenet", {"shape": None}, "shape is given"),
    ("shapenet", {"color": None}, "color is given"),
]


@pytest.mark.parametrize(("domain", "changes", "name"), FAULTS)
def test_fault_is_found(
    domain: str, changes: dict[str, Any], name: str, official: dict[str, Scenes]
) -> None:
    report = check(with_object(official[domain], "val_ID", 1, **changes), domain)
    (found,) = [c for c in report["checks"] if c["check"] == name and not c["valid"]]
    assert [row["image"][-10:] for row in found["rows"]] == ["000001.png"]


@pytest.mark.parametrize("domain", DRAWN)
def test_scene_in_two_splits_is_found(domain: str, official: dict[str, Scenes]) -> None:
    objects = official[domain]["train"][0].objects
    leaked = with_scene(official[domain], "val_ID", 1, objects=objects)
    assert failing(check(leaked, domain)) == ["no scene occurs twice"]


def test_held_out_instance_of_training_is_found(official: dict[str, Scenes]) -> None:
    seen = official["shapenet"]["train"][2].objects[0].shape
    for split, found in (
        ("val_OOD_shape", ["the shape is none of training's"]),
        ("val_OOD_texture", []),
    ):
        leaked = with_object(official["shapenet"], split, 1, shape=seen)
        report = check(leaked, "shapenet")
        assert failing(report) == found
        rows = [c["rows"] for c in report["checks"] if not c["valid"]]
        assert [[row["shape"] for row in r] for r in rows] == [[seen]] * len(found)


@pytest.mark.parametrize("domain", DRAWN)
def test_wrong_number_of_objects_is_found(
    domain: str, official: dict[str, Scenes]
) -> None:
    first = official[domain]["val_ID"][1].objects[:1]
    objects = first * 2 if domain in ("so3", "6dof") else ()
    broken = with_scene(official[domain], "val_ID", 1, objects=objects)
    assert failing(check(broken, domain)) == ["number of objects"]


def test_conditions_that_are_swapped_are_found(official: dict[str, Scenes]) -> None:
    scenes = official["clevr"]
    swapped = {**scenes, "val_ID": scenes["val_OOD"], "val_OOD": scenes["val_ID"]}
    found = failing(check(swapped, "clevr"))
    assert set(found) == {f"colors follow CoGenT condition {c}" for c in "AB"}


def test_pixel_outside_a_known_image_is_found(official: dict[str, Scenes]) -> None:
    camera = DRAWN["so3"].draw(7, "val_ID", 1, 0).camera
    broken = with_scene(official["so3"], "val_ID", 1, camera=camera)
    broken = with_object(broken, "val_ID", 1, pixel_coords=(96.5, 3.0, 9.0))
    assert "pixel_coords lie in the image" in failing(check(broken, "so3"))


def test_number_of_scenes_is_at_most_what_is_asked_for(
    official: dict[str, Scenes],
) -> None:
    config = OfficialConfig("so3", "nowhere", {"train": 4000})
    assert failing(validate(official["so3"], config)) == []


def test_official_dots_lie_in_the_image() -> None:
    drawn = draw(DotsConfig(num_scenes={**FEW, "random": 3}))
    positions = {
        split: np.array([scene.objects[0].location for scene in rows])[:, :2]
        for split, rows in drawn.items()
    }
    dots = OfficialDots(positions)
    assert failing(validate(drawn, dots)) == []
    outside = SceneObject(location=(1.5, 0.5, 0), pixel_coords=(168, 56, 0))
    broken = with_scene(drawn, "random", 0, objects=(outside,))
    assert failing(validate(broken, dots)) == ["the dot lies in the image: x"]


@pytest.mark.parametrize("domain", DRAWN)
def test_checks_of_a_download_are_those_of_its_splits(domain: str) -> None:
    config = OfficialConfig(domain, "nowhere")
    assert checks_for(config) == official_checks(domain, config.splits)
