"""Metrics of matched objects against references that are written differently."""

import itertools
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from igllm_pipelines.metrics.matching import match_objects, match_scenes
from igllm_pipelines.metrics.objects import (
    accuracy,
    category_accuracy,
    count_error,
    geodesic,
    l2,
    object_metrics,
    parse_rate,
)
from igllm_pipelines.scene import ProgramSyntax, Scene, SceneObject
from igllm_pipelines.scene.rotations import quat_from_yaw

WORDS = {
    "size": ("small", "large"),
    "color": ("red", "green", "blue"),
    "material": ("rubber", "metal"),
    "shape": ("cube", "sphere", "cylinder"),
}
ATTRIBUTES = tuple(WORDS)
SYNTAX = ProgramSyntax((*ATTRIBUTES, "loc"), WORDS)
SHAPES = ("chair_0000", "chair_0001", "sofa_0000")
ASSETS = ProgramSyntax(
    ("shape", "loc", "rotation"), {"shape": SHAPES}, rotation_rep="6d"
)


def draw_scene(rng: np.random.Generator, num_objects: int) -> Scene:
    objects = []
    for _ in range(num_objects):
        words = {name: str(rng.choice(known)) for name, known in WORDS.items()}
        location = tuple(rng.uniform(-3, 3, size=3))
        objects.append(SceneObject(location=location, **words))
    return Scene(tuple(objects))


def best_pairs(pred: Scene, target: Scene) -> list[tuple[int, int]]:
    """The best assignment by trying all of them."""
    few, many = sorted((pred, target), key=lambda scene: len(scene.objects))
    choices = itertools.permutations(range(len(many.objects)), len(few.objects))

    def cost(choice: tuple[int, ...]) -> float:
        return sum(
            math.dist(few.objects[i].location, many.objects[j].location)
            for i, j in enumerate(choice)
        )

    pairs = list(enumerate(min(choices, key=cost)))
    return pairs if few is pred else sorted((j, i) for i, j in pairs)


def reference(preds: list[Scene | None], target: list[Scene]) -> dict[str, float]:
    """The metrics written as plain loops."""
    means, hits = [], {name: [] for name in ATTRIBUTES}
    for pred, true in zip(preds, target, strict=True):
        if pred is None:
            continue
        distances = []
        for i, j in best_pairs(pred, true):
            guessed, wanted = pred.objects[i], true.objects[j]
            distances.append(math.dist(guessed.location, wanted.location))
            for name in ATTRIBUTES:
                if not (name == "shape" and wanted.shape == "sphere"):
                    right = getattr(guessed, name) == getattr(wanted, name)
                    hits[name].append(right)
        if distances:
            means.append(sum(distances) / len(distances))
    return {
        "l2": sum(means) / len(means),
        **{name: 100 * sum(rows) / len(rows) for name, rows in hits.items()},
    }


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_the_reference_for_unequal_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = [draw_scene(rng, n) for n in (0, 1, 1, 3, 5, 2, 4)]
    preds = [draw_scene(rng, n) for n in (2, 0, 1, 5, 3, 2, 4)]
    preds[5] = None
    got = object_metrics(preds, target, SYNTAX)
    expected = reference(preds, target)
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, abs=1e-12), name
    assert got["count"] == pytest.approx((2 + 1 + 0 + 2 + 2 + 0) / 6)
    assert got["parse_rate"] == pytest.approx(100 * 6 / 7)


def test_perfect_predictions_in_another_order_score_full() -> None:
    target = [draw_scene(np.random.default_rng(n), n) for n in (1, 3, 6)]
    preds = [Scene(scene.objects[::-1]) for scene in target]
    got = object_metrics(preds, target, SYNTAX)
    assert got["l2"] == 0
    assert got["count"] == 0
    assert all(got[name] == 100 for name in (*ATTRIBUTES, "parse_rate"))


def test_scene_with_zero_distance_counts_in_l2() -> None:
    at = [Scene((SceneObject(location=(x, 0, 0)),)) for x in (0.0, 1.0)]
    assert l2(match_scenes([at[0], at[1]], [at[0], at[0]])) == 0.5


def test_empty_scenes_match_nothing() -> None:
    for pred, target in ((0, 0), (0, 1), (1, 0)):
        objects = SceneObject(location=(0, 0, 0))
        parts = match_objects(Scene((objects,) * pred), Scene((objects,) * target))
        assert all(len(part) == 0 for part in parts)


def test_nothing_to_score_is_nan_and_never_zero() -> None:
    target = [Scene((SceneObject(location=(0, 0, 0), color="red"),))]
    got = object_metrics([None], target, ProgramSyntax(("color", "loc"), WORDS))
    assert got.pop("parse_rate") == 0
    assert all(math.isnan(value) for value in got.values())
    assert math.isnan(parse_rate([]))


def test_object_without_location_is_counted_but_not_matched() -> None:
    true = SceneObject(location=(1, 0, 0), color="red")
    pred = Scene((SceneObject(color="blue"), true))
    matches = match_scenes([pred], [Scene((true,))])
    assert matches.pred.tolist() == [1]
    assert accuracy(matches, [pred], [Scene((true,))], "color") == 100
    assert count_error([pred], [Scene((true,))]) == 1


