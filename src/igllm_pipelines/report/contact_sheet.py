"""Contact sheets: many pictures on one, to look at data and at assets.

Each scene is shown twice: its picture, and over it what its label says, every object's
centre, bounding box and axes, projected by the stored camera. Below stands the program.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from PIL import Image, ImageDraw

from igllm_pipelines.domains.clevr import RADIUS_M
from igllm_pipelines.report.sheet_parts import (
    FONT_PX,
    GAP_PX,
    INK,
    LINE_PX,
    MARGIN_PX,
    PAPER,
    WIDTH_PX,
    Pixels,
    enlarged,
    font,
    heading,
    in_rows,
    side_by_side,
    stack,
    text_line,
)
from igllm_pipelines.scene import ProgramSyntax, Scene, SceneObject, write_program
from igllm_pipelines.scene.rotations import matrix_from_quat
from igllm_pipelines.scene.scene import Array

AXES = (("x", (230, 30, 30)), ("y", (20, 160, 40)), ("z", (40, 80, 240)))
# of the objects, from left to right: box, centre and program line
OBJECTS = (
    *((196, 86, 0), (138, 43, 190), (0, 122, 122), (176, 0, 96)),
    *((110, 90, 0), (60, 60, 60)),
)
LEGEND = "+ projected centre   o pixel_coords   box: bounding box   axes of the object:"


FLAT_LEGEND = "No camera in the labels.   o pixel_coords   + position, in 2D"


@dataclass(frozen=True)
class Tile:
    """A picture ``(height, width, 3)`` and what its label says."""

    picture: Pixels
    scene: Scene


@dataclass(frozen=True)
class Card:
    """A picture of a thing with its name; a marked one gets a note and a frame."""

    picture: Pixels
    caption: str
    marked: bool = False


def scene_sheet(
    tiles: Sequence[Tile], syntax: ProgramSyntax, title: str, columns: int = 2
) -> Image.Image:
    """A sheet of scenes, 1600 px wide.

    Args:
        tiles: pictures and scenes.
        syntax: of the programs below them.
        title: above them.
        columns: tiles in a row.
    """
    side = (WIDTH_PX - MARGIN_PX * (columns + 1)) // columns
    rows = [
        side_by_side([_scene_cell(tile, syntax, side) for tile in row])
        for row in in_rows(tiles, columns)
    ]
    if any(tile.scene.camera is None and tile.scene.objects for tile in tiles):
        legend = text_line(FLAT_LEGEND)
    else:
        legend = _legend()
    return stack([heading(title), legend, *rows])


def card_sheet(
    groups: Mapping[str, Sequence[Card]], title: str, mark: str, columns: int = 10
) -> Image.Image:
    """A sheet of named pictures in groups, 1600 px wide.

    Args:
        groups: cards by the heading above them.
        title: above all.
        mark: what the frame of a marked card says.
        columns: cards in a row.
    """
    side = (WIDTH_PX - MARGIN_PX * (columns + 1)) // columns
    blocks = [heading(title), text_line(f"red frame: {mark}")]
    for name, cards in groups.items():
        blocks.append(heading(name, FONT_PX + 6))
        for row in in_rows(cards, columns):
            blocks.append(side_by_side([_card_cell(card, side) for card in row]))
    return stack(blocks)


def _scene_cell(tile: Tile, syntax: ProgramSyntax, width: int) -> Image.Image:
    scene = tile.scene.left_to_right()
    side = (width - GAP_PX) // 2
    pictures = [enlarged(tile.picture, side), _draw_labels(tile.picture, scene, side)]
    lines = list(_program_lines(scene, syntax, width))
    top = pictures[0].height + 4
    height = top + LINE_PX * (len(lines) + 1) + MARGIN_PX
    cell = Image.new("RGB", (width, height), PAPER)
    for number, picture in enumerate(pictures):
        cell.paste(picture, (number * (side + GAP_PX), 0))
    draw = ImageDraw.Draw(cell)
    draw.text((0, top), scene.image_filename, INK, font())
    for number, (color, line) in enumerate(lines, start=1):
        draw.text((0, top + number * LINE_PX), line, color, font())
    return cell


def _program_lines(
    scene: Scene, syntax: ProgramSyntax, side: int
) -> Iterator[tuple[tuple[int, ...], str]]:
    """The program, wrapped, each line in the colour of its object."""
    width = int(side // font().getlength("m"))
    for index, text in enumerate(write_program(scene, syntax).splitlines()):
        for line in textwrap.wrap(text, width, subsequent_indent="  "):
            yield _color(index), line


def _draw_labels(picture: Pixels, scene: Scene, side: int) -> Image.Image:
    """The enlarged picture with all objects of the label."""
    width = picture.shape[1]
    scale = side / width
    image = enlarged(picture, side)
    draw = ImageDraw.Draw(image)
    for index, obj in enumerate(scene.objects):
        _draw_object(draw, obj, scene, scale=scale, width=width, color=_color(index))
    return image


def _draw_object(
    draw: ImageDraw.ImageDraw,
    obj: SceneObject,
    scene: Scene,
    *,
    scale: float,
    width: int,
    color: tuple[int, ...],
) -> None:
    if scene.camera is None:
        _draw_flat(draw, obj, scale=scale, width=width, color=color)
        return
    if obj.pixel_coords is not None:
        _circle(draw, np.multiply(scale, obj.pixel_coords[:2]), 4, color)
    centre, corners, tips = _projected(obj, scene, scale)
    for start, end in _EDGES if len(corners) else ():
        draw.line([*corners[start], *corners[end]], fill=color, width=1)
    for (name, paint), tip in zip(AXES, tips, strict=False):
        draw.line([*centre, *tip], fill=PAPER, width=4)
        draw.line([*centre, *tip], fill=paint, width=2)
        draw.text((tip[0] + 3, tip[1] - 6), name, paint, font())
    _cross(draw, centre, color)


def _draw_flat(
    draw: ImageDraw.ImageDraw,
    obj: SceneObject,
    *,
    scale: float,
    width: int,
    color: tuple[int, ...],
) -> None:
    """What can be said without a camera: pixel_coords, and the place in 2D."""
    if obj.pixel_coords is None:
        return
    flat = obj.pixel_coords[2] == 0  # 2D has no depth; its dot is red
    _circle(draw, np.multiply(scale, obj.pixel_coords[:2]), 12, INK if flat else color)
    if flat and obj.location is not None:
        _cross(draw, np.multiply(scale * width, obj.location[:2]), INK)


def _projected(
    obj: SceneObject, scene: Scene, scale: float
) -> tuple[Array, Array, Array]:
    """Centre ``(2,)``, box corners ``(8, 2)`` and tips of the axes ``(3, 2)``.

    In pixels of the sheet; what the label does not say, or lies behind the camera, is
    empty.
    """
    assert scene.camera is not None
    assert obj.location is not None
    location = np.asarray(obj.location)
    centre = scene.camera.project(location)[:2] * scale
    half, none = half_extents(obj), np.empty((0, 2))
    if half is None:
        return centre, none, none
    turn = matrix_from_quat(obj.rotation or (1.0, 0.0, 0.0, 0.0))
    corners = scene.camera.project(location + (_CORNERS * half) @ turn.T)
    if corners[:, 2].min() <= 0:
        return centre, none, none
    tips = scene.camera.project(location + 1.25 * half[:, None] * turn.T)
    axes = tips[:, :2] * scale if obj.rotation is not None else none
    return centre, corners[:, :2] * scale, axes


def half_extents(obj: SceneObject) -> Array | None:
    """Half the object's bounding box in metres, along its own axes; None: not known.

    >>> half_extents(SceneObject(size="small"))
    array([0.35, 0.35, 0.35])
    """
    if obj.extents is not None:
        return np.asarray(obj.extents) / 2
    radius = RADIUS_M.get(obj.size or "")
    return None if radius is None else np.full(3, radius)


_CORNERS = np.asarray(list(product((-1.0, 1.0), repeat=3)))
_EDGES = [
    (a, b) for a, b in product(range(8), repeat=2) if a < b and (a ^ b) in (1, 2, 4)
]


def _color(index: int) -> tuple[int, ...]:
    return OBJECTS[index % len(OBJECTS)]


def _circle(
    draw: ImageDraw.ImageDraw, point: Array, radius: int, color: tuple[int, ...]
) -> None:
    u, v = point
    box = (u - radius, v - radius, u + radius, v + radius)
    draw.ellipse(box, outline=color, width=2)


def _cross(
    draw: ImageDraw.ImageDraw, point: Sequence[float] | Array, color: tuple[int, ...]
) -> None:
    u, v = point
    for line in ((u - 5, v, u + 5, v), (u, v - 5, u, v + 5)):
        draw.line(line, fill=color, width=2)


def _card_cell(card: Card, side: int) -> Image.Image:
    cell = Image.new("RGB", (side, side + LINE_PX + 4), PAPER)
    picture = Image.fromarray(card.picture).resize((side, side))
    cell.paste(picture, (0, 0))
    draw = ImageDraw.Draw(cell)
    if card.marked:
        draw.rectangle((0, 0, side - 1, side - 1), outline=(210, 30, 30), width=3)
    draw.text((2, side + 2), card.caption, INK, font())
    return cell


def _legend() -> Image.Image:
    line = text_line(LEGEND)
    draw, left = ImageDraw.Draw(line), MARGIN_PX + font(FONT_PX + 2).getlength(LEGEND)
    for number, (name, color) in enumerate(AXES, start=1):
        draw.text((left + 18 * number, 2), name, color, font(FONT_PX + 2))
    return line
