"""The three CLEVR shapes as meshes of half extent 1, and how large objects are."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from igllm_pipelines.scene.scene import SceneObject

# a size word scales the unit mesh by this
RADIUS_M: Mapping[str, float] = {"large": 0.7, "small": 0.35}
SHAPES = ("cube", "sphere", "cylinder")
_SHARP_RAD = math.radians(35)


def is_clevr_shape(obj: SceneObject) -> bool:
    """Whether an object is a cube, sphere or cylinder; else it is an asset."""
    return obj.shape in SHAPES


def scale_m(obj: SceneObject) -> float:
    """Metres of a unit of the object's mesh; an asset's box has a diagonal of 1.

    Raises:
        ValueError: the object lacks size or extents, or `size` is no word of CLEVR.

    >>> scale_m(SceneObject(shape="chair_0001", extents=(2.0, 1.0, 2.0)))
    3.0
    """
    if not is_clevr_shape(obj):
        if obj.extents is None:
            raise ValueError(f"a {obj.shape} without extents cannot be rendered")
        return math.hypot(*obj.extents)
    if obj.size is None:
        raise ValueError(f"a {obj.shape} without size cannot be rendered")
    if obj.size not in RADIUS_M:
        raise ValueError(f"no size {obj.size!r}, there are {', '.join(RADIUS_M)}")
    return RADIUS_M[obj.size]


def build_meshes(bpy: ModuleType) -> dict[str, Any]:
    """One mesh a shape, each with an empty material slot, by the shape's word."""
    import bmesh

    meshes = {}
    for name, make in zip(SHAPES, (_cube, _sphere, _cylinder), strict=True):
        form = bmesh.new()
        make(bmesh, form)
        bmesh.ops.recalc_face_normals(form, faces=form.faces)
        mesh = bpy.data.meshes.new(name)
        form.to_mesh(mesh)
        form.free()
        mesh.shade_smooth()
        mesh.set_sharp_from_angle(angle=_SHARP_RAD)
        mesh.materials.append(None)
        meshes[name] = mesh
    return meshes


def _cube(bmesh: ModuleType, form: Any) -> None:
    bmesh.ops.create_cube(form, size=2.0)
    _bevel(bmesh, form, list(form.edges), offset=0.2, segments=5)


def _sphere(bmesh: ModuleType, form: Any) -> None:
    bmesh.ops.create_uvsphere(form, u_segments=64, v_segments=32, radius=1.0)


def _cylinder(bmesh: ModuleType, form: Any) -> None:
    bmesh.ops.create_cone(
        form,
        cap_ends=True,
        segments=64,
        radius1=1.0,
        radius2=1.0,
        depth=2.0,
    )
    rims = [
        edge
        for edge in form.edges
        if abs(edge.verts[0].co.z - edge.verts[1].co.z) < 1e-6
    ]
    _bevel(bmesh, form, rims, offset=0.085, segments=4)


def _bevel(
    bmesh: ModuleType, form: Any, edges: list[Any], *, offset: float, segments: int
) -> None:
    bmesh.ops.bevel(
        form,
        geom=edges,
        offset=offset,
        segments=segments,
        profile=0.5,
        affect="EDGES",
        clamp_overlap=True,
    )