def test_missing_word_is_wrong_and_unknown_truth_is_not_scored() -> None:
    place = (0, 0, 0)
    preds = [Scene((SceneObject(location=place),))] * 2
    target = [
        Scene((SceneObject(location=place, color="red"),)),
        Scene((SceneObject(location=place),)),
    ]
    assert accuracy(match_scenes(preds, target), preds, target, "color") == 0


def test_spheres_are_left_out_of_shape_only() -> None:
    place = (0, 0, 0)
    target = [
        Scene((SceneObject(location=place, shape="sphere", size="small"),)),
        Scene((SceneObject(location=place, shape="cube", size="small"),)),
    ]
    preds = [Scene((SceneObject(location=place, shape="cube", size="large"),))] * 2
    got = object_metrics(preds, target, SYNTAX)
    assert got["shape"] == 100
    assert got["size"] == 0


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        match_scenes([None, None], [Scene(())])


def posed(quats: np.ndarray, shape: str = "chair_0000") -> Scene:
    """Objects in a row with these rotations ``(objects, 4)``."""
    return Scene(
        tuple(
            SceneObject(location=(i, 0, 0), rotation=tuple(quat), shape=shape)
            for i, quat in enumerate(quats)
        )
    )


def test_geodesic_equals_scipy() -> None:
    counts = (1, 3, 2)
    turns = [Rotation.random(n, random_state=n) for n in counts]
    others = [Rotation.random(n, random_state=10 + n) for n in counts]
    preds, target = (
        [posed(r.as_quat(scalar_first=True)) for r in rotations]
        for rotations in (turns, others)
    )
    expected = [
        np.degrees((a.inv() * b).magnitude()).mean()
        for a, b in zip(turns, others, strict=True)
    ]
    got = geodesic(match_scenes(preds, target), preds, target)
    assert got == pytest.approx(np.mean(expected), abs=1e-9)
    assert object_metrics(preds, target, ASSETS)["geodesic"] == pytest.approx(got)


@pytest.mark.parametrize(("symmetry", "degrees"), [(1, 100), (2, 80), (4, 10), (0, 0)])
def test_geodesic_takes_the_nearest_of_the_rotations_that_look_the_same(
    symmetry: int, degrees: float
) -> None:
    tilt = Rotation.from_euler("xyz", (0.3, -0.8, 2.0))
    turned = tilt * Rotation.from_euler("z", 100, degrees=True)
    preds, target = (
        [posed(r.as_quat(scalar_first=True)[None])] for r in (turned, tilt)
    )
    matches = match_scenes(preds, target)
    got = geodesic(matches, preds, target, {"chair_0000": symmetry})
    assert got == pytest.approx(degrees, abs=1e-5)


def test_geodesic_leaves_out_pairs_without_a_rotation() -> None:
    half = tuple(quat_from_yaw(math.pi / 2))
    target = [posed(np.asarray([half, half]))]
    pred = Scene(
        (
            SceneObject(location=(0, 0, 0)),
            SceneObject(location=(1, 0, 0), rotation=(1, 0, 0, 0)),
        )
    )
    got = geodesic(match_scenes([pred], target), [pred], target)
    assert got == pytest.approx(90)
    bare = [Scene(pred.objects[:1])]
    assert math.isnan(geodesic(match_scenes(bare, target), bare, target))


def test_single_objects_are_paired_without_locations() -> None:
    target = [posed(quat_from_yaw([0.5]))] * 2
    turned = SceneObject(rotation=tuple(quat_from_yaw(0.6)))
    preds = [Scene((turned,)), Scene((turned, turned))]
    syntax = ProgramSyntax(("rotation",), rotation_rep="6d")
    got = object_metrics(preds, target, syntax)
    assert got["geodesic"] == pytest.approx(math.degrees(0.1))
    assert got["count"] == 0.5
    assert math.isnan(got["l2"])


def test_category_is_the_shape_up_to_its_underscore() -> None:
    place = (0, 0, 0)
    said = ("chair_0001", "sofa_0000", "chair_0000", None)
    true = ("chair_0000", "chair_0000", "chair_0777", "sofa_0000")
    preds, target = (
        [Scene((SceneObject(location=place, shape=shape),)) for shape in shapes]
        for shapes in (said, true)
    )
    assert category_accuracy(match_scenes(preds, target), preds, target) == 50
    got = object_metrics(preds, target, ASSETS)
    assert got["category"] == 50
    # chair_0777 was never seen: no program can say it, so it is not scored
    assert got["shape"] == 0
    assert "category" not in object_metrics(preds, target, SYNTAX)


def test_attributes_that_the_labels_lack_are_nan() -> None:
    scene = Scene((SceneObject(location=(0, 0, 0), shape="cube"),))
    got = object_metrics([scene], [scene], SYNTAX)
    assert math.isnan(got["color"])
    assert got["shape"] == 100
