"""Parts of the demo that need no browser."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.apps import demo
from igllm_pipelines.apps.reconstruction import Reconstruction
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.infer.pictures import PictureError, read_picture
from igllm_pipelines.shards.official import open_raw
from igllm_pipelines.shards.writer import write_raw
from tests.apps.packages import random_package
from tests.shards.samples import DrawnJob


@pytest.fixture(scope="module")
def demo_page(tmp_path_factory):
    """The module, imported as the command does it."""
    before = dict(os.environ)
    demo.keep_to_itself(tmp_path_factory.mktemp("uploads"))
    from igllm_pipelines.apps import demo_page

    yield demo_page
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return random_package(tmp_path_factory.mktemp("model") / "package", "2d")


def write_pictures(folder, number):
    folder.mkdir()
    for index in range(number):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index:02d}.png")


def test_examples_are_those_of_the_given_folder(package, tmp_path):
    write_pictures(tmp_path / "mine", 10)
    found = demo.example_images(package, tmp_path / "mine", tmp_path / "work")
    assert [path.name for path in found] == [f"{i:02d}.png" for i in range(8)]


def test_given_folder_without_pictures_is_refused(package, tmp_path):
    with pytest.raises(PictureError, match="holds no picture"):
        demo.example_images(package, tmp_path, tmp_path / "work")


def test_examples_come_from_the_test_split_of_the_project(
    package, tmp_path, monkeypatch
):
    root = Path(__file__).parents[2]
    for name in ("pyproject.toml", "conf"):
        (tmp_path / name).symlink_to(root / name)
    source = scene_config("2d", {"num_scenes": {"train": 2, "val_ID": 3, "random": 2}})
    raw = tmp_path / "data" / "01_raw" / "2d"
    write_raw(raw, DrawnJob(source))
    monkeypatch.chdir(tmp_path)
    found = demo.example_images(package, None, tmp_path / "work")
    assert len(found) == 3
    assert all("val_ID" in path.name for path in found)
    stored = open_raw(raw)
    for path in found:
        assert np.array_equal(read_picture(path), stored.image("val_ID", path.name))


def test_examples_of_the_package_or_none_where_no_data_are(
    package, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert demo.example_images(package, None, tmp_path / "work") == []
    write_pictures(package.folder / "examples", 2)
    found = demo.example_images(package, None, tmp_path / "work")
    assert [path.name for path in found] == ["00.png", "01.png"]


def test_view_is_from_the_side_of_the_camera(demo_page):
    scene = scene_config("clevr", {}).nominal()
    alpha_deg, beta_deg, radius = demo_page.viewpoint(scene)
    alpha, beta = math.radians(alpha_deg), math.radians(beta_deg)
    # Babylon's ArcRotateCamera; glTF's (x, y, z) is Blender's (x, z, -y)
    x, y, z = np.cos(alpha) * np.sin(beta), np.cos(beta), np.sin(alpha) * np.sin(beta)
    backwards = np.asarray(scene.camera.world_from_camera)[:3, 2]
    np.testing.assert_allclose((x, -z, y), backwards, atol=1e-9)
    assert radius is None


def test_notes_say_how_sure_the_model_is(demo_page, tmp_path):
    found = Reconstruction(
        name="a",
        folder=tmp_path,
        program="add()",
        scene=None,
        log_probability=-1.25,
        number_stds=(0.1, 0.3),
        notes=("the program does not parse",),
        score_before=0.5,
        score_after=0.25,
    )
    assert demo_page.describe(found, 2.04).splitlines() == [
        "- 0 objects in 2.0 s; log-probability of the program -1.2",
        "- numbers: the model is unsure of them by 0.2 in the mean, 0.3 at most",
        "- refined: differed from the image by 0.5, now 0.25",
        "- the program does not parse",
    ]
