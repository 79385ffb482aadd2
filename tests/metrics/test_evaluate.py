"""Prediction records are parsed, paired with their scenes and scored."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import RADIUS_M, ClevrConfig
from igllm_pipelines.metrics.evaluate import (
    Scoring,
    evaluate_predictions,
    main_error,
    metric_differences,
    metric_intervals,
    metric_values,
    number_std,
    predicted_scenes,
    score_detection,
    score_records,
)
from igllm_pipelines.metrics.programs import parse_programs
from igllm_pipelines.metrics.surfaces import solid_surfaces
from igllm_pipelines.metrics.table import as_table
from igllm_pipelines.scene import Scene, SceneObject, write_program

CLEVR, DOTS = DOMAINS["clevr"].syntax, DOMAINS["2d"].syntax


def clevr_scene(name: str, color: str = "red") -> Scene:
    cube = SceneObject(
        location=(1.0, -1.0, 0.5),
        rotation=(1, 0, 0, 0),
        size="large",
        color=color,
        material="metal",
        shape="cube",
    )
    return Scene((cube,), image_filename=name)


def record(scene: Scene, syntax: object = CLEVR) -> dict[str, str]:
    program = write_program(scene, syntax)
    return {"image": scene.image_filename, "program": program}


def test_records_are_paired_by_image_name() -> None:
    scenes = [clevr_scene("a.png"), clevr_scene("b.png", "blue")]
    got = evaluate_predictions([record(s) for s in scenes[::-1]], scenes, CLEVR)
    assert got == {
        "l2": 0,
        "count": 0,
        "size": 100,
        "color": 100,
        "material": 100,
        "shape": 100,
        "parse_rate": 100,
        "images": 2,
    }


def test_synonyms_count_as_the_word() -> None:
    scene = clevr_scene("a.png")
    words = {"'large'": "'big'", "'metal'": "'shiny'", "'cube'": "'block'"}
    answer = record(scene)
    for word, synonym in words.items():
        answer["program"] = answer["program"].replace(word, synonym)
    got = evaluate_predictions([answer], [scene], CLEVR)
    assert got["size"] == got["material"] == got["shape"] == 100


def test_unparsable_program_lowers_the_parse_rate_only() -> None:
    scenes = [clevr_scene("a.png"), clevr_scene("b.png")]
    records = [record(scenes[0]), {"image": "b.png", "program": "add(loc=(1, 2"}]
    got = evaluate_predictions(records, scenes, CLEVR)
    assert got["parse_rate"] == 50
    assert got["l2"] == 0
    assert got["color"] == 100
    assert got["count"] == 0


def test_metrics_of_nothing_are_left_out() -> None:
    records = [{"image": "a.png", "program": "?"}]
    got = evaluate_predictions(records, [clevr_scene("a.png")], CLEVR)
    assert got == {"parse_rate": 0, "images": 1}


def test_dots_are_scored_as_dots() -> None:
    scene = Scene((SceneObject(location=(0.25, 0.5, 0)),), image_filename="a.png")
    records = [{"image": "a.png", "program": "add(x=0.250, y=0.600)"}]
    got = evaluate_predictions(records, [scene], DOTS, lambda xy: xy[:, 0] > 1)
    assert got["mse"] == pytest.approx(0.005)
    assert got["snap"] == 0
    assert got["images"] == 1


def test_unknown_image_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"labels do not have, first 'b\.png'"):
        evaluate_predictions([record(clevr_scene("b.png"))], [], CLEVR)


def test_image_predicted_twice_is_an_error() -> None:
    scene = clevr_scene("a.png")
    with pytest.raises(ValueError, match=r"'a\.png' is predicted twice"):
        evaluate_predictions([record(scene)] * 2, [scene], CLEVR)


def test_predicted_scenes_keep_the_order() -> None:
    programs = ["add()", "add(", ""]
    scenes = predicted_scenes([{"program": p} for p in programs], CLEVR)
    assert [None if s is None else len(s.objects) for s in scenes] == [1, None, 0]


def test_orientation_alone_is_scored_as_geodesic_error() -> None:
    syntax = DOMAINS["so3"].syntax
    plane = SceneObject(location=(0, 0, 0), rotation=(1, 0, 0, 0))
    scene = Scene((plane,), image_filename="a.png")
    answer = {"image": "a.png", "program": "add(rotation=(0, 1, 0, -1, 0, 0))"}
    got = evaluate_predictions([answer], [scene], syntax)
    assert got == {
        "geodesic": pytest.approx(90),
        "count": 0,
        "parse_rate": 100,
        "images": 1,
    }
    assert main_error(syntax) == "geodesic"


def broken(program: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(0, len(program) + 1))
    extra = ("", "x", "add(", "0.1", "', '", ")\n", "loc=(1, 2)", "'huge'", "-", "=")
    return program[:place] + str(rng.choice(extra)) + program[place + 1 :]


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_the_vectorised_reader_reads_as_the_parser(domain: str) -> None:
    words = {"color": ("red", "blue"), "shape": ("chair_1", "sofa_2"), "size": ("big",)}
    syntax = DOMAINS[domain].syntax
    syntax = replace(syntax, words={"material": ("metal",), **words, **syntax.words})
    rng = np.random.default_rng(0)
    programs = []
    for scene in drawn_scenes(syntax, rng, 100):
        program = write_program(scene, syntax)
        programs += [program, broken(program, rng), broken(broken(program, rng), rng)]
    expected = as_table(predicted_scenes([{"program": p} for p in programs], syntax))
    assert 100 <= expected.parsed.sum() < 300
    got = parse_programs(programs, syntax)
    for name in ("starts", "parsed", "location", "rotation"):
        np.testing.assert_allclose(getattr(got, name), getattr(expected, name))
    for name, column in expected.words.items():
        assert got.words[name].tolist() == column.tolist()


def drawn_scenes(syntax, rng: np.random.Generator, count: int) -> list[Scene]:
    """Scenes of one or two objects with everything that a program can say."""
    scenes = []
    for index in range(count):
        objects = []
        for _ in range(1 if "x" in syntax.attributes else rng.integers(1, 3)):
            x, y, z = rng.uniform(0, 1, 3).tolist()
            said = {n: str(rng.choice(words)) for n, words in syntax.words.items()}
            place = (x, y, 0.0 if "x" in syntax.attributes else z)
            quat = tuple(rng.normal(size=4).tolist())
            objects.append(
                SceneObject(
                    location=place, rotation=quat, pixel_coords=(x, y, 1), **said
                )
            )
        scenes.append(Scene(tuple(objects), image_filename=f"{index}.png"))
    return scenes


def noisy_records(scenes: list[Scene], noise: float, rng) -> list[dict]:
    """Right answers but for the place."""
    records = []
    for scene in scenes:
        objects = []
        for obj in scene.objects:
            x, y, z = (np.array(obj.location) + rng.normal(0, noise, 3)).tolist()
            objects.append(replace(obj, location=(x, y, z)))
        answer = record(replace(scene, objects=tuple(objects)))
        records.append({**answer, "log_probability": float(rng.normal())})
    return records


def test_values_have_intervals_and_samples() -> None:
    rng = np.random.default_rng(0)
    scenes = drawn_scenes(CLEVR, rng, 80)
    records = noisy_records(scenes, 0.2, rng)
    records[7]["program"] = "add("
    scoring = Scoring(CLEVR)
    parts = score_records(records, scenes, scoring)
    found = score_detection(records, scenes, CLEVR)
    got = metric_intervals({**parts, **found}, np.random.default_rng(0))
    again = metric_intervals({**parts, **found}, np.random.default_rng(0))
    assert got == again
    values = metric_values(parts)
    assert values == evaluate_predictions(records, scenes, CLEVR)
    assert {n: v["value"] for n, v in got.items() if n in values} == {
        name: value for name, value in values.items() if name != "images"
    }
    assert (got["l2"]["samples"], got["parse_rate"]["samples"]) == (79, 80)
    for part in got.values():
        assert part["low"] <= part["value"] <= part["high"]
    of_scenes = parts["l2"].numerator[parts["l2"].denominator > 0]
    expected = stats.bootstrap(
        (of_scenes,), np.mean, n_resamples=4000, method="percentile", rng=1
    ).confidence_interval
    width = expected.high - expected.low
    assert got["l2"]["low"] == pytest.approx(expected.low, abs=0.15 * width)
    assert got["l2"]["high"] == pytest.approx(expected.high, abs=0.15 * width)
    assert got["average_precision@0.25"]["low"] < got["average_precision@0.25"]["high"]


def test_two_models_are_compared_on_the_same_scenes() -> None:
    rng = np.random.default_rng(1)
    scenes = drawn_scenes(CLEVR, rng, 100)
    parts = [
        score_records(noisy_records(scenes, noise, rng), scenes, Scoring(CLEVR))
        for noise in (0.3, 0.1)
    ]
    got = metric_differences(*parts, np.random.default_rng(0))
    char, float_ = (part["l2"].numerator for part in parts)
    expected = stats.bootstrap(
        (char - float_,), np.mean, n_resamples=4000, method="percentile", rng=2
    ).confidence_interval
    width = expected.high - expected.low
    assert got["l2"]["difference"] == pytest.approx(np.mean(char - float_))
    assert got["l2"]["low"] == pytest.approx(expected.low, abs=0.15 * width)
    assert got["l2"]["high"] == pytest.approx(expected.high, abs=0.15 * width)
    assert got["l2"]["samples"] == 100
    assert got["count"] == {"difference": 0, "low": 0, "high": 0, "samples": 100}
    assert "number_std" not in got


def test_surfaces_are_those_of_the_finished_scene() -> None:
    scene = clevr_scene("a.png")
    scoring = Scoring(
        CLEVR, surface_of=solid_surfaces(RADIUS_M), finish=ClevrConfig().finish
    )
    whole = record(scene)
    short = {**whole, "program": "add(size='large', loc=(1, -1, 0.5))"}
    far = {**whole, "program": "add(size='large', loc=(9, -1, 0.5))"}
    values = [
        metric_values(score_records([answer], [scene], scoring)).get("chamfer")
        for answer in (whole, short, far, {**whole, "program": ""})
    ]
    assert values[0] == pytest.approx(0, abs=1e-3)
    assert values[1] == 0  # a plain cube too, not turned
    assert 2 * 6 < values[2] < 2 * 8
    assert values[3] is None


def test_stated_deviations_are_those_of_all_numbers() -> None:
    records = [{"number_stds": [1.0, 7.0]}, {"number_stds": []}, {}]
    assert number_std(records) == 5
    assert np.isnan(number_std([{}]))
