"""Saves what a render worker's Blender holds as a file that users open."""

from pathlib import Path
from types import ModuleType


def save_blend(bpy: ModuleType, folder: Path) -> bytes:
    """The current scene as a .blend file with packed images.

    Args:
        bpy: Blender.
        folder: a scratch folder.
    """
    render = bpy.context.scene.render
    own_path = render.filepath
    render.filepath, render.threads_mode = "//render.png", "AUTO"
    path = folder / "scene.blend"
    try:
        bpy.ops.file.pack_all()
        bpy.ops.wm.save_as_mainfile(
            filepath=str(path), check_existing=False, compress=True, copy=True
        )
    finally:
        render.filepath, render.threads_mode = own_path, "FIXED"
    return path.read_bytes()
