"""Saves what a render worker's Blender holds as files that users open."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from igllm_pipelines.render.baking import baked, select_only
from igllm_pipelines.scene.scene import SceneObject


def save_blend(bpy: ModuleType, path: Path) -> None:
    """Writes the current scene as a .blend file with packed images.

    Args:
        bpy: Blender.
        path: of the file.
    """
    render = bpy.context.scene.render
    own_path = render.filepath
    render.filepath, render.threads_mode = "//render.png", "AUTO"
    try:
        bpy.ops.file.pack_all()
        bpy.ops.wm.save_as_mainfile(
            filepath=str(path), check_existing=False, compress=True, copy=True
        )
    finally:
        render.filepath, render.threads_mode = own_path, "FIXED"


def save_glb(
    bpy: ModuleType,
    path: Path,
    objects: Sequence[Any],
    described: Sequence[SceneObject],
    camera: Any,
) -> None:
    """Writes the objects and the camera as a .glb file, y up, without the ground.

    Args:
        bpy: Blender.
        path: of the file.
        objects: placed ones.
        described: what each of them shows.
        camera: the camera object.
    """
    with baked(bpy, objects, described):
        select_only(bpy, [*objects, camera])
        bpy.ops.export_scene.gltf(
            filepath=str(path),
            export_format="GLB",
            use_selection=True,
            export_cameras=True,
            export_animations=False,
            export_yup=True,
        )
