"""Contact sheets: what is drawn, and where."""

import numpy as np
import pytest

from igllm_pipelines.domains import program_syntax
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.report.contact_sheet import (
    AXES,
    INK,
    MARGIN_PX,
    OBJECTS,
    WIDTH_PX,
    Card,
    Tile,
    _draw_labels,
    card_sheet,
    scene_sheet,
)
from igllm_pipelines.scene import Camera, Scene, SceneObject

GREY = np.full((100, 100, 3), 128, dtype=np.uint8)
SIDE = 400  # pixels of the enlarged picture, 4 for each
CAMERA = Camera.look_at(
    (0, -4, 0), (0, 0, 0), lens_mm=32, sensor_width_mm=32, width_px=100, height_px=100
)


def colors(image):
    return {tuple(row) for row in np.asarray(image).reshape(-1, 3).tolist()}


def box(**changes):
    given = {"location": (0.0, 0.0, 0.0), "extents": (2.0, 1.0, 1.0)}
    return SceneObject(**{**given, "rotation": (1.0, 0.0, 0.0, 0.0), **changes})


def labels(*objects, camera=CAMERA):
    return np.asarray(_draw_labels(GREY, Scene(objects, camera=camera), SIDE))


def test_box_and_axes_lie_where_the_camera_sees_them():
    image = labels(box())
    front = CAMERA.project((-1.0, -0.5, 0.0)) * 4  # on the left front edge
    u, v = front[:2].round().astype(int)
    assert (image[v, u - 2 : u + 3] == OBJECTS[0]).all(axis=-1).any()
    tip = CAMERA.project((1.25, 0.0, 0.0)) * 4
    u, v = tip[:2].round().astype(int)
    assert (image[v, u - 8 : u] == AXES[0][1]).all(axis=-1).any()
    assert (image[1:10, 1:-1] == 128).all()  # nothing above the box


def test_clevr_boxes_take_the_radius_of_the_size():
    image = labels(box(extents=None, size="large"))
    u, v, _ = (CAMERA.project((-0.7, -0.7, 0.0)) * 4).round().astype(int)
    assert (image[v, u - 2 : u + 3] == OBJECTS[0]).all(axis=-1).any()


def test_objects_are_told_apart_by_color():
    image = labels(box(), box(location=(0.5, 0.0, 1.0)))
    assert {OBJECTS[0], OBJECTS[1]} <= colors(image)


@pytest.mark.parametrize(
    "changes", [{"rotation": None}, {"extents": None}, {"location": (0.0, -4.2, 0.0)}]
)
def test_no_axes_where_they_are_not_known(changes):
    image = labels(box(**changes))
    assert AXES[0][1] not in colors(image)


def test_without_a_camera_pixel_coords_are_circled():
    image = labels(box(pixel_coords=(25.0, 50.0, 3.0)), camera=None)
    assert tuple(image[200, 100 - 12]) == OBJECTS[0]
    assert AXES[0][1] not in colors(image)


def test_dot_gets_a_cross_at_its_place():
    dot = SceneObject(location=(0.25, 0.75, 0.0), pixel_coords=(25.0, 75.0, 0.0))
    assert tuple(labels(dot, camera=None)[300, 100]) == INK


@pytest.mark.parametrize("domain", ["2d", "clevr", "so3", "6dof", "shapenet"])
def test_sheet_of_every_domain(domain):
    source = scene_config(domain, {})
    scenes = [source.draw(7, "train", index, 0) for index in range(3)]
    tiles = [Tile(GREY, scene) for scene in scenes]
    sheet = np.asarray(scene_sheet(tiles, program_syntax(domain, scenes), domain))
    assert sheet.shape[1] == WIDTH_PX
    assert sheet.shape[0] > WIDTH_PX // 2  # two rows of pictures a quarter wide
    assert (sheet[-300:, -WIDTH_PX // 2 + MARGIN_PX :] == 255).all()  # the fourth place
    assert not (sheet[-300:, : WIDTH_PX // 2] == 255).all()


def test_cards_are_grouped_and_marked():
    cards = {"chair": [Card(GREY, f"chair_{n}", n == 2) for n in range(3)]}
    plain = {"chair": [Card(GREY, f"chair_{n}") for n in range(3)]}
    marked, unmarked = (card_sheet(c, "assets", "held out") for c in (cards, plain))
    differs = (np.asarray(marked) != np.asarray(unmarked)).any(axis=-1)
    side = (WIDTH_PX - 11 * MARGIN_PX) // 10
    columns = np.flatnonzero(differs.any(axis=0))
    left = MARGIN_PX + 2 * (side + MARGIN_PX)
    assert (columns.min(), columns.max()) == (left, left + side - 1)
