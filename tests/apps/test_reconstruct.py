"""``igllm reconstruct``, with models of random weights."""

import csv
import json
import os
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from igllm_pipelines.apps.main import main
from igllm_pipelines.scene import parse_program, scene_from_record
from tests.apps.packages import random_package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "package"
    return random_package(folder, "2d", numeric_head="mixture")


@pytest.fixture
def run(package, tmp_path, monkeypatch):
    """Runs the command outside of any project; its results go to ``out``."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        words = ["reconstruct", *map(str, arguments)]
        options = ["--model", str(package.folder), "--out", "out"]
        return CliRunner().invoke(main, [*words, *options])

    return call


def draw(path, seed=0, size=(30, 40)):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return path


def record(folder):
    return json.loads((folder / "reconstruction.json").read_text())


def stamp(folder):
    """Changes with every new version of the folder."""
    return (folder / "program.txt").stat().st_ino


def test_each_picture_gets_a_folder_and_a_row(run, package, tmp_path) -> None:
    for seed, name in enumerate(("b.png", "a.jpg", "sub/c.webp")):
        draw(tmp_path / "photos" / name, seed)
    result = run("photos")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    for name in "abc":
        program = (out / name / "program.txt").read_text()
        scene = json.loads((out / name / "scene.json").read_text())
        said = parse_program(program, package.syntax)
        shown = scene_from_record(scene, "here")
        assert len(shown.objects) == len(said.objects) > 0
        with Image.open(out / name / "render.png") as picture:
            assert picture.size == (56, 56)
        with Image.open(out / name / "input.png") as picture:
            assert picture.size == (40, 30)
        known = record(out / name)
        assert known["log_probability"] < 0
        assert len(known["number_stds"]) == 2 * len(said.objects)
        assert f"{known['log_probability']:.2f}" in result.output
    with (out / "reconstructions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["a", "b", "c"]
    assert rows[0]["program"] == (out / "a" / "program.txt").read_text()
    assert (out / "contact_sheet.png").is_file()
    assert not list(out.glob(".*"))


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(run, tmp_path) -> None:
    draw(tmp_path / "photos" / "good.png")
    (tmp_path / "photos" / "text.png").write_text("no picture")
    whole = draw(tmp_path / "photos" / "cut.jpg", size=(300, 300)).read_bytes()
    (tmp_path / "photos" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "none").mkdir()
    result = run("photos", "pipe.png", "missing.png", "none")
    assert result.exit_code == 1
    assert "1 reconstructed, 5 failed" in result.output
    content = json.loads((tmp_path / "out" / "reconstructions.json").read_text())
    assert [r["name"] for r in content["reconstructions"]] == ["good"]
    failed = {os.path.basename(f["input"]) for f in content["failures"]}
    assert failed == {"text.png", "cut.jpg", "pipe.png", "missing.png", "none"}
    assert all(failure["reason"] in result.output for failure in content["failures"])


def test_no_picture_at_all(run, tmp_path) -> None:
    result = run("missing.png")
    assert result.exit_code == 1
    assert "0 reconstructed, 1 failed" in result.output


def test_pictures_that_are_done_are_not_made_again(run, tmp_path) -> None:
    draw(tmp_path / "a.png")
    draw(tmp_path / "b.png", 1)
    assert run("a.png").exit_code == 0
    first = stamp(tmp_path / "out" / "a")
    result = run("a.png", "b.png", "--batch-size", 1)
    assert "1 of 2 images are done already" in result.output
    assert stamp(tmp_path / "out" / "a") == first
    assert (tmp_path / "out" / "b").is_dir()


@pytest.mark.parametrize("change", ["picture", "lost file", "option"])
def test_what_has_changed_is_made_again(run, tmp_path, change) -> None:
    picture, folder = draw(tmp_path / "a.png"), tmp_path / "out" / "a"
    run("a.png")
    first = record(folder)
    if change == "picture":
        draw(picture, 1, (31, 41))
    elif change == "lost file":
        (folder / "render.png").unlink()
    result = run("a.png", *(["--refine", "0.2"] if change == "option" else []))
    assert result.exit_code == 0, result.output
    assert "done already" not in result.output
    assert (folder / "render.png").is_file()
    assert (record(folder) != first) == (change != "lost file")
    assert not list((tmp_path / "out").glob(".*"))


def test_pictures_of_one_name_do_not_overwrite_each_other(run, tmp_path) -> None:
    paths = [draw(tmp_path / name, i) for i, name in enumerate(("x/a.png", "y/a.png"))]
    draw(tmp_path / "x" / "a.jpg", 2)
    run(paths[0])
    result = run("x", "y")
    assert result.exit_code == 0, result.output
    folders = {"a", "x_a", "y_a"}
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == (
        folders
    )
    inputs = {record(tmp_path / "out" / name)["input"] for name in folders}
    assert len(inputs) == 3
    assert record(tmp_path / "out" / "a")["input"] == str(paths[0])


def test_other_folders_in_out_are_left_alone(run, tmp_path) -> None:
    draw(tmp_path / "a.png")
    mine = tmp_path / "out" / "a" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert run("a.png").exit_code == 0
    assert mine.read_text() == "mine"
    assert record(tmp_path / "out" / f"{tmp_path.name}_a")["program"]


def test_results_are_no_inputs(run, tmp_path) -> None:
    draw(tmp_path / "a.png")
    run(tmp_path)
    result = run(tmp_path)
    assert "1 of 1 images are done already" in result.output
    result = run("out")
    assert result.exit_code == 1
    assert "which are results" in result.output


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1"])
def test_a_search_has_an_end(run, tmp_path, seconds) -> None:
    draw(tmp_path / "a.png")
    result = run("a.png", "--refine", seconds)
    assert result.exit_code == 2
    assert "--refine" in result.output


ODD_NAMES = (
    *("-dash.png", "two words.png", "漢字.png", ".hidden.png", "...png", "a.b.png"),
    *("n" * 240 + ".png", "reconstructions.json.png", "contact_sheet.png.png"),
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names(run, tmp_path, name) -> None:
    draw(tmp_path / "a.png").rename(tmp_path / name)
    result = run(f"./{name}")
    assert result.exit_code == 0, result.output
    assert "1 reconstructed, 0 failed" in result.output
    (folder,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert record(folder)["input"] == str(tmp_path / name)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3)])
def test_odd_sizes(run, tmp_path, size) -> None:
    draw(tmp_path / "a.png", size=size)
    result = run("a.png", "--refine", "0.1")
    assert result.exit_code == 0, result.output


def test_refinement_says_what_it_brought(run, tmp_path, package) -> None:
    draw(tmp_path / "a.png")
    result = run("a.png", "--refine", "2")
    known = record(tmp_path / "out" / "a")
    assert known["score_after"] < known["score_before"]
    assert " -> " in result.output
    assert known["guess"] != known["program"]
    for text in (known["guess"], known["program"]):
        parse_program(text, package.syntax)


def test_without_blender_there_are_programs_and_scenes(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "bpy", None)
    folder = random_package(tmp_path / "package", "clevr").folder
    draw(tmp_path / "a.png")
    out = tmp_path / "out"
    command = ["reconstruct", str(tmp_path / "a.png"), "--model", str(folder)]

    def call(*options):
        return CliRunner().invoke(main, [*command, "--out", str(out), *options])

    result = call()
    assert result.exit_code == 1
    assert 'pip install "igllm-pipelines[render]"' in result.output
    assert "--no-pictures" in result.output
    assert not out.exists()
    result = call("--no-pictures")
    assert result.exit_code == 0, result.output
    names = {path.name for path in (out / "a").iterdir()}
    texts = {"program.txt", "scene.json", "reconstruction.json"}
    assert names == {*texts, "input.png"}
    scene = scene_from_record(json.loads((out / "a" / "scene.json").read_text()), "a")
    assert scene.camera is not None
    assert len(scene.objects) == record(out / "a")["objects"] > 0
    assert "done already" in call("--no-pictures").output


def test_programs_alone_are_made_again_with_their_pictures(run, tmp_path) -> None:
    draw(tmp_path / "a.png")
    assert run("a.png", "--no-pictures").exit_code == 0
    assert not (tmp_path / "out" / "a" / "render.png").exists()
    assert run("a.png").exit_code == 0
    assert (tmp_path / "out" / "a" / "render.png").is_file()
    assert (
        "not with --no-pictures" in run("a.png", "--no-pictures", "--refine", 1).output
    )


def test_a_folder_without_a_model_says_so(tmp_path) -> None:
    draw(tmp_path / "a.png")
    words = ["reconstruct", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*words, "--model", str(tmp_path)])
    assert result.exit_code == 1
    assert "no model package" in result.output
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_says_so(run, tmp_path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "out").write_text("")
    result = run("a.png")
    assert result.exit_code == 2
    assert "is a file" in result.output
