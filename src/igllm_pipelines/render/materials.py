"""CLEVR's two materials as Cycles node trees, in its eight colours; and a grey."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

# 0-255; handed to Cycles as linear values, without sRGB decoding, hence the bright look
RGB: Mapping[str, tuple[int, int, int]] = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}
GREY = 0.5  # linear, of assets without materials


def build_material(bpy: ModuleType, material: str, color: str) -> Any:
    """A new material.

    Raises:
        ValueError: `material` or `color` is no word of CLEVR.
    """
    if material not in ("rubber", "metal") or color not in RGB:
        raise ValueError(f"no material {material!r} in color {color!r}")
    made = bpy.data.materials.new(f"{material} {color}")
    nodes = _ClevrNodes(made)
    rgba = (*(value / 255 for value in RGB[color]), 1.0)
    nodes.cover(nodes.rubber(rgba) if material == "rubber" else nodes.metal(rgba))
    return made


def build_grey(bpy: ModuleType) -> Any:
    """A new material for what has none of its own: neutral, half rough."""
    made = bpy.data.materials.new("grey")
    nodes = Nodes(made)
    grey = (GREY, GREY, GREY, 1.0)
    shader = nodes.add("BsdfPrincipled", Base_Color=grey, Roughness=0.5)
    nodes.cover(shader.outputs[0])
    return made


class Nodes:
    """Adds nodes to the emptied tree of a material; shaders are output sockets."""

    def __init__(self, material: Any) -> None:
        if material.node_tree is None:
            material.use_nodes = True
        self._tree = material.node_tree
        self._tree.nodes.clear()

    def add(self, kind: str, **inputs: Any) -> Any:
        """A new node; an input with spaces in its name is given with underscores."""
        node = self._tree.nodes.new(f"ShaderNode{kind}")
        for name, value in inputs.items():
            node.inputs[name.replace("_", " ")].default_value = value
        return node

    def link(self, output: Any, socket: Any) -> None:
        """Connects two sockets."""
        self._tree.links.new(output, socket)

    def cover(self, shader: Any) -> None:
        """Makes `shader` the material's surface."""
        self.link(shader, self.add("OutputMaterial").inputs["Surface"])


class _ClevrNodes(Nodes):
    def mix(self, factor: Any, first: Any, second: Any) -> Any:
        node = self.add("MixShader")
        if isinstance(factor, float):
            node.inputs[0].default_value = factor
        else:
            self.link(factor, node.inputs[0])
        self.link(first, node.inputs[1])
        self.link(second, node.inputs[2])
        return node.outputs[0]

    def fresnel(self, ior: float) -> Any:
        return self.add("Fresnel", IOR=ior).outputs[0]

    def glossy(self, distribution: str, **inputs: Any) -> Any:
        node = self.add("BsdfAnisotropic", **inputs)
        node.distribution = distribution
        return node.outputs[0]

    def rubber(self, rgba: tuple[float, ...]) -> Any:
        diffuse = self.add("BsdfDiffuse", Color=rgba, Roughness=0.0).outputs[0]
        velvet = self.add("BsdfSheen", Color=rgba, Roughness=0.6)
        velvet.distribution = "ASHIKHMIN"
        body = self.mix(self.fresnel(1.4), diffuse, velvet.outputs[0])
        grey = (0.8, 0.8, 0.8, 1.0)
        coat = self.glossy("BECKMANN", Color=grey, Roughness=math.sqrt(0.35))
        return self.mix(self.fresnel(1.2), body, coat)

    def metal(self, rgba: tuple[float, ...]) -> Any:
        wide, sharp = (
            self.glossy("GGX", Color=rgba, Roughness=roughness, Anisotropy=0.25)
            for roughness in (math.sqrt(0.2), 0.1)
        )
        return self.mix(0.6, wide, sharp)
