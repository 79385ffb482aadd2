"""The 2D picture."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from igllm_pipelines.render.dot import RASTER, draw_dot

SIDE, RADIUS = 112, 5 / 336


def covered(image):
    return 1 - image[..., 1] / 255


def centroid(image):
    weight = covered(image)
    rows, columns = np.mgrid[: len(image), : len(image)] + 0.5
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


@pytest.mark.parametrize("x", [0.02, 0.31337, 0.5, 0.975])
@pytest.mark.parametrize("y", [0.02, 0.77, 0.9801])
def test_dot_lies_where_it_should(x, y):
    image = draw_dot(x, y, side_px=SIDE, radius=RADIUS)
    assert image.shape == (SIDE, SIDE, 3)
    assert np.abs(centroid(image) - np.array([x, y]) * SIDE).max() <= 0.55 / RASTER


def test_places_are_not_biased():
    places = np.random.default_rng(0).uniform(0.1, 0.9, (200, 2))
    errors = [
        centroid(draw_dot(*xy, side_px=SIDE, radius=RADIUS)) - xy * SIDE
        for xy in places
    ]
    assert np.abs(np.mean(errors, axis=0)).max() < 0.02


def test_small_steps_are_visible():
    images = [
        draw_dot(0.5001 + step / (SIDE * RASTER), 0.5, side_px=SIDE, radius=RADIUS)
        for step in range(RASTER)
    ]
    assert len({image.tobytes() for image in images}) == RASTER


def test_dot_is_red_on_white_with_the_area_of_a_disc():
    image = draw_dot(0.5, 0.5, side_px=SIDE, radius=RADIUS)
    assert (image[..., 0] == 255).all()
    assert (image[..., 1] == image[..., 2]).all()
    assert (image[0, 0] == 255).all()
    assert covered(image).max() == 1
    area = np.pi * (RADIUS * SIDE) ** 2
    assert covered(image).sum() == pytest.approx(area, rel=0.05)


def test_equals_plain_pil_ellipse_on_the_fine_raster():
    fine = Image.new("RGB", (SIDE * RASTER, SIDE * RASTER), "white")
    ImageDraw.Draw(fine).ellipse((395, 595, 395 + 26, 595 + 26), fill="red")
    expected = np.asarray(fine.reduce(RASTER), dtype=int)
    x, y = ((corner + 13.5) / (SIDE * RASTER) for corner in (395, 595))
    image = draw_dot(x, y, side_px=SIDE, radius=RADIUS)
    assert np.abs(image - expected).max() <= 1


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.5), (1.0, 1.0), (-0.5, 0.5), (0.5, 7.0)])
def test_predictions_outside_are_cut_off(x, y):
    image = draw_dot(x, y, side_px=SIDE, radius=RADIUS)
    assert image.shape == (SIDE, SIDE, 3)
    assert covered(image).sum() < 0.55 * np.pi * (RADIUS * SIDE) ** 2
