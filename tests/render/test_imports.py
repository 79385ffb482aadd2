"""Who may load Blender and Ray: nobody by merely importing."""

import subprocess
import sys

import pytest

HEAVY = "{'bpy', 'mathutils', 'bmesh', 'ray', 'torch', 'kedro', 'mlflow'}"
MODULES = [
    "render.job", "render.blender", "render.worker", "render.pool", "render.export",
    "shards.raw",
    "shards.writer", "shards.features", "domains.sources",
]  # fmt: skip


def heavy_imports(code):
    check = f"import sys; print(sorted({HEAVY} & set(sys.modules)))"
    command = [sys.executable, "-c", f"{code}; {check}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_is_light():
    code = "; ".join(f"import igllm_pipelines.{name}" for name in MODULES)
    assert heavy_imports(code) == "[]\n"


def test_light_import_check_can_fail():
    assert heavy_imports("import kedro") == "['kedro']\n"


def test_missing_system_library_names_the_command(monkeypatch):
    from igllm_pipelines.render.bpy_module import BlenderUnavailableError, import_bpy

    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "bpy":
                raise ImportError("libXi.so.6: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "bpy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(
        BlenderUnavailableError, match=r"libXi.*apt-get install -y .*libxi6"
    ):
        import_bpy()


def test_missing_bpy_names_the_command(monkeypatch):
    from igllm_pipelines.render.bpy_module import (
        BlenderUnavailableError,
        bpy_version,
        import_bpy,
    )

    monkeypatch.setitem(sys.modules, "bpy", None)
    for ask in (bpy_version, import_bpy):
        with pytest.raises(
            BlenderUnavailableError, match=r'pip install "igllm-.*render'
        ):
            ask()


def test_pool_of_blenders_does_not_open_without_one(monkeypatch):
    from igllm_pipelines.domains.sources import scene_config
    from igllm_pipelines.render.bpy_module import BlenderUnavailableError
    from igllm_pipelines.render.config import RenderingConfig
    from igllm_pipelines.render.job import scene_pool

    monkeypatch.setitem(sys.modules, "bpy", None)
    with pytest.raises(BlenderUnavailableError, match="not installed"):
        scene_pool(scene_config("clevr", {}), RenderingConfig())
