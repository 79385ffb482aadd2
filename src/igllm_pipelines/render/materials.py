"""CLEVR's two materials as Cycles node trees, in its eight colours."""

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


def build_material(bpy: ModuleType, material: str, color: str) -> Any:
    """A new material.

    Raises:
        ValueError: `material` or `color` is no word of CLEVR.
    """
    if material not in ("rubber", "metal") or color not in RGB:
        raise ValueError(f"no material {material!r} in color {color!r}")
    made = bpy.data.materials.new(f"{material} {color}")
    if made.node_tree is None:
        made.use_nodes = True
    nodes = _Nodes(made.node_tree)
    rgba = (*(value / 255 for value in RGB[color]), 1.0)
    surface = nodes.rubber(rgba) if material == "rubber" else nodes.metal(rgba)
    nodes.link(surface, nodes.add("OutputMaterial").inputs["Surface"])
    return made


class _Nodes:
    """Adds nodes to an emptied tree; a shader is passed on as its output socket."""

    def __init__(self, tree: Any) -> None:
        tree.nodes.clear()
        self._tree = tree

    def add(self, kind: str, **inputs: Any) -> Any:
        node = self._tree.nodes.new(f"ShaderNode{kind}")
        for name, value in inputs.items():
            node.inputs[name.replace("_", " ")].default_value = value
        return node

    def link(self, output: Any, socket: Any) -> None:
        self._tree.links.new(output, socket)

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
