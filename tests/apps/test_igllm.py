"""The command line ``igllm``, in a small project of its own."""

import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from igllm_pipelines.apps.main import EXPLAINED, main
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.shards.writer import write_raw
from tests.shards.official_trees import write_download
from tests.shards.samples import DrawnJob

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the configuration, with a few 2D and 6-DoF scenes."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "conf", folder / "conf")
    for domain in ("2d", "6dof"):
        source = scene_config(
            domain, {"num_scenes": dict.fromkeys(DOMAINS[domain].splits, 3)}
        )
        write_raw(folder / "data" / "01_raw" / domain, DrawnJob(source))
    return folder


@pytest.fixture
def igllm(project, monkeypatch):
    monkeypatch.chdir(project)

    def run(*arguments: object, code: int = 0):
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.mark.parametrize(
    "command",
    ["", "data", "assets", "data plan", "data preview", "data export"]
    + ["assets check", "assets preview"],
)
def test_help_teaches_with_examples(igllm, command):
    assert "  igllm " in igllm(*command.split(), "--help").output


def test_start_imports_nothing_heavy():
    heavy = "torch", "kedro", "mlflow", "ray", "bpy", "pandas", "great_expectations"
    code = "import sys, igllm_pipelines.apps.main; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(run.stdout.decode().split())
    assert "click" in loaded
    assert not loaded & set(heavy)


def test_preview_writes_a_sheet(igllm, tmp_path):
    path = tmp_path / "new" / "sheet.png"
    assert igllm("data", "preview", "6dof", "val_ID", "--out", path).output.strip() == (
        str(path)
    )
    with Image.open(path) as sheet:
        assert sheet.width == 1600


def test_preview_of_an_official_download(igllm, tmp_path):
    root = write_download(tmp_path)
    given = ("scenes.clevr.source=official", f"scenes.clevr.root={root}")
    params = [part for value in given for part in ("--params", value)]
    path = tmp_path / "sheet.png"
    igllm("data", "preview", "clevr", "val_OOD", "--out", path, *params)
    assert path.exists()


def test_plan_counts_what_is_missing(igllm):
    size = "scenes.2d.num_scenes={train: 1000000, val_ID: 0, random: 7}"
    output = igllm("data", "plan", "2d", "--params", size).output
    assert "to make: 1,000,007 images in 201 shards" in output
    assert "core-hours" in output


def test_plan_of_a_download_renders_nothing(igllm, tmp_path):
    root = write_download(tmp_path)
    given = ("scenes.clevr.source=official", f"scenes.clevr.root={root}")
    params = [part for value in given for part in ("--params", value)]
    output = igllm("data", "plan", "clevr", *params).output
    assert output == f"clevr is read from {root / 'CLEVR'}: nothing is rendered\n"


def test_unknown_split_is_one_line(igllm):
    result = igllm("data", "preview", "6dof", "val_OOD", code=1)
    assert result.output == "Error: 6dof has no split 'val_OOD', it has train, val_ID\n"


def test_missing_data_are_one_line(igllm):
    result = igllm("data", "preview", "so3", "train", code=1)
    assert "no label files; render or download the data" in result.output
    assert result.output.count("\n") == 1


