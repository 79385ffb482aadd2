"""Drawn scenes as a renderer would leave them, and faults put into them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.scene import Scene
from igllm_pipelines.validation.report import validate_scenes

Scenes = dict[str, list[Scene]]


def draw(config: SceneConfig) -> Scenes:
    """All scenes of a configuration, each object seen with 100 pixels."""
    return {
        split: [rendered(config, split, index) for index in range(count)]
        for split, count in config.num_scenes.items()
    }


def rendered(config: SceneConfig, split: str, index: int) -> Scene:
    scene = config.draw(7, split, index, 0)
    objects = tuple(replace(obj, visible_pixels=100) for obj in scene.objects)
    return replace(scene, objects=objects)


def images_of(scenes: Mapping[str, list[Scene]]) -> dict[str, list[str]]:
    return {split: [s.image_filename for s in rows] for split, rows in scenes.items()}


def validate(scenes: Scenes, config: SceneConfig) -> dict[str, Any]:
    return validate_scenes(scenes, images_of(scenes), config).report


def failing(report: dict[str, Any]) -> list[str]:
    return [check["check"] for check in report["checks"] if not check["valid"]]


def with_scene(scenes: Scenes, split: str, index: int, **changes: Any) -> Scenes:
    """The scenes with one of them changed."""
    broken = {name: list(rows) for name, rows in scenes.items()}
    broken[split][index] = replace(broken[split][index], **changes)
    return broken


def with_object(scenes: Scenes, split: str, index: int, **changes: Any) -> Scenes:
    """The scenes with the first object of one of them changed."""
    first, *others = scenes[split][index].objects
    objects = (replace(first, **changes), *others)
    return with_scene(scenes, split, index, objects=objects)
