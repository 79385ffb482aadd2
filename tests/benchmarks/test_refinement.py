import json
from dataclasses import replace

import numpy as np
import pytest
from refine import SOURCE, SYNTAX, Errors, made_up, predicted, records, table

from igllm_pipelines.scene import write_program
from igllm_pipelines.scene.rotations import quat_from_yaw

SCENES = [SOURCE.draw(0, "val_ID", index, 0) for index in range(60)]


def errors_of(pairs):
    errors = Errors.none()
    for found, true in pairs:
        errors.add(found, true)
    return errors


def test_guesses_are_as_wrong_as_a_model():
    rng = np.random.default_rng(0)
    guesses = [made_up(scene, rng) for scene in SCENES]
    errors = errors_of(zip(guesses, SCENES, strict=True))
    assert 0.35 < np.mean(errors.distance_m) < 0.7
    assert 0.85 < np.mean(errors.right["color"]) < 1
    assert 0 < np.mean(errors.count) < 0.3
    assert {g.camera for g in guesses} == {SOURCE.nominal().camera}
    heights = {(o.size, o.location[2]) for g in guesses for o in g.objects}
    assert heights == {("large", 0.7), ("small", 0.35)}


def test_errors_of_a_scene():
    true = SCENES[0]
    moved = [replace(o, location=np.add(o.location, (0, 0.3, 0))) for o in true.objects]
    errors = errors_of([(replace(true, objects=tuple(moved)), true)])
    assert errors.distance_m == pytest.approx([0.3] * len(true.objects))
    assert errors.count == [0]
    assert all(all(row) for row in errors.right.values())


def test_cubes_look_the_same_every_quarter_turn():
    cube = replace(SCENES[0].objects[0], shape="cube", rotation=quat_from_yaw(0.1))
    turned = replace(cube, rotation=quat_from_yaw(0.1 + np.radians(100)))
    errors = errors_of(
        [
            (replace(SCENES[0], objects=(o,)), replace(SCENES[0], objects=(cube,)))
            for o in (cube, turned)
        ]
    )
    assert errors.yaw_deg == pytest.approx([0, 10])


def test_predictions_are_read_and_compared(tmp_path):
    program = write_program(SCENES[0], SYNTAX)
    rows = [
        {"image": "a.png", "program": program},
        {"image": "b.png", "program": "add("},
    ]
    file = tmp_path / "predictions.json"
    file.write_text(json.dumps({"val_ID": rows}))
    found = predicted(file, "val_ID")
    assert found.keys() == {"a.png"}
    after = errors_of([(found["a.png"], SCENES[0])])
    assert max(after.distance_m) < 2e-3
    rng = np.random.default_rng(0)
    before = errors_of((made_up(scene, rng), scene) for scene in SCENES)
    (record,) = records(before, after)
    assert record.ratio > 100
    assert "L2 is 100 % lower" in table(before, after)
