import json
from pathlib import Path

import pytest

from igllm_pipelines.assets import AssetsConfig
from tests.assets.shapes import L_SHAPE, in_file_axes, write_obj


@pytest.fixture
def write_manifest(tmp_path):
    """Writes a manifest of these objects, and gives the configuration that reads it."""

    def write(*items, categories=("chair",), **config) -> AssetsConfig:
        (tmp_path / "manifest.json").write_text(json.dumps(items))
        config = {"per_category": None, "held_out": 0} | config
        return AssetsConfig(str(tmp_path), categories, **config)

    return write


@pytest.fixture
def good_obj(tmp_path) -> Path:
    """An L-shape with up +y and forward -z."""
    return write_obj(tmp_path / "good.obj", in_file_axes(L_SHAPE, "+x", "-z", "+y"))
