"""Sheets of inputs beside their reconstructions."""

import numpy as np
from PIL import Image

from igllm_pipelines.report.pair_sheet import (
    NOTE,
    PAIRS_A_PAGE,
    SIDE_PX,
    Pair,
    pair_sheets,
)
from igllm_pipelines.report.sheet_parts import GAP_PX, MARGIN_PX, PAPER

RED, BLUE = (255, 0, 0), (0, 0, 255)


def paint(path, color, size):
    Image.new("RGB", size, color).save(path)
    return path


def test_input_and_rendering_stand_side_by_side(tmp_path) -> None:
    pair = Pair(
        name="wide",
        input=paint(tmp_path / "a.png", RED, (30, 10)),
        rendering=paint(tmp_path / "b.png", BLUE, (8, 8)),
        program="add()\n" * 3,
    )
    (sheet,) = pair_sheets([pair], "one")
    bottom = sheet.height - MARGIN_PX - SIDE_PX
    left, middle = MARGIN_PX + SIDE_PX // 2, bottom + SIDE_PX // 2
    assert sheet.getpixel((left, middle)) == RED
    assert sheet.getpixel((left, bottom + SIDE_PX // 4)) == PAPER
    assert sheet.getpixel((left + SIDE_PX + GAP_PX, middle)) == BLUE


def test_a_missing_rendering_is_an_empty_frame_with_a_note(tmp_path) -> None:
    file = paint(tmp_path / "a.png", RED, (1, 1))
    (sheet,) = pair_sheets([Pair("a", file, None, "", notes=["no object"])], "one")
    pixels = np.asarray(sheet)
    assert (pixels == NOTE).all(axis=-1).any()
    assert not (pixels[:, MARGIN_PX + SIDE_PX + GAP_PX :] == RED).all(axis=-1).any()


def test_a_long_program_is_shown_whole(tmp_path) -> None:
    file = paint(tmp_path / "a.png", RED, (1, 1))
    heights = [
        next(pair_sheets([Pair("a", file, None, "add()\n" * lines)], "one")).height
        for lines in (1, 40, 41)
    ]
    assert heights[0] < heights[1] < heights[2]


def test_many_rows_are_paged(tmp_path) -> None:
    file = paint(tmp_path / "a.png", RED, (1, 1))
    pairs = [Pair(str(i), file, file, "") for i in range(2 * PAIRS_A_PAGE + 1)]
    first, second, third = pair_sheets(pairs, "many")
    assert first.height == second.height > third.height
    assert not list(pair_sheets([], "none"))
