"""The wheel: what is in it, and the command line from it where there is no Blender."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import click
import pytest
from kedro.io import DataCatalog, MemoryDataset
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from igllm_pipelines.guards import NeedsHook
from igllm_pipelines.pipeline_registry import register_pipelines
from igllm_pipelines.render.bpy_module import INSTALL, LIBRARIES

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "igllm_pipelines"
BLENDER = {"bpy", "bmesh", "mathutils"}
NO_BLENDER = f"import sys; sys.modules.update(dict.fromkeys({BLENDER}))\n"
PROGRAM = """\
add(size='large', color='red', material='metal', shape='cube',
    loc=(0.5, -1.0, 0.7), rotation=0.3)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy: the checkout stays as it is, and no registry is asked."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
    shutil.copytree(ROOT / "src", tree / "src", ignore=ignored)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index", "--quiet"]
    build += ["--no-build-isolation", "--wheel-dir", str(out), str(tree)]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = [n for n in file.namelist() if n.endswith(".dist-info/METADATA")]
        return HeaderParser().parsestr(file.read(name).decode())


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder


@pytest.fixture
def python(unpacked, tmp_path):
    """Runs code without Blender, far from the checkout, on the unpacked wheel."""

    def call(code, *arguments):
        return subprocess.run(
            [sys.executable, "-c", NO_BLENDER + code, *arguments],
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(unpacked)},
            capture_output=True,
            text=True,
        )

    return call


@pytest.fixture
def igllm(python):
    """The command, as the script does that pip writes for it."""
    code = f"from {PACKAGE}.apps.main import main; main(prog_name='igllm')"
    return lambda *arguments: python(code, *arguments)


def test_wheel_holds_the_whole_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    tree = ROOT / "src"
    ours = {
        path.relative_to(tree).as_posix()
        for path in (tree / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {n for n in names if ".dist-info/" not in n} == ours
    assert {Path(n).suffix for n in ours} == {
        *(".py", ".typed", ".json"),
        *(".j2", ".css", ".txt"),
    }
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_core_needs_neither_blender_nor_what_tests_need(metadata):
    wanted = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    core = {r.name: r for r in wanted if r.marker is None}
    assert not {"bpy", "pytest", "mypy"} & set(core)
    for numpy in ("1.26.4", "2.4.0"):
        assert numpy in core["numpy"].specifier
    render = {
        r.name: str(r.specifier)
        for r in wanted
        if r.marker and r.marker.evaluate({"extra": "render"})
    }
    assert render == {"bpy": "==5.0.1"}
    assert {"render", "dev"} <= set(metadata.get_all("Provides-Extra"))


def test_pythons_that_it_may_be_installed_on(metadata):
    pythons = SpecifierSet(metadata["Requires-Python"])
    assert [v for v in ("3.10", "3.11", "3.12", "3.13", "3.14") if v in pythons] == [
        *("3.11", "3.12", "3.13")
    ]


def test_command_line_outside_of_a_checkout(igllm, python, unpacked):
    where = python(f"import {PACKAGE}; print({PACKAGE}.__file__)").stdout.strip()
    assert Path(where).is_relative_to(unpacked)
    shown = igllm("--help")
    assert shown.returncode == 0, shown.stderr
    commands = ("data", "assets", "plan", "reconstruct", "render", "evaluate", "demo")
    for name in commands:
        assert re.search(rf"^  {name} ", shown.stdout, re.M)
    for command in (["plan"], ["data", "plan", "clevr"]):
        stopped = igllm(*command)
        assert stopped.returncode == 1
        assert "go to the folder with pyproject.toml and conf/" in stopped.stderr
        assert "Traceback" not in stopped.stderr


def test_entry_points_are_there(unpacked):
    (file,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert f"igllm = {PACKAGE}.apps.main:main" in file.read_text()


def test_rendering_without_blender_says_what_to_install(igllm, tmp_path):
    (tmp_path / "program.txt").write_text(PROGRAM)
    stopped = igllm("render", "program.txt", "--domain", "clevr")
    assert stopped.returncode == 1
    assert f"not installed: {INSTALL}" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["program.txt"]


def test_dots_are_drawn_without_blender(igllm, tmp_path):
    (tmp_path / "program.txt").write_text("add(x=0.5, y=0.25)\n")
    done = igllm("render", "program.txt", "--domain", "2d", "--script")
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "rendered" / "program").iterdir()}
    assert made == {"render.png", "scene.json", "scene.py"}


def test_no_module_loads_blender_when_it_is_imported():
    files = sorted((ROOT / "src" / PACKAGE).rglob("*.py"))
    guilty = [path.name for path in files if BLENDER & set(loaded_by(path.read_text()))]
    assert guilty == []
    assert BLENDER & set(loaded_by("try:\n    import bpy.types\nfinally:\n    pass"))


def loaded_by(code):
    """First names of the modules that the import of a module imports."""
    waiting = list(ast.parse(code).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]
        elif not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("part", ["data", "report"])
def test_a_run_that_needs_blender_does_not_begin_without(part, monkeypatch):
    monkeypatch.setitem(sys.modules, "bpy", None)
    with pytest.raises(click.ClickException, match=r"has not begun.*\n.*bpy\n.*render"):
        before_run("clevr", part)
    before_run("2d", part)


def before_run(domain, part):
    """`NeedsHook` before a part of a domain's pipeline."""
    from igllm_pipelines.model.config import ModelConfig, TowerConfig

    given = {"scenes": {}, "tower": TowerConfig(), "model": ModelConfig()}
    catalog = DataCatalog(
        {f"params:{k}.{domain}": MemoryDataset(value) for k, value in given.items()}
    )
    pipeline = register_pipelines()[f"{domain}.{part}"]
    NeedsHook().before_pipeline_run({"env": None}, pipeline, catalog)


def test_system_libraries_of_blender_are_the_same_everywhere():
    wanted = set(LIBRARIES.split())
    for name in ("Makefile", "Dockerfile", "docs/install.md"):
        words = re.findall(r"[\w.+-]+", (ROOT / name).read_text())
        assert wanted <= set(words), name
    (line,) = re.findall(r"^APT := (.*)", (ROOT / "Makefile").read_text(), re.M)
    assert set(line.split()) == wanted


def test_dockerfile_copies_what_is_there():
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    copied = [
        word
        for line in re.findall(r"^COPY (.*)", text, re.M)
        for word in line.split()[:-1]
        if not word.startswith("--")
    ]
    assert {"pyproject.toml", "README.md", "LICENSE", "src"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
