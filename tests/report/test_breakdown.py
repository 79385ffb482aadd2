"""Errors by group, place and stated uncertainty, against sums by hand."""

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.report.breakdown import (
    QUARTERS,
    PairErrors,
    by_count,
    by_size,
    image_places,
    pair_errors,
    stated_errors,
)
from igllm_pipelines.report.error_figures import calibration, error_maps, grouped_errors
from igllm_pipelines.report.reading import Reading
from igllm_pipelines.scene import Scene, SceneObject, write_program

CLEVR = DOMAINS["clevr"].syntax
READING = Reading(CLEVR, None)
WORDS = {"color": "red", "material": "metal", "shape": "sphere"}


def scene(name: str, *places: float, size: str = "large", **others: Any) -> Scene:
    """Objects in a row, at these metres."""
    objects = tuple(
        SceneObject(location=(x, 0.0, 0.0), size=size, **WORDS, **others)
        for x in places
    )
    return Scene(objects, image_filename=name)


def shifted(true: Scene, *metres: float, **more: Any) -> dict[str, Any]:
    """A record in which each object is off by so many metres."""
    objects = tuple(
        replace(obj, location=tuple(np.add(obj.location, (0.0, off, 0.0))))
        for obj, off in zip(true.objects, metres, strict=True)
    )
    program = write_program(replace(true, objects=objects), CLEVR)
    return {"image": true.image_filename, "program": program, **more}


def two() -> tuple[list[Scene], PairErrors]:
    scenes = [scene("a", 0.0), scene("b", 0.0, 2.0, size="small")]
    records = [shifted(scenes[0], 0.1), shifted(scenes[1], 0.2, 0.4)]
    return scenes, pair_errors(records, scenes, READING)


def test_pair_errors_are_distances_and_scene_means_average_them() -> None:
    scenes, pairs = two()
    assert pairs.errors == pytest.approx([0.1, 0.2, 0.4])
    assert pairs.scene_means() == pytest.approx([0.1, 0.3])
    assert [obj.location[1] for obj in pairs.said] == pytest.approx([0.1, 0.2, 0.4])
    broken = [{"image": "a", "program": "add("}]
    assert pair_errors(broken, scenes, READING).scene_means().tolist() == [np.inf]


def test_dots_are_never_further_off_than_the_image() -> None:
    syntax = DOMAINS["2d"].syntax
    dot = Scene((SceneObject(location=(0.5, 0.5, 0.0)),), image_filename="a")
    records = [{"image": "a", "program": "add(x=7088, y=0.5)"}]
    pairs = pair_errors(records, [dot], Reading(syntax, None))
    assert pairs.errors == pytest.approx([2**0.5])


def test_orientations_are_the_error_where_programs_say_no_place() -> None:
    syntax = DOMAINS["so3"].syntax
    plane = Scene((SceneObject(rotation=(1.0, 0.0, 0.0, 0.0)),), image_filename="a")
    turned = replace(plane, objects=(SceneObject(rotation=(0.0, 1.0, 0.0, 0.0)),))
    records = [{"image": "a", "program": write_program(turned, syntax)}]
    pairs = pair_errors(records, [plane], Reading(syntax, None))
    assert pairs.errors == pytest.approx([180.0])


def test_groups_by_count_and_by_words_of_size() -> None:
    _, pairs = two()
    counted = {g.label: (g.objects, round(g.mean, 6)) for g in by_count(pairs)}
    assert counted == {"1": (1, 0.1), "2": (2, 0.3)}
    sized = {g.label: (g.objects, round(g.mean, 6)) for g in by_size(pairs)}
    assert sized == {"large": (1, 0.1), "small": (2, 0.3)}
    one = [scene("a", 0.0)]
    assert by_count(pair_errors([shifted(one[0], 0.1)], one, READING)) == []


def test_quarters_of_visible_pixels_hold_equally_many() -> None:
    scenes = [
        replace(scene(str(i), 0.0, visible_pixels=10 * i), image_filename=str(i))
        for i in range(1, 9)
    ]
    records = [shifted(s, i / 10) for i, s in enumerate(scenes)]
    groups = by_size(pair_errors(records, scenes, READING))
    assert [group.label for group in groups] == list(QUARTERS)
    assert [group.objects for group in groups] == [2, 2, 2, 2]
    assert [group.mean for group in groups] == pytest.approx([0.05, 0.25, 0.45, 0.65])
    for group in groups:
        assert group.low <= group.mean <= group.high


def test_places_are_shares_of_the_image() -> None:
    seen = scene("a", 0.0, pixel_coords=(32.0, 16.0, 5.0))
    pairs = pair_errors([shifted(seen, 0.1)], [seen], READING)
    assert image_places(pairs, (64, 128, 3)).tolist() == [[0.25, 0.25]]
    _, nowhere = two()
    assert np.isnan(image_places(nowhere, (64, 128, 3))).all()


def test_stated_uncertainty_stands_beside_the_error_of_its_coordinate() -> None:
    scenes = [scene("a", 1.0, 3.0)]
    record = shifted(scenes[0], 0.1, 0.2, number_stds=[0.01, 0.02, 0.03, 1.0, 2.0, 3.0])
    pairs = pair_errors([record], scenes, READING)
    expected = [[0.01, 0], [0.02, 0.1], [0.03, 0], [1, 0], [2, 0.2], [3, 0]]
    np.testing.assert_allclose(stated_errors([record], pairs), expected, atol=1e-9)
    # not as many as there are numbers: nothing is known of which is which
    fewer = {**record, "number_stds": [0.1]}
    assert stated_errors([fewer], pairs).shape == (0, 2)
    assert stated_errors([{**record, "number_stds": []}], pairs).shape == (0, 2)


def test_rotations_are_no_coordinates() -> None:
    cube = SceneObject(
        location=(1.0, 2.0, 3.0),
        rotation=(1.0, 0.0, 0.0, 0.0),
        size="large",
        color="red",
        material="metal",
        shape="cube",
    )
    true = Scene((cube,), image_filename="a")
    record = shifted(true, 0.5, number_stds=[1.0, 2.0, 3.0, 4.0])
    pairs = pair_errors([record], [true], READING)
    assert stated_errors([record], pairs)[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_figures_of_nothing_are_left_out() -> None:
    empty = np.empty((0, 2))
    assert calibration({"val_ID": {"float": empty}}, "[m]") is None
    assert grouped_errors({"val_ID": {"float": []}}, "m", "n") is None
    assert error_maps({"val_ID": {"float": (empty, np.empty(0))}}, "m") is None


def test_figures_of_perfect_answers_are_drawn() -> None:
    places, errors = np.array([[0.5, 0.5], [1.0, 1.0]]), np.zeros(2)
    stated = np.array([[0.1, 0.0], [0.0, 0.0]])
    for png in (
        error_maps({"val_ID": {"float": (places, errors)}}, "m"),
        calibration({"val_ID": {"float": stated}}, "[m]"),
        grouped_errors({"val_ID": {"float": by_count(two()[1])}}, "m", "n"),
    ):
        with Image.open(BytesIO(png or b"")) as image:
            assert image.width > 100
