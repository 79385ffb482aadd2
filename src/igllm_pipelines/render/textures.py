"""Procedural textures: families of Cycles node trees, drawn from a number, no images.

A texture is named ``<family>_<nnnn>``; colours, grain and place all follow from the
name, so that it looks the same wherever and whenever it is rendered.
"""

import colorsys
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from igllm_pipelines.render.materials import RGB, Nodes

FAMILIES = (
    *("wood", "marble", "brick", "checker"),
    *("noise", "voronoi", "magic", "stripes"),
)
Color = tuple[float, float, float]


@dataclass(frozen=True)
class TextureLook:
    """What is drawn from a texture's name.

    Attributes:
        colors: linear RGB, from dark to light.
        grain: features along the diagonal of an object, between 0 and 1: from the
            coarsest of the family to its finest.
        detail: how distorted the pattern is, between 0 and 1.
        roughness: of the surface.
        turn_rad: of the pattern, extrinsic xyz.
        shift: of the pattern, in object diagonals.
    """

    colors: tuple[Color, ...]
    grain: float
    detail: float
    roughness: float
    turn_rad: tuple[float, ...]
    shift: tuple[float, ...]


def parse_texture(name: str) -> str:
    """The family of a texture.

    Raises:
        ValueError: `name` is no texture.

    >>> parse_texture("wood_0012")
    'wood'
    """
    match = re.fullmatch(r"([a-z]+)_(\d+)", name)
    if match is None or match[1] not in FAMILIES:
        raise ValueError(
            f"no texture {name!r}: it must be <family>_<number>, with a family of "
            f"{', '.join(FAMILIES)}"
        )
    return match[1]


def draw_look(name: str, color: str | None = None) -> TextureLook:
    """Everything that the name of a texture decides.

    Args:
        name: ``<family>_<nnnn>``.
        color: the word whose darker and lighter tones it shows; None for own colours.

    Raises:
        ValueError: `name` is no texture or `color` no word.
    """
    hues = _HUES.get(parse_texture(name), (0.0, 1.0))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    own = _own_colors(rng, hues)
    return TextureLook(
        colors=own if color is None else _tones(color),
        grain=rng.random(),
        detail=rng.random(),
        roughness=rng.uniform(0.25, 0.8),
        turn_rad=_turn_rad(rng),
        shift=tuple(rng.uniform(-1, 1, 3).tolist()),
    )


# natural ones, of the families that have natural colours
_HUES: Mapping[str, tuple[float, float]] = {"wood": (0.04, 0.11), "brick": (0.0, 0.07)}


def _own_colors(
    rng: np.random.Generator, hues: tuple[float, float]
) -> tuple[Color, ...]:
    """Two or three colours, the first dark, the last light."""
    count = int(rng.integers(2, 4))
    values = np.linspace(rng.uniform(0.03, 0.15), rng.uniform(0.55, 0.9), count)
    return tuple(
        colorsys.hsv_to_rgb(rng.uniform(*hues), rng.uniform(0.35, 0.95), value)
        for value in values.tolist()
    )


def _turn_rad(rng: np.random.Generator) -> tuple[float, ...]:
    """A turn after which no axis of the object lies along one of the pattern.

    The pattern's z axis lies along one of the object's space diagonals: bricks are
    bricks on every side, and flat faces keep off the edges of a checker's cells.
    """
    quarter = math.pi / 4 + math.pi / 2 * int(rng.integers(4))
    tilt = math.asin(1 / math.sqrt(3)) * (1, -1)[int(rng.integers(2))]
    return quarter, tilt, rng.uniform(0, 2 * math.pi)


def _tones(color: str) -> tuple[Color, ...]:
    """A darker and a lighter tone of a word."""
    if color not in RGB:
        raise ValueError(f"no color {color!r}, there are {', '.join(RGB)}")
    full = np.asarray(RGB[color]) / 255
    dark, light = 0.3 * full, full + 0.05 * (1 - full)
    return tuple(dark.tolist()), tuple(light.tolist())


def build_texture(
    bpy: ModuleType, name: str, color: str | None, diagonal: float
) -> Any:
    """A new material.

    Args:
        bpy: Blender.
        name: of the texture.
        color: word that tints it, or None.
        diagonal: of the mesh it is for, in the mesh's units.

    Raises:
        ValueError: `name` is no texture or `color` no word.
    """
    look = draw_look(name, color)
    made = bpy.data.materials.new(name)
    nodes = Nodes(made)
    place = _mapping(nodes, look, diagonal)
    pattern, stops = _PATTERNS[parse_texture(name)](nodes, look, place)
    ramp = _ramp(nodes, look.colors, stops)
    nodes.link(pattern, ramp.inputs[0])
    shader = nodes.add("BsdfPrincipled", Roughness=look.roughness)
    nodes.link(ramp.outputs[0], shader.inputs["Base Color"])
    nodes.cover(shader.outputs[0])
    return made


