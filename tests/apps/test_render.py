"""`igllm render`: what it reads, what it says, what it writes."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from igllm_pipelines.apps.main import main
from igllm_pipelines.apps.scene_files import SceneFileError, SceneReader
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.scene import LabelError, scene_to_record
from igllm_pipelines.scene.labels import object_to_record
from igllm_pipelines.scene.program import write_program
from igllm_pipelines.scene.rotations import yaw_from_quat

CLEVR = ClevrConfig().draw(3, "train", 0, 0)
PROGRAM = """add(size='large', color='red', material='metal', shape='cube',
    loc=(0.5, -1.0, 0.7), rotation=0.3)
add(shape='ball', loc=(1.0, 1.0, 0.35))
"""


def run(*arguments):
    return CliRunner().invoke(main, ["render", *map(str, arguments)])


def write(path, content):
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def official(scene, index):
    """A label as the official files have it: no camera, no lights."""
    record = object_to_record(scene.objects[0])
    del record["rotation_quat"]
    record["rotation"] = 7.0  # the original generator took it for radians
    return {"image_filename": f"CLEVR_val_{index}.png", "objects": [record]}


def test_scene_file_is_read_as_it_was_written(tmp_path):
    for scene in (CLEVR, ShapeNetConfig().draw(3, "val_OOD_texture", 0, 0)):
        path = write(tmp_path / "scene.json", scene_to_record(scene))
        (found,) = SceneReader().read(path)
        assert found.scene == scene
        assert found.notes == ()
        assert f"{found.name}.png" == scene.image_filename


def test_program_gets_the_nominal_studio_and_plain_words(tmp_path):
    path = write(tmp_path / "my program.txt", PROGRAM)
    (found,) = SceneReader("clevr").read(path)
    cube, ball = found.scene.objects
    nominal = ClevrConfig().nominal()
    assert (found.scene.camera, found.scene.lights) == (nominal.camera, nominal.lights)
    assert (cube.color, cube.material) == ("red", "metal")
    assert cube.location == (0.5, -1.0, 0.7)
    assert (ball.shape, ball.size, ball.color) == ("sphere", "small", "gray")
    assert ball.pixel_coords == pytest.approx(nominal.camera.project(ball.location))
    assert "object 2 is drawn with size small, color gray" in found.notes[0]
    assert found.name == "my_program"
    assert found.scene.image_filename == "my_program.png"


def test_object_without_a_place_is_left_out(tmp_path):
    path = write(tmp_path / "a.txt", "add(shape='cube')")
    (found,) = SceneReader("clevr").read(path)
    assert found.scene.objects == ()
    assert found.notes == ("object 1 has no location and is left out",)


@pytest.mark.parametrize("domain", ["so3", "6dof", "shapenet"])
def test_written_programs_are_read_again(tmp_path, domain):
    scene = scene_config(domain, {}).draw(3, "train", 0, 0).left_to_right()
    path = write(tmp_path / "a.py", write_program(scene, DOMAINS[domain].syntax))
    (found,) = SceneReader(domain).read(path)
    for ours, theirs in zip(found.scene.objects, scene.objects, strict=True):
        assert ours.shape == theirs.shape
        assert ours.extents == theirs.extents
        assert ours.location == pytest.approx(theirs.location, abs=1e-3)


def test_labels_without_a_camera_get_the_nominal_one(tmp_path):
    labels = {"info": {}, "scenes": [official(CLEVR, index) for index in range(3)]}
    path = write(tmp_path / "val.json", labels)
    with pytest.raises(SceneFileError, match="CLEVR_val_0.png: it does not say"):
        SceneReader().read(path)
    found = SceneReader("clevr").read(path, limit=2)
    assert [scene.name for scene in found] == ["CLEVR_val_0", "CLEVR_val_1"]
    assert found[0].scene.camera == ClevrConfig().nominal().camera
    assert "no camera in the file" in found[0].notes[0]
    (obj,) = found[0].scene.objects
    assert yaw_from_quat(obj.rotation) == pytest.approx(7.0 - 2 * np.pi)


def test_size_scales_the_picture_and_its_coordinates(tmp_path):
    path = write(tmp_path / "scene.json", scene_to_record(CLEVR))
    (found,) = SceneReader(size_px=256).read(path)
    assert (found.scene.camera.width_px, found.scene.camera.height_px) == (256, 256)
    for large, small in zip(found.scene.objects, CLEVR.objects, strict=True):
        assert large.pixel_coords[:2] == pytest.approx(
            [2 * side for side in small.pixel_coords[:2]]
        )


def test_names_stay_in_the_folder(tmp_path):
    scene = replace(CLEVR, image_filename="../../etc/pass wd\u2028.png")
    path = write(tmp_path / "scene.json", scene_to_record(scene))
    assert SceneReader().read(path)[0].name == "pass_wd_"
    scene = replace(CLEVR, image_filename="...")
    path = write(tmp_path / "scene.json", scene_to_record(scene))
    assert SceneReader().read(path)[0].name == "scene"


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.py", "add(size='large')\nimport os\n", "line 2, column 1: .*import"),
        ("a.py", "add(size='huge')", "a.py, line 1, column 10: unknown size 'huge'"),
        ("a.json", '{"objects": [,]}', "a.json, line 1, column 14: no valid JSON"),
        ("a.json", '{"objects": []}', "'image_filename' is missing"),
        ("a.json", "[]", "these files hold no scene"),
        ("a.json", "3", "neither a list of scenes"),
        ("a.yml", "", "a scene is a .json file, a program a .txt or .py file"),
        ("a.txt", "\udcff", "cannot be read"),
    ],
)
def test_errors_say_where(tmp_path, name, content, error):
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    found = run(path, "--domain", "clevr", "--out", tmp_path / "out")
    assert found.exit_code == 1
    assert re.search(error, found.output)
    assert "Traceback" not in found.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("camera", "width_px", 96.5),
        ("camera", "height_px", 10**9),
        ("lights", "energy", "bright"),
        ("lights", "energy", float("nan")),
        ("lights", "name", 7),
    ],
)
def test_values_that_blender_would_not_take_are_named(tmp_path, part, field, value):
    record = scene_to_record(CLEVR)
    target = record[part][0] if part == "lights" else record[part]
    target[field] = value
    path = write(tmp_path / "scene.json", record)
    said = r"scene.json(, CLEVR_train_000000.png| \(CLEVR_train_000000.png\)): "
    with pytest.raises((SceneFileError, LabelError), match=said):
        SceneReader().read(path)


def test_missing_file_and_domain_are_named(tmp_path):
    assert "nope.json: no such file" in run(tmp_path / "nope.json").output
    path = write(tmp_path / "a.txt", PROGRAM)
    assert "--domain clevr for example" in run(path).output
    write(tmp_path / "label.json", {"image_filename": "a.png", "objects": [3]})
    with pytest.raises(LabelError, match="object 0"):
        SceneReader("clevr").read(tmp_path / "label.json")


def test_dots_are_drawn_outside_of_any_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = DotsConfig()
    scenes = [config.draw(3, "train", index, 0) for index in range(2)]
    records = [scene_to_record(scene) for scene in scenes]
    write(tmp_path / "labels.json", {"scenes": records})
    write(tmp_path / "dot.txt", "add(x=0.250, y=0.750)")
    options = ("--domain", "2d", "--size", 64, "--script")
    found = run("labels.json", "dot.txt", "labels.json", *options)
    assert found.exit_code == 0
    folders = sorted(path.name for path in (tmp_path / "rendered").iterdir())
    names = [scene.image_filename.removesuffix(".png") for scene in scenes]
    assert folders == sorted([*names, *(f"{name}-2" for name in names), "dot"])
    with Image.open(tmp_path / "rendered" / "dot" / "render.png") as image:
        picture = np.asarray(image)
    assert picture.shape == (64, 64, 3)
    row, column = np.argwhere(picture[..., 1] < 128).mean(axis=0)
    assert (column + 0.5, row + 0.5) == pytest.approx((16, 48), abs=0.5)
    assert (tmp_path / "rendered" / "dot" / "scene.py").is_file()
    assert "rendered/dot" in found.output
    assert found.stderr.count("render") >= 1


@pytest.mark.blender
@pytest.mark.slow
def test_clevr_program_becomes_files_and_a_bad_scene_is_told_of(tmp_path):
    program = write(tmp_path / "two.txt", PROGRAM)
    (first, *_) = CLEVR.objects
    bad = replace(CLEVR, objects=(replace(first, material="wood"),))
    label = write(tmp_path / "bad.json", scene_to_record(bad))
    options = ("--samples", 1, "--workers", 1, "--size", 48, "--domain", "clevr")
    found = run(program, label, "--out", tmp_path, "--blend", "--glb", *options)
    assert found.exit_code == 1
    assert "not rendered: no material 'wood' in color" in found.output
    files = {path.name for path in (tmp_path / "two").iterdir()}
    assert files == {"scene.json", "render.png", "scene.blend", "scene.glb"}
    with Image.open(tmp_path / "two" / "render.png") as picture:
        assert picture.size == (48, 48)
    record = json.loads((tmp_path / "two" / "scene.json").read_text())
    assert [obj["shape"] for obj in record["objects"]] == ["cube", "sphere"]
