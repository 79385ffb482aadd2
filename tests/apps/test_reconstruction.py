"""Pictures to folders of files, with models of random weights."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.apps.placing import drawn_source, placed, unseen
from igllm_pipelines.apps.reconstruction import Reconstructor
from igllm_pipelines.apps.refinement import drawn_programs, framed
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.preprocess import PAD_COLOR
from igllm_pipelines.render.pool import RenderPool
from igllm_pipelines.scene import Scene, parse_program
from tests.apps.packages import random_package
from tests.apps.workers import Fragile

CLEVR = DOMAINS["clevr"].syntax
CUBE = "add(size='large', color='red', material='metal', shape='cube', loc=({}))\n"


def noise(count, size=(40, 60)):
    rng = np.random.default_rng(0)
    return {
        f"picture {i}": rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        for i in range(count)
    }


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    return random_package(tmp_path_factory.mktemp("models") / "2d", "2d")


def test_reconstructions_come_in_the_order_of_the_pictures(dots, tmp_path) -> None:
    pictures = dict(reversed(noise(3).items()))
    with Reconstructor(dots) as reconstructor:
        made = reconstructor.reconstruct(pictures, tmp_path / "out")
    assert [one.name for one in made] == list(pictures)
    for one in made:
        assert one.folder == tmp_path / "out" / one.name
        assert one.files["program"].read_text() == one.program
        assert {*one.files} >= {"input", "program", "scene", "picture", "record"}
        assert all(path.parent == one.folder for path in one.files.values())
        assert one.score_before is one.guess is None


def test_a_run_that_ends_early_keeps_what_is_finished(dots, tmp_path) -> None:
    with Reconstructor(dots) as reconstructor:
        each = reconstructor.each(noise(3), tmp_path)
        first = next(each)
        each.close()
    (whole,) = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert whole == first.folder
    assert {path.name for path in whole.iterdir()} == {
        path.name for path in first.files.values()
    }


def test_a_folder_of_the_same_name_is_replaced(dots, tmp_path) -> None:
    with Reconstructor(dots) as reconstructor:
        for about in ({"input": "one"}, {"input": "two"}):
            (made,) = reconstructor.each(
                noise(1), tmp_path, dict.fromkeys(noise(1), about)
            )
            (made.folder / "left over").touch()
            assert (
                json.loads(made.files["record"].read_text())["input"]
                == (about["input"])
            )
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


@pytest.mark.parametrize("name", ["a/b", "../a", "..", "", ".hidden"])
def test_names_cannot_leave_the_folder(dots, tmp_path, name) -> None:
    with (
        Reconstructor(dots) as reconstructor,
        pytest.raises(ValueError, match="cannot be the name of a folder"),
    ):
        reconstructor.reconstruct({name: noise(1)["picture 0"]}, tmp_path)


def test_a_program_that_does_not_parse_is_kept_with_a_note(dots, tmp_path) -> None:
    free = replace(dots.inference, grammar=False, max_tokens=5)
    with Reconstructor(dots, inference=free) as reconstructor:
        (made,) = reconstructor.reconstruct(noise(1), tmp_path)
    assert made.scene is None
    assert "does not parse" in made.notes[0]
    assert {*made.files} == {"input", "program", "record"}


@pytest.mark.blender
@pytest.mark.slow
def test_clevr_scenes_are_rendered_refined_and_exported(tmp_path) -> None:
    package = random_package(tmp_path / "clevr", "clevr")
    pictures = noise(2)
    with Reconstructor(package, refine_s=1.0, workers=1) as reconstructor:
        made = reconstructor.reconstruct(pictures, tmp_path / "out")
    for one in made:
        for name in ("render.png", "scene.blend", "scene.glb", "scene.json"):
            assert (one.folder / name).stat().st_size > 0
        compile((one.folder / "scene.py").read_text(), "scene.py", "exec")
        with Image.open(one.files["picture"]) as picture:
            assert picture.size == (32, 32)
            assert np.asarray(picture).std() > 1
        assert one.score_after <= one.score_before
        said = parse_program(one.program, package.syntax)
        assert len(said.objects) == len(one.scene.objects)


@pytest.mark.slow
def test_a_scene_that_kills_blender_is_noted_and_the_others_go_on(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(
        "igllm_pipelines.apps.reconstruction.scene_pool",
        lambda source, rendering: RenderPool(rendering, Fragile, ()),
    )
    package = random_package(tmp_path / "clevr", "clevr")
    with Reconstructor(package, workers=1) as reconstructor:
        first, second, third = reconstructor.reconstruct(noise(3), tmp_path / "out")
    assert "picture" in first.files
    assert "picture" in third.files
    assert "picture" not in second.files
    assert "given up after 3 tries" in second.notes[0]
    assert second.files["program"].read_text() == second.program


def test_a_program_stands_under_the_nominal_camera() -> None:
    source = ClevrConfig()
    built = placed(CUBE.format("+1.000, +0.000, +0.700"), CLEVR, source, "a")
    assert built.notes == ()
    assert built.scene.camera == source.nominal().camera
    assert built.scene.lights == source.nominal().lights
    u, v, _ = built.scene.objects[0].pixel_coords
    assert 0 < u < source.width_px
    assert 0 < v < source.height_px
    assert list(unseen(built.scene)) == []


def test_what_lies_beside_the_picture_is_noted() -> None:
    program = CUBE.format("+0.000, +0.000, +0.700") + CUBE.format("-5.000, -5.000, 0")
    scene = placed(program, CLEVR, ClevrConfig(), "a").scene
    assert list(unseen(scene)) == ["the centre of object 2 lies outside the picture"]
    alone = replace(scene, objects=scene.objects[1:])
    assert list(unseen(alone)) == ["no object lies in the picture"]
    assert list(unseen(replace(scene, objects=()))) == ["no object lies in the picture"]
    assert list(unseen(Scene(()))) == []


def test_official_pictures_have_their_own_camera(dots, tmp_path) -> None:
    official = {"source": "official", "root": str(tmp_path)}
    source = drawn_source(replace(dots, domain="clevr", scenes=official))
    assert (source.width_px, source.height_px, source.lens_mm) == (480, 320, 35)


def test_framed_cuts_the_middle_or_pads() -> None:
    picture = np.zeros((10, 30, 3), dtype=np.uint8)
    picture[:, 10:20] = 255
    assert framed(picture, (20, 20), pads=False).min() > 200
    padded = framed(picture, (30, 30), pads=True)
    assert tuple(padded[0, 0]) == PAD_COLOR
    assert padded[15, 15].tolist() == [255] * 3
    assert padded[15, 2].tolist() == [0] * 3


def test_programs_are_drawn_with_seeds_of_their_own() -> None:
    drawn = drawn_programs(InferenceConfig(num_beams=3, seed=5))
    assert len({config.seed for config in drawn} - {5}) == len(drawn)
    assert all(c.temperature > 0 and c.num_beams == 1 for c in drawn)
