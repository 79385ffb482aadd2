"""Materials as glTF knows them: one base colour or image, metallic, roughness.

Cycles' node trees mean nothing to other programs. CLEVR's two materials become
Principled values, a procedural texture an image on an unwrapped copy of the mesh, and
materials that came with an asset stay what they are.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

from igllm_pipelines.render.materials import RGB, Nodes
from igllm_pipelines.render.textures import draw_look
from igllm_pipelines.scene.scene import SceneObject

# what comes closest to the node trees of `materials`
METALLIC: Mapping[str, float] = {"rubber": 0.0, "metal": 1.0}
ROUGHNESS: Mapping[str, float] = {"rubber": 0.6, "metal": 0.25}
IMAGE_PX = 256
_SAMPLES = 4
_MAX_ANGLE_RAD = math.radians(66)  # between faces of one island


@dataclass(frozen=True)
class _Kept:
    """What an object had before it was given what glTF knows."""

    obj: Any
    mesh: Any
    materials: tuple[Any, ...]


@contextmanager
def baked(
    bpy: ModuleType, objects: Sequence[Any], described: Sequence[SceneObject]
) -> Iterator[None]:
    """A context in which objects wear materials that glTF can hold.

    Args:
        bpy: Blender.
        objects: placed ones.
        described: what each of them shows.
    """
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    kept = [
        _Kept(obj, obj.data, tuple(slot.material for slot in obj.material_slots))
        for obj in objects
    ]
    plain = cache(partial(_plain, bpy))
    try:
        for obj, look in zip(objects, described, strict=True):
            if look.texture is not None:
                _bake_texture(bpy, obj, look)
            elif look.color is not None:
                _wear(obj, plain(look.material or "rubber", look.color))
        yield
    finally:
        for item in kept:
            item.obj.data = item.mesh
            for slot, material in zip(
                item.obj.material_slots, item.materials, strict=True
            ):
                if slot.link == "OBJECT":
                    slot.material = material
        for kind in _KINDS:
            for block in set(getattr(bpy.data, kind)) - before[kind]:
                getattr(bpy.data, kind).remove(block)


_KINDS = ("meshes", "materials", "images")


def _wear(obj: Any, material: Any) -> None:
    for slot in obj.material_slots:
        slot.link, slot.material = "OBJECT", material


def _plain(bpy: ModuleType, material: str, color: str) -> Any:
    made = bpy.data.materials.new(f"{color} {material}")
    nodes = Nodes(made)
    shader = nodes.add(
        "BsdfPrincipled",
        Base_Color=(*(value / 255 for value in RGB[color]), 1.0),
        Metallic=METALLIC[material],
        Roughness=ROUGHNESS[material],
    )
    nodes.cover(shader.outputs[0])
    return made


def _bake_texture(bpy: ModuleType, obj: Any, look: SceneObject) -> None:
    """Gives the object a mesh of its own, unwrapped, and its texture as an image."""
    obj.data = obj.data.copy()
    select_only(bpy, [obj])
    _unwrap(bpy)
    image = _bake_color(bpy, obj.material_slots[0].material)
    name = str(look.texture)
    made = bpy.data.materials.new(f"{name} as image")
    nodes = Nodes(made)
    texture = nodes.add("TexImage")
    texture.image = image
    roughness = draw_look(name).roughness
    shader = nodes.add("BsdfPrincipled", Roughness=roughness)
    nodes.link(texture.outputs[0], shader.inputs["Base Color"])
    nodes.cover(shader.outputs[0])
    _wear(obj, made)


def select_only(bpy: ModuleType, objects: Sequence[Any]) -> None:
    """Selects these objects and no other."""
    layer = bpy.context.view_layer
    for obj in layer.objects:
        obj.select_set(obj in objects)
    layer.objects.active = objects[0] if objects else None


def _unwrap(bpy: ModuleType) -> None:
    """Lays the faces of the active object out in an image, without overlap."""
    mesh = bpy.context.view_layer.objects.active.data
    for layer in list(mesh.uv_layers):
        mesh.uv_layers.remove(layer)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(angle_limit=_MAX_ANGLE_RAD, island_margin=0.02)
    bpy.ops.object.mode_set(mode="OBJECT")


def _bake_color(bpy: ModuleType, material: Any) -> Any:
    """An image of the color that `material` has on the active object."""
    image = bpy.data.images.new(material.name, IMAGE_PX, IMAGE_PX)
    nodes = material.node_tree.nodes
    target = nodes.new("ShaderNodeTexImage")
    target.image = image
    nodes.active = target
    cycles = bpy.context.scene.cycles
    own = cycles.samples, cycles.use_denoising
    cycles.samples, cycles.use_denoising = _SAMPLES, False
    try:
        bpy.ops.object.bake(type="DIFFUSE", pass_filter={"COLOR"}, margin=4)
    finally:
        cycles.samples, cycles.use_denoising = own
        nodes.remove(target)
    image.pack()
    return image
