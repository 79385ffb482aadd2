"""Where objects lie in images that were made square."""

import numpy as np
import pytest

from igllm_pipelines.model.preprocess import fit_image
from igllm_pipelines.scene.scene import Scene, SceneObject
from igllm_pipelines.train.fitting import FittedScenes

WIDTH, HEIGHT, SIDE = 480, 320, 128


class Sizes:
    def image_size(self, split, filename):
        assert (split, filename) == ("train", "a.png")
        return WIDTH, HEIGHT


def scene(*places):
    objects = [SceneObject(location=(0, 0, 0), pixel_coords=(*p, 9.5)) for p in places]
    return Scene(tuple(objects), image_filename="a.png")


def blob(u, v):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[v - 6 : v + 6, u - 6 : u + 6] = 255
    return picture


@pytest.mark.parametrize("fit", ["pad", "square"])
def test_objects_lie_on_their_pixels(fit):
    place = FittedScenes(Sizes(), "train", fit, SIDE)
    fitted = place(scene((300, 70)))
    u, v, depth = fitted.objects[0].pixel_coords
    assert fit_image(blob(300, 70), fit, SIDE)[int(v), int(u)].min() > 200
    assert depth == 9.5
    assert fitted.image_filename == "a.png"


def test_objects_that_are_cut_off_are_left_out():
    wide = scene((20, 160), (240, 160), (470, 160))
    for fit, count in (("pad", 3), ("square", 1)):
        assert len(FittedScenes(Sizes(), "train", fit, SIDE)(wide).objects) == count


def test_an_object_without_pixel_coordinates_stays_for_the_warm_up_to_name():
    nowhere = Scene((SceneObject(location=(0, 0, 0)),), image_filename="a.png")
    assert FittedScenes(Sizes(), "train", "pad", SIDE)(nowhere) == nowhere
