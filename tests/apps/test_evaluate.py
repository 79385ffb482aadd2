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


def test_symmetric_shapes_by_the_nearest_turn(tmp_path) -> None:
    table = {"3d_coords": [0, 0, 1], "shape": "table_1", "rotation": [0.0, 0.0, 1.5]}
    chair = {**table, "3d_coords": [5, 0, 1], "shape": "chair_1"}
    scenes = [{"image_filename": "a.png", "objects": [table, chair]}]
    line = "add(shape='{}', loc=({}, 0, 1), rotation=(0, 0, {:.6f}))\n"
    program = line.format("table_1", 0, 1.6 - math.pi) + line.format("chair_1", 5, 1.6)
    predictions = [{"image": "a.png", "program": program}]
    file = tmp_path / "symmetries.json"
    file.write_text(json.dumps({"table_1": 2}))
    options = ["--rotation-rep", "euler", "--symmetries", str(file)]
    got = run(tmp_path, scenes, predictions, *options)
    off = math.degrees(0.1)
    assert got["geod"] == pytest.approx((180 - off + off) / 2, abs=1e-3)
    assert got["geod_symmetric"] == pytest.approx(off, abs=1e-3)
    assert got["intervals"]["geod_symmetric"] == pytest.approx([off, off], abs=1e-3)
    refused = run(tmp_path, scenes, predictions, *options, "--protocol", "reference")
    assert refused.exit_code == 2
    for content in ('{"table_1": -1}', '["table_1"]', "{"):
        file.write_text(content)
        refused = run(tmp_path, scenes, predictions, *options)
        assert refused.exit_code == 1
        assert "symmetries.json" in refused.output


def test_average_precision_has_an_interval(tmp_path) -> None:
    scenes, predictions = [], []
    for i in range(20):
        obj = {"3d_coords": [0, 0, 0], "pixel_coords": [1, 1, 1]}
        scenes.append({"image_filename": f"{i}.png", "objects": [obj]})
        program = f"add(loc=({0.05 * i:.3f}, 0, 0))"
        answer = {"image": f"{i}.png", "program": program, "log_probability": -1.0 * i}
        predictions.append(answer)
    got = run(tmp_path, scenes, predictions, "--rotation-rep", "quat")
    low, high = got["intervals"]["average_precision@0.25"]
    assert low < got["detection"]["0.25"]["average_precision"] < high


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
