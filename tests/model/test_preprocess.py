import pickle

import numpy as np
import pytest
import torch

from igllm_pipelines.model.preprocess import fit_image, fit_point, padded_to_square
from igllm_pipelines.model.towers import Pixels
from igllm_pipelines.model.vision import FittedImages, fitted, vision_source

SIZES = [(48, 32), (32, 48), (33, 33), (47, 31), (20, 12), (64, 64)]
SIDE = 28
CROP = {"height": SIDE, "width": SIDE}


def image(width, height, seed=0):
    """A picture with smooth parts and edges."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=0).repeat(4, axis=1)[:height, :width].copy()


def pillow_processor():
    """CLIP's processor as the paper's authors had it: on Pillow."""
    try:
        from transformers.models.clip.image_processing_pil_clip import (
            CLIPImageProcessorPil,
        )
    except ImportError:  # transformers before 5.18
        from transformers import CLIPImageProcessor as CLIPImageProcessorPil
    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=CROP)


def tower_pixels(square):
    return Pixels("clip", SIDE)(torch.from_numpy(square)[None])[0]


@pytest.mark.parametrize("size", SIZES)
def test_square_has_the_pixels_of_clips_processor(size):
    picture = image(*size)
    expected = pillow_processor()(picture, return_tensors="np")["pixel_values"][0]
    ours = tower_pixels(fit_image(picture, "square", SIDE))
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_pad_has_the_pixels_of_clips_processor_on_a_padded_square(size):
    width, height = size
    side = max(size)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = (122, 116, 104)  # CLIP's mean color, rounded down
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image(*size)
    expected = pillow_processor()(square, return_tensors="np")["pixel_values"][0]
    ours = tower_pixels(fit_image(image(*size), "pad", SIDE))
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_todays_processor_differs_by_rounding_alone(size):
    from transformers import CLIPImageProcessor

    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=CROP)
    picture = image(*size)
    theirs = processor(picture, do_rescale=False, do_normalize=False)["pixel_values"][0]
    ours = fit_image(picture, "square", SIDE).transpose(2, 0, 1)
    assert np.abs(np.asarray(theirs, dtype=int) - ours).max() <= 1


def test_an_image_of_the_right_size_is_left_as_it_is():
    picture = image(SIDE, SIDE)
    for fit in ("exact", "pad", "square"):
        assert fit_image(picture, fit, SIDE) is picture


def test_exact_refuses_another_size():
    with pytest.raises(ValueError, match="48 x 32 does not fit exact 28"):
        fit_image(image(48, 32), "exact", SIDE)


@pytest.mark.parametrize("fit", ["pad", "square"])
@pytest.mark.parametrize("size", [(480, 320), (320, 480), (321, 200)])
def test_points_lie_where_their_pixels_go(fit, size):
    width, height = size
    u, v = width / 2 + 31, height / 2 - 22
    picture = np.zeros((height, width, 3), np.uint8)
    picture[int(v) - 8 : int(v) + 8, int(u) - 8 : int(u) + 8] = 255
    square = fit_image(picture, fit, 128).astype(float)
    if fit == "pad":
        square -= fit_image(np.zeros_like(picture), fit, 128)
    weight = square.sum(axis=2).clip(0)
    rows, columns = np.mgrid[:128, :128] + 0.5
    centre = [(weight * axis).sum() / weight.sum() for axis in (columns, rows)]
    place = fit_point(float(int(u)), float(int(v)), size, fit, 128)
    assert np.allclose(place, centre, atol=0.5)


def test_point_of_an_exact_image_stays():
    assert fit_point(3.0, 4.0, (32, 32), "exact", 32) == (3.0, 4.0)


def test_padding_stands_on_both_sides():
    square = padded_to_square(np.zeros((2, 6, 3), np.uint8))
    assert square[:2].tolist() == square[4:].tolist()
    assert square[0, 0].tolist() == [122, 116, 104]
    assert not square[2:4].any()


class Pictures:
    """Pictures by name, of their own sizes."""

    def image(self, split, filename):
        width, height = map(int, filename.split("x"))
        return image(width, height)

    def batch(self, split, filenames):
        return np.stack([self.image(split, name) for name in filenames])


class Features:
    def __init__(self, *splits):
        self._splits = list(splits)

    def splits(self):
        return self._splits

    def batch(self, split, filenames):
        return np.zeros((len(filenames), 4, 8), np.float16)


def test_fitted_images_of_several_sizes_make_one_batch():
    images = FittedImages(Pictures(), "pad", SIDE)
    batch = images.batch("train", ["48x32", "28x28", "20x40"])
    assert batch.shape == (3, SIDE, SIDE, 3)
    assert batch.dtype == np.uint8
    assert (batch[0] == fit_image(image(48, 32), "pad", SIDE)).all()
    assert (pickle.loads(pickle.dumps(images)).batch("t", ["9x9"]) > 0).any()
    assert images.batch("train", []).shape == (0, SIDE, SIDE, 3)


def test_images_of_the_towers_size_are_not_wrapped():
    pictures = Pictures()
    assert fitted(pictures, {"fit": "exact", "image_px": SIDE}) is pictures
    assert fitted(pictures, {"image_px": SIDE}) is pictures  # towers of older versions


@pytest.mark.parametrize(
    ("frozen", "splits", "cached"),
    [(True, ["train"], True), (True, [], False), (False, ["train"], False)],
)
def test_cached_features_serve_a_frozen_tower_alone(frozen, splits, cached):
    features = Features(*splits)
    settings = {"frozen": frozen, "fit": "square", "image_px": SIDE}
    source = vision_source(Pictures(), features, settings)
    assert (source is features) == cached
    if not cached:
        assert source.batch("train", ["48x32"]).shape == (1, SIDE, SIDE, 3)
