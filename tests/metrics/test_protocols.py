"""Protocols against a script that is written as loops, traps included."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from igllm_pipelines.metrics.answers import Answer
from igllm_pipelines.metrics.labels import label_table
from igllm_pipelines.metrics.protocols import (
    ROTATION_REPS,
    Protocol,
    reference_scores,
    strict_scores,
)

COLORS, SHAPES = ("red", "blue"), ("chair_1", "chair_2", "sofa_1")
REPS = [rep for rep in ROTATION_REPS if rep != "yaw"]
SIZES = {"6d": 6, "quat": 4}


def numbers_of(rotation: Rotation, rep: str) -> list[float]:
    if rep == "6d":
        return rotation.as_matrix()[:2].reshape(-1).tolist()
    if rep == "quat":
        return rotation.as_quat(scalar_first=True).tolist()
    if rep == "aa":
        return rotation.as_rotvec().tolist()
    return rotation.as_euler({"euler": "xyz", "euler_int": "XYZ"}[rep]).tolist()


def rotation_of(numbers: list[float], rep: str) -> Rotation:
    if rep == "6d":
        a, b = np.array(numbers).reshape(2, 3)
        return Rotation.from_matrix(np.stack([a, b, np.cross(a, b)]))
    if rep == "quat":
        return Rotation.from_quat(numbers, scalar_first=True)
    if rep == "aa":
        return Rotation.from_rotvec(numbers)
    return Rotation.from_euler({"euler": "xyz", "euler_int": "XYZ"}[rep], numbers)


def draw(rng, rep, scenes=40):
    """Labels, answers and the objects of the answers as the script reads them."""
    labels, answers, said = [], [], []
    for index in range(scenes):
        true, read = [], []
        for _ in range(rng.integers(1, 5)):
            angles = Rotation.random(random_state=rng).as_euler("xyz").tolist()
            true.append(
                {
                    "3d_coords": rng.uniform(-2, 2, 3).tolist(),
                    "rotation": angles,
                    "color": str(rng.choice(COLORS)),
                    "shape": str(rng.choice(SHAPES)),
                }
            )
        lines = []
        for obj in [*true, true[0]][rng.integers(0, 2) : rng.integers(1, 6)]:
            loc = np.round(np.array(obj["3d_coords"]) + rng.normal(0, 0.3, 3), 3)
            turn = Rotation.from_euler("xyz", obj["rotation"])
            noise = Rotation.from_rotvec(rng.normal(0, 0.2, 3))
            numbers = np.round(numbers_of(turn * noise, rep), 3)
            color, shape = str(rng.choice(COLORS)), str(rng.choice(SHAPES))
            lost = rng.uniform(size=3) < 0.1
            texts = [f"color='{color}', shape='{shape}'"]
            place, turned = loc.tolist(), numbers.tolist()
            if lost[0]:
                place = [0.0] * 3
            else:
                written = [f"{v:+.3f}" for v in place]
                if lost[1]:
                    written[1], place[1] = "a.b", 0.0
                texts.append(f"loc=({', '.join(written)})")
            if lost[2]:
                turned = [0.0] * len(turned)
            else:
                texts.append(f"rotation=({', '.join(f'{v:+.3f}' for v in turned)})")
            lines.append(f"add({', '.join(texts)})\n")
            read.append((place, turned, color, shape))
        labels.append({"image_filename": f"{index}.png", "objects": true})
        answers.append(Answer(f"```python\n{''.join(lines)}```"))
        said.append(read)
    return labels, answers, said


def script(labels, said, rep):
    l2, geod, count, color, shape, category, skipped = [], [], [], [], [], [], 0
    for label, objects in zip(labels, said, strict=True):
        true = label["objects"]
        if not objects:
            skipped += 1
            continue
        costs = [[math.dist(o[0], t["3d_coords"]) for t in true] for o in objects]
        rows, columns = linear_sum_assignment(costs)
        pairs = [(objects[i], true[j]) for i, j in zip(rows, columns, strict=True)]
        try:
            angles = [
                (
                    rotation_of(o[1], rep).inv()
                    * Rotation.from_euler("xyz", t["rotation"])
                ).magnitude()
                for o, t in pairs
            ]
        except ValueError:
            skipped += 1
            continue
        distance = np.mean([math.dist(o[0], t["3d_coords"]) for o, t in pairs])
        if distance != 0:
            l2.append(distance)
        geod.append(np.degrees(np.mean(angles)))
        count.append(abs(len(objects) - len(true)))
        color += [o[2] == t["color"] for o, t in pairs]
        shape += [o[3] == t["shape"] for o, t in pairs]
        category += [o[3].split("_")[0] == t["shape"].split("_")[0] for o, t in pairs]
    return {
        "l2": np.mean(l2),
        "geod": np.mean(geod),
        "count": np.mean(count),
        "color": 100 * np.mean(color),
        "shape": 100 * np.mean(shape),
        "category": 100 * np.mean(category),
        "size": None,
        "material": None,
        "skipped": skipped,
        "unanswered": 0,
    }


@pytest.mark.parametrize("rep", REPS)
def test_reference_equals_the_script(rep: str) -> None:
    labels, answers, said = draw(np.random.default_rng(REPS.index(rep)), rep)
    expected = script(labels, said, rep)
    assert expected["skipped"] > 0
    got = reference_scores(label_table(labels), answers, Protocol(rep))
    for name, value in expected.items():
        exact = value is None or isinstance(value, int)
        wanted = value if exact else pytest.approx(value, rel=1e-11)
        assert got[name] == wanted, name


def one(location=(1, 0, 0), **more):
    return {"3d_coords": [*location], **more}


def scenes(*objects):
    return label_table(
        [{"image_filename": f"{i}.png", "objects": [o]} for i, o in enumerate(objects)]
    )


def test_reference_drops_a_perfect_scene_and_strict_does_not() -> None:
    labels = scenes(one(), one())
    answers = [Answer("add(loc=(1, 0, 0))"), Answer("add(loc=(1, 0, 1))")]
    assert reference_scores(labels, answers, Protocol("yaw"))["l2"] == 1
    assert strict_scores(labels, answers, Protocol("yaw"))["l2"] == 0.5


def test_reference_skips_what_has_no_answer() -> None:
    labels = scenes(one(), one(), one())
    answers = [None, Answer("I see nothing"), Answer("add(loc=(1, 0, 1))")]
    got = reference_scores(labels, answers, Protocol("yaw"))
    assert (got["skipped"], got["unanswered"], got["l2"]) == (2, 1, 1)
    assert got["count"] == 0
    assert got["geod"] is None


def test_yaw_has_an_angle_in_strict_alone() -> None:
    sphere = one(shape="sphere", rotation=7.0)
    labels = scenes(one(shape="cube", rotation=100.0), sphere, sphere)
    protocol = Protocol(
        "yaw",
        {"shape": ("cube", "sphere")},
        {"shape": {"cube": ("block",), "sphere": ("ball",)}},
        {"cube": 4, "sphere": 0},
    )
    yaw = math.radians(103 % 90 - 45)
    answers = [
        Answer(f"add(shape='block', loc=(1, 0, 0), rotation={yaw:.6f})"),
        Answer("add(shape='ball', loc=(1, 0, 0))"),
        Answer("add(shape='ball', loc=(1, 0, 0), rotation=0.5)"),
    ]
    got = strict_scores(labels, answers, protocol)
    assert got["geod"] == pytest.approx(3, abs=1e-3)
    assert got["shape"] == 100
    assert reference_scores(labels, answers, protocol)["geod"] is None


def test_strict_counts_what_is_unreadable_missed_and_invented() -> None:
    labels = scenes(one(color="red"), one(color="red"), one(color="red"), one())
    two = "add(color='red', loc=(1, 0, 0))\nadd(loc=(9, 0, 0))"
    answers = [Answer(two), Answer("add(loc=(1, ?, 0))"), None, Answer("")]
    got = strict_scores(labels, answers, Protocol("yaw", resamples=50))
    assert (got["unparsed"], got["unanswered"], got["scenes"]) == (1, 1, 4)
    assert got["parse_rate"] == pytest.approx(200 / 3)
    assert got["detection"]["0.1"] == {
        "precision": 50,
        "recall": 25,
        "f1": pytest.approx(100 / 3),
        "average_precision": 12.5,
    }
    assert got["count"] == 1
    low, high = got["intervals"]["recall@0.1"]
    assert low <= 25 <= high


def test_strict_leaves_unknown_rotations_out() -> None:
    labels = scenes(one(rotation=[0, 0, 0.0]), one(rotation=[0, 0, 0.0]))
    zeros = Answer("add(loc=(1, 0, 0), rotation=(0, 0, 0, 0, 0, 0))")
    half = Answer("add(loc=(1, 0, 0), rotation=(-1, 0, 0, 0, -1, 0))")
    answers = [zeros, half]
    assert strict_scores(labels, answers, Protocol("6d"))["geod"] == pytest.approx(180)
    got = reference_scores(labels, answers, Protocol("6d"))
    assert (got["geod"], got["skipped"]) == (pytest.approx(180), 1)


def test_dots_have_a_squared_error() -> None:
    labels = scenes(one((0.5, 0.5, 0)), one((0.5, 0.5, 0)))
    answers = [Answer("add(x=0.5, y=0.7)"), Answer("add(x=0.5, y=0.5)")]
    got = strict_scores(labels, answers, Protocol("yaw"))
    assert got["mse"] == pytest.approx(0.01)
    assert got["color"] is None
