"""Prediction records are parsed, paired with their scenes and scored."""

import pytest

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.metrics.evaluate import (
    evaluate_predictions,
    main_error,
    predicted_scenes,
)
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