def _mapping(nodes: Nodes, look: TextureLook, diagonal: float) -> Any:
    """Object coordinates in diagonals, turned and shifted."""
    mapping = nodes.add("Mapping", Location=look.shift, Rotation=look.turn_rad)
    mapping.inputs["Scale"].default_value = (1 / diagonal,) * 3
    nodes.link(nodes.add("TexCoord").outputs["Object"], mapping.inputs["Vector"])
    return mapping.outputs[0]


@dataclass(frozen=True)
class Stops:
    """Where the ramp's first and last colour lie, and whether it has steps."""

    first: float = 0.0
    last: float = 1.0
    steps: bool = False


def _ramp(nodes: Nodes, colors: tuple[Color, ...], stops: Stops) -> Any:
    node = nodes.add("ValToRGB")
    node.color_ramp.interpolation = "CONSTANT" if stops.steps else "LINEAR"
    elements = node.color_ramp.elements
    # a step reaches from its stop to the next one
    places = np.linspace(stops.first, stops.last, len(colors) + stops.steps)
    while len(elements) < len(colors):
        elements.new(1.0)
    for element, place, color in zip(elements, places, colors, strict=False):
        element.position, element.color = float(place), (*color, 1.0)
    return node


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _wave(nodes: Nodes, place: Any, kind: str, scale: float, **inputs: float) -> Any:
    """A wave texture of `scale` waves a unit; the node."""
    # by itself Cycles repeats a wave 20 / (2 pi) times a unit
    node = nodes.add("TexWave", Scale=scale * 2 * math.pi / 20, Detail=2.0, **inputs)
    node.wave_type = kind
    nodes.link(place, node.inputs["Vector"])
    return node


Pattern = tuple[Any, Stops]


def _wood(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    scale, bent = _between(5, 9, look.grain), _between(1.5, 5, look.detail)
    node = _wave(nodes, place, "RINGS", scale, Distortion=bent, Detail_Scale=1.5)
    node.wave_profile = "SAW"
    return node.outputs["Fac"], Stops(0.1, 0.9)


def _marble(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    scale, bent = _between(2.5, 4.5, look.grain), _between(8, 14, look.detail)
    node = _wave(nodes, place, "BANDS", scale, Distortion=bent, Detail_Scale=1.5)
    return node.outputs["Fac"], Stops(0.0, 0.4)


def _stripes(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    node = _wave(nodes, place, "BANDS", _between(5, 9, look.grain))
    return node.outputs["Fac"], Stops(steps=True)


def _brick(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    # bricks are dark, or between, the mortar is light; a brick is half a unit long
    scale, mortar = _between(4, 7, look.grain), _between(0.02, 0.04, look.detail)
    node = nodes.add("TexBrick", Scale=scale, Mortar_Size=mortar)
    for name, grey in (("Color1", 0.0), ("Color2", 0.5), ("Mortar", 1.0)):
        node.inputs[name].default_value = (grey, grey, grey, 1.0)
    nodes.link(place, node.inputs["Vector"])
    return node.outputs["Color"], Stops()


def _checker(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    node = nodes.add("TexChecker", Scale=_between(6, 11, look.grain))
    nodes.link(place, node.inputs["Vector"])
    return node.outputs["Fac"], Stops()


def _noise(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    scale, bent = _between(5, 11, look.grain), _between(0.0, 1.5, look.detail)
    node = nodes.add("TexNoise", Scale=scale, Detail=3.0, Distortion=bent)
    nodes.link(place, node.inputs["Vector"])
    return node.outputs[0], Stops(0.38, 0.62)


def _voronoi(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    node = nodes.add("TexVoronoi", Scale=_between(6, 12, look.grain))
    nodes.link(place, node.inputs["Vector"])
    return node.outputs["Distance"], Stops(0.1, 0.7)


def _magic(nodes: Nodes, look: TextureLook, place: Any) -> Pattern:
    scale, bent = _between(3, 6, look.grain), _between(1.0, 2.5, look.detail)
    node = nodes.add("TexMagic", Scale=scale, Distortion=bent)
    node.turbulence_depth = 3
    nodes.link(place, node.inputs["Vector"])
    return node.outputs["Fac"], Stops(0.2, 0.8)


_PATTERNS: Mapping[str, Callable[[Nodes, TextureLook, Any], Pattern]] = dict(
    zip(
        FAMILIES,
        (_wood, _marble, _brick, _checker, _noise, _voronoi, _magic, _stripes),
        strict=True,
    )
)