def test_export_and_no_overwriting(igllm, tmp_path):
    result = igllm("data", "export", "2d", "--out", tmp_path)
    assert result.output.strip() == str(tmp_path / "2D")
    assert [p.name for p in (tmp_path / "2D").iterdir()] == ["2d.npz"]
    again = igllm("data", "export", "2d", "--out", tmp_path, code=1)
    assert "not overwritten" in again.output


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("scenes.2d.widht_px=3", "widht_px"),
        ("scenes.2d.width_px=0", "width_px must be positive"),
        ("scenes.2d.source=official", "needs root"),
        ("scenes.2d.num_scenes={", "--params: while parsing"),
        ("scenes.2d.width_px", "must be NAME=VALUE"),
        ("=3", "must be NAME=VALUE"),
        ("scenes=3", "scenes: a mapping is wanted, not 3"),
        ("scenes.2d=3", "scenes of 2d: a mapping is wanted, not 3"),
        ("scenes.2d.num_scenes=3", "num_scenes must name splits, it is 3"),
        ("scenes.2d.num_scenes.train=x", "num_scenes.train must be a number, it is"),
        ("scenes.2d.num_scenes.val_OOD=3", "unknown split 'val_OOD'"),
        ("scenes.2d.cells=x", "cells must be a number, it is 'x'"),
    ],
)
def test_bad_parameter_is_one_line(igllm, params, message):
    result = igllm("data", "preview", "2d", "train", "--params", params, code=1)
    assert message in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("seed=-1", "seed must be a whole number, not negative, it is -1"),
        ("rendering.2d.workers=x", "workers must be at least 1"),
        ("ray=10.0.0.5", "ray: a mapping is wanted"),
    ],
)
def test_plan_that_cannot_be_made_is_one_line(igllm, params, message):
    more = "scenes.2d.num_scenes.train=4"
    result = igllm("data", "plan", "2d", "--params", params, "--params", more, code=1)
    assert message in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("command", ["plan", "preview", "export"])
def test_download_that_is_not_there_is_one_line(igllm, tmp_path, command):
    arguments = {"preview": ["train"], "export": ["--out", tmp_path]}
    given = ("scenes.so3.source=official", f"scenes.so3.root={tmp_path}")
    params = [part for value in given for part in ("--params", value)]
    more = arguments.get(command, [])
    output = igllm("data", command, "so3", *more, *params, code=1).output
    assert "images/train.tar, labels/train.json" in output
    assert output.count("\n") == 1


@pytest.mark.parametrize("command", ["preview 2d train --out", "export 2d --out"])
def test_out_that_cannot_be_written_is_one_line(igllm, tmp_path, command):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "out"
    output = igllm("data", *command.split(), path, code=1).output
    assert output.startswith("Error: ")
    assert str(tmp_path / "file") in output
    assert output.count("\n") == 1


def test_unknown_environment_is_one_line(igllm):
    result = igllm("data", "preview", "2d", "train", "--env", "nowhere", code=1)
    assert "conf/nowhere" in result.output
    assert result.output.count("\n") == 1


def test_outside_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["data", "preview", "2d", "train"])
    assert result.exit_code == 1
    assert "lies in no project" in result.output


def test_procedural_assets_are_counted(igllm):
    for arguments in ([], ["shapenet"]):
        assert "no problems" in igllm("assets", "check", *arguments).output
    assert "shows no assets" in igllm("assets", "check", "clevr", code=1).output


TETRAHEDRON = """v 0 0 0
v 1 0 0
v 0 1 0
v 0 0 1
f 1 3 2
f 1 2 4
f 1 4 3
f 2 3 4
"""


def test_own_assets_are_checked(igllm, tmp_path):
    (tmp_path / "good.obj").write_text(TETRAHEDRON)
    (tmp_path / "empty.obj").write_text("# nothing\n")
    entries = [
        {"id": name, "category": "lamp", "path": f"{name}.obj"}
        for name in ("good", "empty")
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    output = igllm("assets", "check", "--root", tmp_path).output
    assert "lamp" in output
    assert "left out: lamp_empty (empty.obj)" in output


def test_folder_without_models_is_one_line(igllm, tmp_path):
    output = igllm("assets", "check", "--root", tmp_path / "none", code=1).output
    assert output.startswith("Error: ")
    assert "is no folder" in output


def test_installed_script(project, tmp_path):
    script = Path(sys.executable).with_name("igllm")
    command = [script, "data", "preview", "2d", "train", "--out", tmp_path / "dots.png"]
    run = subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(tmp_path / "dots.png")
    assert run.stderr == ""


@pytest.mark.blender
@pytest.mark.slow
def test_preview_of_assets(igllm, tmp_path):
    path = tmp_path / "assets.png"
    options = ("--category", "chair", "--per-category", 2, "--workers", 1)
    igllm("assets", "preview", *options, "--out", path)
    with Image.open(path) as sheet:
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 1000


def test_explained_errors_are_where_they_are_looked_for():
    for name, module in EXPLAINED.items():
        found = getattr(import_module(f"igllm_pipelines.{module}"), name)
        assert issubclass(found, ValueError | RuntimeError)
