"""Brings an asset into Blender: one mesh in the object frame, with its materials."""

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.assets import Asset, AssetError
from igllm_pipelines.assets.mesh import SHARP_ANGLE_DEG, load_mesh

Array = NDArray[np.float64]
# Blender's glTF importer turns y up into z up: it makes (x, -z, y) of (x, y, z)
_FILE_FROM_GLTF_IMPORT = np.asarray(
    [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64
)
# what an import leaves in Blender; users stand before what they use
_KINDS = (
    *("objects", "collections", "scenes", "cameras", "lights", "armatures", "actions"),
    *("meshes", "curves", "materials", "node_groups", "images"),
)
_TOLERANCE = 1e-3  # of the bounding box, whose diagonal is 1


def import_asset(bpy: ModuleType, asset: Asset) -> Any:
    """A new mesh in the object frame of `asset`; nothing else stays in Blender.

    Raises:
        AssetError: its file cannot be imported, or has another size than in the
            catalog.
    """
    if asset.path is None:
        return _procedural(bpy, asset)
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    mesh = None
    try:
        mesh = _from_file(bpy, asset, asset.path, before["objects"])
    finally:
        _clear(bpy, before, keep=mesh)
    return mesh


def vertices_of(mesh: Any) -> Array:
    """Vertices ``(n, 3)`` of a Blender mesh."""
    flat = np.empty(3 * len(mesh.vertices), dtype=np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def _procedural(bpy: ModuleType, asset: Asset) -> Any:
    described = load_mesh(asset)
    mesh = bpy.data.meshes.new(asset.id)
    mesh.from_pydata(described.vertices.tolist(), [], described.faces)
    if described.smooth:
        mesh.shade_smooth()
        mesh.set_sharp_from_angle(angle=math.radians(SHARP_ANGLE_DEG))
    return mesh


def _from_file(bpy: ModuleType, asset: Asset, path: str, others: set[Any]) -> Any:
    from mathutils import Matrix

    try:
        file_from_import = _run_importer(bpy, Path(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise AssetError(f"asset {asset.id}, {path}: not imported: {reason}") from error
    parts = [
        obj
        # of a GLB with several scenes, only the one to show is in the view layer
        for obj in bpy.context.view_layer.objects
        if obj not in others and obj.type == "MESH" and obj.data.polygons
    ]
    if not parts:
        raise AssetError(f"asset {asset.id}, {path}: it holds no faces")
    mesh = _join(bpy, parts)
    mesh.name = asset.id
    mesh.transform(Matrix(np.asarray(asset.object_from_file) @ file_from_import))
    _check_box(mesh, asset)
    for material in mesh.materials:
        if material is not None:
            _drop_missing_images(material.node_tree)
    return mesh


def _run_importer(bpy: ModuleType, path: Path) -> Array:
    """Imports a file; returns the 4x4 from what is then in Blender to the file."""
    if path.suffix.lower() == ".obj":
        bpy.ops.wm.obj_import(
            filepath=str(path),
            forward_axis="Y",
            up_axis="Z",
            use_split_objects=False,
            use_split_groups=False,
        )
        return np.eye(4)
    bpy.ops.import_scene.gltf(filepath=str(path))
    return _FILE_FROM_GLTF_IMPORT


def _join(bpy: ModuleType, parts: list[Any]) -> Any:
    """The mesh of the first object, into which the others were moved; in the world."""
    bpy.context.view_layer.update()
    first = parts[0]
    if first.data.users > 1:
        first.data = first.data.copy()
    if len(parts) > 1:
        chosen = {"selected_editable_objects": parts, "selected_objects": parts}
        with bpy.context.temp_override(active_object=first, object=first, **chosen):
            bpy.ops.object.join()
    first.data.transform(first.matrix_world)
    return first.data


def _drop_missing_images(tree: Any) -> None:
    """Leaves the material's own colour where Cycles would show magenta."""
    for node in list(tree.nodes):
        # Blender reads the file when it is asked for the size
        if node.type == "TEX_IMAGE" and not (node.image and all(node.image.size)):
            tree.nodes.remove(node)


def _check_box(mesh: Any, asset: Asset) -> None:
    used = np.empty(len(mesh.loops), dtype=np.int32)
    mesh.loops.foreach_get("vertex_index", used)
    corners = vertices_of(mesh)[used]
    found = np.stack([corners.min(axis=0), corners.max(axis=0)])
    wanted = np.asarray(asset.extents) * [[-0.5], [0.5]]
    if np.abs(found - wanted).max() > _TOLERANCE:
        raise AssetError(
            f"asset {asset.id}, {asset.path}: its box goes from {found[0].round(3)} to "
            f"{found[1].round(3)}, the catalog says from {wanted[0].round(3)} to "
            f"{wanted[1].round(3)}; was the file changed?"
        )


def _clear(bpy: ModuleType, before: dict[str, set[Any]], keep: Any) -> None:
    """Removes what an import made but for the mesh `keep` and what that uses."""
    for obj in set(bpy.data.objects) - before["objects"]:
        bpy.data.objects.remove(obj, do_unlink=True)
    for kind in _KINDS[1:]:
        blocks = getattr(bpy.data, kind)
        for block in set(blocks) - before[kind]:
            needed = kind in ("materials", "node_groups", "images") and block.users
            if block != keep and not needed:
                blocks.remove(block)
