"""What contact sheets are put together from: text, pictures, rows and columns."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
T = TypeVar("T")
WIDTH_PX, MARGIN_PX, GAP_PX = 1600, 16, 4
FONT_PX, LINE_PX = 12, 16
INK, PAPER = (25, 25, 25), (255, 255, 255)


def in_rows(items: Sequence[T], columns: int) -> Iterator[Sequence[T]]:
    """The items, `columns` at a time."""
    for start in range(0, len(items), columns):
        yield items[start : start + columns]


def enlarged(picture: Pixels, side: int) -> Image.Image:
    """The picture, enlarged to a width of `side`, with a thin frame."""
    height, width = picture.shape[:2]
    size = (side, round(height * side / width))
    image = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    frame = (0, 0, size[0] - 1, size[1] - 1)
    ImageDraw.Draw(image).rectangle(frame, outline=(200, 200, 200))
    return image


@lru_cache
def font(size: int = FONT_PX) -> ImageFont.FreeTypeFont:
    """The type of all text, `size` pixels high; its letters are equally wide."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
    return ImageFont.truetype(str(path), size)


def text_line(text: str) -> Image.Image:
    """A line of text across the sheet."""
    line = Image.new("RGB", (WIDTH_PX, LINE_PX + 8), PAPER)
    ImageDraw.Draw(line).text((MARGIN_PX, 2), text, INK, font(FONT_PX + 2))
    return line


def heading(text: str, size: int = FONT_PX + 12) -> Image.Image:
    """A heading across the sheet."""
    line = Image.new("RGB", (WIDTH_PX, size + 20), PAPER)
    ImageDraw.Draw(line).text((MARGIN_PX, 10), text, INK, font(size))
    return line


def side_by_side(cells: Sequence[Image.Image]) -> Image.Image:
    """A row of the sheet."""
    height = max(cell.height for cell in cells)
    row = Image.new("RGB", (WIDTH_PX, height + MARGIN_PX // 2), PAPER)
    for number, cell in enumerate(cells):
        row.paste(cell, (MARGIN_PX + number * (cell.width + MARGIN_PX), 0))
    return row


def stack(blocks: Sequence[Image.Image]) -> Image.Image:
    """Rows, one below the other."""
    sheet = Image.new("RGB", (WIDTH_PX, sum(b.height for b in blocks)), PAPER)
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height
    return sheet
