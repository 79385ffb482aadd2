"""``igllm evaluate`` from files to figures."""

import json
import math

import pytest
from click.testing import CliRunner

from igllm_pipelines.apps.main import main

CUBE = {
    "3d_coords": [1.0, -1.0, 0.7],
    "pixel_coords": [10, 10, 10],
    "rotation": 100.0,
    "size": "large",
    "color": "red",
    "material": "metal",
    "shape": "cube",
}
TEXT = (
    "The scene can be produced with:\n```python\nadd(size='big', color='blue', "
    "material='shiny', shape='block', loc=(+1.000, -1.000, +1.000), rotation=+0.001)"
    "\n```"
)
KEYS = ["l2", "geod", "count", "size", "color", "material", "shape", "category"]


def run(tmp_path, scenes, predictions, *options):
    (tmp_path / "val.json").write_text(json.dumps(scenes))
    (tmp_path / "predictions.json").write_text(json.dumps(predictions))
    files = ["--labels", str(tmp_path / "val.json")]
    files += ["--predictions", str(tmp_path / "predictions.json")]
    files += ["--json", str(tmp_path / "out.json")]
    result = CliRunner().invoke(main, ["evaluate", *files, *options])
    if result.exit_code:
        return result
    return json.loads((tmp_path / "out.json").read_text())


def test_clevr_by_the_reference(tmp_path) -> None:
    scenes = [
        {
            "image_filename": "a.png",
            "objects": [CUBE, {**CUBE, "3d_coords": [9, 9, 9]}],
        },
        {"image_filename": "b.png", "objects": [CUBE]},
    ]
    predictions = {
        "answers": {
            "CLEVR/images/a.png": {"outputs": TEXT},
            "CLEVR/images/b.png": {"outputs": "nothing"},
        }
    }
    options = ["--rotation-rep", "yaw", "--protocol", "reference"]
    got = run(tmp_path, {"scenes": scenes}, predictions, *options)
    assert {name: got[name] for name in KEYS} == {
        "l2": pytest.approx(0.3),
        "geod": None,
        "count": 1,
        "size": 100,
        "color": 0,
        "material": 100,
        "shape": 100,
        "category": None,
    }
    assert got["skipped"] == 1


def test_shapenet_by_the_strict_protocol(tmp_path) -> None:
    chair = {
        "3d_coords": [0, 0, 1],
        "color": "red",
        "shape": "chair_1a",
        "rotation": [0.0, 0.0, math.pi / 2],
    }
    program = "add(color='red', shape='chair_7', loc=(0, 0, 1), rotation=(1, 0, 0, 0))"
    predictions = [{"image": "a.png", "program": program, "log_probability": -1.0}]
    scenes = [{"image_filename": "a.png", "objects": [chair]}]
    got = run(tmp_path, scenes, predictions, "--rotation-rep", "quat")
    assert {name: got[name] for name in KEYS} == {
        "l2": 0,
        "geod": pytest.approx(90),
        "count": 0,
        "size": None,
        "color": 100,
        "material": None,
        "shape": 0,
        "category": 100,
    }
    assert got["detection"]["0.1"]["f1"] == 100
    assert got["intervals"]["geod"] == pytest.approx([90, 90])


def test_errors_say_what_to_do(tmp_path) -> None:
    scenes = [{"image_filename": "a.png", "objects": [CUBE]}]
    got = run(
        tmp_path,
        scenes,
        {"answers": {"b.png": {"outputs": ""}}},
        "--rotation-rep",
        "yaw",
    )
    assert got.exit_code == 1
    assert "'b.png', the labels do not" in got.output
    assert "Traceback" not in got.output
    got = run(tmp_path, scenes, {}, "--rotation-rep", "degrees")
    assert got.exit_code == 2
    assert not (tmp_path / "out.json").exists()
