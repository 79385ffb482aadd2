"""The three CLEVR shapes as meshes of half extent 1, made with bmesh."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

# a size word scales the unit mesh by this
RADIUS_M: Mapping[str, float] = {"large": 0.7, "small": 0.35}
_SHARP_RAD = math.radians(35)


def build_meshes(bpy: ModuleType) -> dict[str, Any]:
    """One mesh a shape, each with an empty material slot, by the shape's word."""
    import bmesh

    meshes = {}
    for name, make in (("cube", _cube), ("sphere", _sphere), ("cylinder", _cylinder)):
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
