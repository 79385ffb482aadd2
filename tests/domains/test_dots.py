"""2D scenes: where dots may lie in each split."""

import numpy as np
import pytest

from igllm_pipelines.domains.dots import DotsConfig, in_training_cells

CHECKERBOARD = DotsConfig()
SPARSE = DotsConfig(layout="checkerboard_sparse")


def positions(config, split, count=400):
    scenes = [config.draw(7, split, index, 0) for index in range(count)]
    return np.asarray([scene.objects[0].location[:2] for scene in scenes])


@pytest.mark.parametrize("config", [CHECKERBOARD, SPARSE])
@pytest.mark.parametrize("split", ["train", "val_ID"])
def test_training_splits_stay_in_their_cells(config, split):
    assert in_training_cells(config, positions(config, split)).all()


def test_training_places_fill_every_training_cell():
    cells = np.floor(positions(CHECKERBOARD, "train") * 4).astype(int)
    assert len(set(map(tuple, cells))) == 8
    cells = np.floor(positions(SPARSE, "train") * 4).astype(int)
    assert set(map(tuple, cells)) == {(0, 0), (0, 2), (2, 0), (2, 2)}


@pytest.mark.parametrize(("config", "share"), [(CHECKERBOARD, 1 / 2), (SPARSE, 1 / 4)])
def test_random_split_is_uniform_over_the_image(config, share):
    places = positions(config, "random", 1000)
    assert in_training_cells(config, places).mean() == pytest.approx(share, abs=0.05)
    counts = np.histogram2d(*places.T, bins=4, range=[[0, 1], [0, 1]])[0]
    assert counts.min() > 30


def test_dot_lies_wholly_in_the_image():
    for split in ("train", "random"):
        places = positions(CHECKERBOARD, split)
        assert places.min() >= CHECKERBOARD.radius
        assert places.max() <= 1 - CHECKERBOARD.radius


def test_pixel_coords_are_in_pixels():
    obj = CHECKERBOARD.draw(7, "train", 0, 0).objects[0]
    assert obj.pixel_coords == pytest.approx(np.multiply(obj.location, 112))


def test_same_seed_same_dot():
    assert CHECKERBOARD.draw(0, "train", 1, 0) == CHECKERBOARD.draw(0, "train", 1, 0)
    names = {CHECKERBOARD.draw(0, "train", i, 0).image_filename for i in range(5)}
    assert len(names) == 5


def test_cell_test_is_vectorised_and_knows_the_border():
    places = np.array([[[0.0, 0.0], [1.0, 1.0]], [[0.26, 0.0], [-0.01, 0.1]]])
    expected = [[True, True], [False, False]]
    assert in_training_cells(CHECKERBOARD, places).tolist() == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"layout": "stripes"},
        {"cells": 1},
        {"radius": 0.3},
        {"width_px": 0},
        {"num_scenes": {"train": -1}},
    ],
)
def test_config_out_of_range(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        DotsConfig(**bad)
