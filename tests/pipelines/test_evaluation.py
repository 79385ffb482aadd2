"""Evaluation from records to values, intervals and the comparison of encodings."""

from dataclasses import replace

import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from igllm_pipelines.domains import DOMAINS, encoding_syntax, program_syntax
from igllm_pipelines.domains.sources import scene_config
from igllm_pipelines.pipelines import evaluation
from igllm_pipelines.pipelines.evaluation.nodes import training_curves
from igllm_pipelines.scene import write_program

REPS = {"char": "char", "float": "float_quat"}
HISTORIES = {"history_char": [], "history_float": []}


class Raw:
    """Scenes of one split, without pictures."""

    def __init__(self, scenes) -> None:
        self._scenes = scenes

    def scenes(self, split: str):
        assert split == "val_ID"
        return self._scenes


def moved(scene, noise: float, rng):
    """The scene with every location a little elsewhere."""
    places = [np.add(obj.location, rng.normal(0, noise, 3)) for obj in scene.objects]
    objects = [
        replace(obj, location=(*place[:2].tolist(), obj.location[2]))
        for obj, place in zip(scene.objects, places, strict=True)
    ]
    return replace(scene, objects=tuple(objects))


def predictions_of(scenes, syntax, noise: float):
    rng = np.random.default_rng(0)
    return {
        "val_ID": [
            {
                "image": scene.image_filename,
                "program": write_program(moved(scene, noise, rng), syntax),
                "log_probability": float(rng.normal()),
            }
            for scene in scenes
        ]
    }


def run_pipeline(pipeline, **data):
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in data.items()})
    outputs = SequentialRunner().run(pipeline, catalog)
    return {name: dataset.load() for name, dataset in outputs.items()}


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def case(request):
    """Inputs of a domain, its predictions and what they say for 12 images."""
    domain = request.param
    config = scene_config(domain, {})
    scenes = [config.draw(7, "val_ID", index, 0) for index in range(12)]
    syntax = program_syntax(domain, scenes)
    shared = {
        "raw": Raw(scenes),
        "syntax": syntax,
        "params:domain": domain,
        "params:scenes": {},
    }
    predictions = {
        name: predictions_of(scenes, encoding_syntax(syntax, encoding), noise)
        for (name, encoding), noise in zip(REPS.items(), (0.1, 0.02), strict=True)
    }
    scored = {
        name: run_pipeline(
            evaluation.create_pipeline(),
            predictions=predictions[name],
            **{"params:encoding": REPS[name]},
            **shared,
        )
        for name in REPS
    }
    return shared, predictions, scored


def test_values_and_their_intervals(case) -> None:
    shared, _, scored = case
    has_surfaces = shared["params:domain"] != "2d"
    for result in scored.values():
        values, intervals = (result[n]["val_ID"] for n in ("metrics", "intervals"))
        assert values["parse_rate"] == 100
        assert ("chamfer" in values) == has_surfaces
        for name in values.keys() - {"images"}:
            part = intervals[name]
            assert list(part) == ["value", "low", "high", "samples"]
            assert part["low"] <= part["value"] == values[name] <= part["high"]
            assert 0 < part["samples"] <= values["images"] == 12
    if "l2" in scored["char"]["metrics"]["val_ID"] and has_surfaces:
        chamfer = [s["metrics"]["val_ID"]["chamfer"] for s in scored.values()]
        place = "loc" in shared["syntax"].attributes
        assert chamfer[0] > chamfer[1] or not place
        assert chamfer[1] < 0.1


def test_char_minus_float(case) -> None:
    shared, predictions, scored = case
    less = {"val_ID": predictions["float"]["val_ID"][::-1]}
    got = run_pipeline(
        evaluation.create_comparison_pipeline(),
        predictions_char=predictions["char"],
        predictions_float=less,
        **{"params:encodings": REPS},
        **HISTORIES,
        **shared,
    )["comparison"]
    char, float_ = (scored[name]["intervals"]["val_ID"] for name in REPS)
    assert set(got["val_ID"]) == set(char)
    for name, part in got["val_ID"].items():
        difference = char[name]["value"] - float_[name]["value"]
        assert part["difference"] == pytest.approx(difference, abs=1e-9)
        assert part["low"] <= part["high"]
        assert part["samples"] <= 12


def test_only_images_that_both_predicted_are_compared(case) -> None:
    shared, predictions, scored = case
    inputs = {"params:encodings": REPS, **HISTORIES, **shared}
    got = run_pipeline(
        evaluation.create_comparison_pipeline(),
        predictions_char={"val_ID": predictions["char"]["val_ID"][:7]},
        predictions_float={"val_ID": predictions["float"]["val_ID"][2:], "random": []},
        **inputs,
    )["comparison"]
    assert set(got) == {"val_ID"}
    assert got["val_ID"]["parse_rate"]["samples"] == 5


def test_curves_have_a_row_for_each_step_that_either_logged() -> None:
    assert training_curves(
        char=[{"step": 2, "loss": 3.0}, {"step": 2, "val_ID_error": 0.5}],
        float=[{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}],
    ) == [
        {"step": 1, "char": None, "float": 2.0},
        {"step": 2, "char": 3.0, "float": 1.0},
    ]
