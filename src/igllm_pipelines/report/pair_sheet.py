"""Contact sheets of reconstructions: input, rendering and program side by side."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from igllm_pipelines.report.sheet_parts import (
    GAP_PX,
    INK,
    MARGIN_PX,
    PAPER,
    WIDTH_PX,
    font,
    heading,
    in_rows,
    stack,
    text_line,
)

SIDE_PX = 280  # of a picture
PAIRS_A_PAGE = 12
TEXT_PX = 13
FRAME, FAINT, NOTE = (200, 200, 200), (130, 130, 130), (170, 60, 0)

Line = tuple[str, tuple[int, int, int], int]  # text, color, size in pixels


@dataclass(frozen=True)
class Pair:
    """A row of the sheet.

    Attributes:
        name: of the picture.
        input: file of the picture, None where there is none.
        rendering: file of its rendered scene, None where there is none.
        program: its text.
        remarks: below the name, ``log-probability -12.3``.
        notes: what the reader should know, below the program.
    """

    name: str
    input: Path | None
    rendering: Path | None
    program: str
    remarks: str = ""
    notes: Sequence[str] = ()


def pair_sheets(pairs: Sequence[Pair], title: str) -> Iterator[Image.Image]:
    """Pages of `PAIRS_A_PAGE` rows, 1600 px wide, made one at a time."""
    pages = list(in_rows(pairs, PAIRS_A_PAGE))
    for number, page in enumerate(pages, 1):
        of = f", page {number} of {len(pages)}" if len(pages) > 1 else ""
        legend = text_line("input | reconstruction, rendered | program")
        yield stack([heading(title + of), legend, *map(_row, page)])


def _row(pair: Pair) -> Image.Image:
    left = MARGIN_PX + 2 * (SIDE_PX + GAP_PX) + MARGIN_PX
    lines = list(_lines(pair, WIDTH_PX - left - MARGIN_PX))
    height = max(SIDE_PX, sum(size + GAP_PX for _, _, size in lines)) + MARGIN_PX
    row = Image.new("RGB", (WIDTH_PX, height), PAPER)
    row.paste(_framed(pair.input), (MARGIN_PX, 0))
    row.paste(_framed(pair.rendering), (MARGIN_PX + SIDE_PX + GAP_PX, 0))
    draw, top = ImageDraw.Draw(row), 0
    for text, color, size in lines:
        draw.text((left, top), text, color, font(size))
        top += size + GAP_PX
    return row


def _lines(pair: Pair, width_px: int) -> Iterator[Line]:
    yield pair.name, INK, TEXT_PX + 4
    yield pair.remarks, FAINT, TEXT_PX
    columns = int(width_px // font(TEXT_PX).getlength("m"))
    for color, texts in ((INK, pair.program.splitlines()), (NOTE, pair.notes)):
        for text in texts:
            for line in textwrap.wrap(text, columns, subsequent_indent="  "):
                yield line, color, TEXT_PX


def _framed(file: Path | None) -> Image.Image:
    """A picture in the middle of a square with a thin frame; an empty one of none."""
    square = Image.new("RGB", (SIDE_PX, SIDE_PX), PAPER)
    if file is not None:
        with Image.open(file) as image:
            scale = SIDE_PX / max(image.size)
            size = [max(1, round(scale * side)) for side in image.size]
            fitted = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        square.paste(fitted, ((SIDE_PX - size[0]) // 2, (SIDE_PX - size[1]) // 2))
    frame = (0, 0, SIDE_PX - 1, SIDE_PX - 1)
    ImageDraw.Draw(square).rectangle(frame, outline=FRAME)
    return square
