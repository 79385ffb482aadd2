"""What a scene is, as data: no Blender, no torch, numpy only."""

from igllm_pipelines.scene.labels import (
    LabelError,
    read_labels,
    scene_from_record,
    scene_to_record,
    write_labels,
)
from igllm_pipelines.scene.parser import parse_program
from igllm_pipelines.scene.program import (
    ProgramError,
    ProgramSyntax,
    fill_numbers,
    write_program,
)
from igllm_pipelines.scene.scene import Camera, Light, Scene, SceneObject

__all__ = [
    "Camera",
    "LabelError",
    "Light",
    "ProgramError",
    "ProgramSyntax",
    "Scene",
    "SceneObject",
    "fill_numbers",
    "parse_program",
    "read_labels",
    "scene_from_record",
    "scene_to_record",
    "write_labels",
    "write_program",
]
