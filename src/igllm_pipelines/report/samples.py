"""Sample rows of the report: an image, its programs, their reconstructions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from igllm_pipelines.metrics.evaluate import predicted_scenes
from igllm_pipelines.metrics.matching import match_scenes
from igllm_pipelines.metrics.objects import geodesic, l2
from igllm_pipelines.report.program_diff import Line, diff, plain_lines
from igllm_pipelines.report.reading import Reading
from igllm_pipelines.report.reconstruction import Rebuilt, rebuild
from igllm_pipelines.report.results import Results
from igllm_pipelines.scene import Scene, write_program


@dataclass(frozen=True)
class Answer:
    """What one encoding says of an image.

    Attributes:
        encoding: ``char``, ``float``, or ``truth``.
        lines: of the program, with what differs from the true one.
        remark: how near it is, in a few words.
        rebuilt: what can be rendered of it.
    """

    encoding: str
    lines: tuple[Line, ...]
    remark: str
    rebuilt: Rebuilt


@dataclass(frozen=True)
class Sample:
    """One image of a test split, its true program and the answers.

    `case` says which one it is: ``best``, ``median`` or ``worst``.
    """

    split: str
    image: str
    case: str
    truth: Answer
    answers: tuple[Answer, ...]


def make_samples(
    split: str,
    scenes: Sequence[Scene],
    results: Results,
    errors: Mapping[str, float],
    count: int,
) -> list[Sample]:
    """Best, median and worst cases of the images that all encodings answered.

    Args:
        split: its name.
        scenes: of the split.
        results: with the predictions.
        errors: of each image, infinite where something does not parse.
        count: how many samples at most.
    """
    records = {
        encoding: {record["image"]: record for record in splits.get(split, ())}
        for encoding, splits in results.predictions.items()
    }
    known = [
        scene
        for scene in scenes
        if scene.image_filename in errors
        and all(scene.image_filename in by_image for by_image in records.values())
    ]
    chosen = choose_cases([errors[scene.image_filename] for scene in known], count)
    return [
        _sample(split, case, known[i], records, results.readings)
        for case, indices in chosen.items()
        for i in indices
    ]


def choose_cases(errors: Sequence[float], count: int) -> dict[str, list[int]]:
    """Indices of the least, the middle and the greatest errors, about a third each.

    >>> choose_cases([0.3, 0.1, float("inf"), 0.2, 0.4], 3)
    {'best': [1], 'median': [0], 'worst': [2]}
    """
    order = np.argsort(np.asarray(errors, dtype=np.float64), kind="stable").tolist()
    count = min(count, len(order))
    best, worst, median = (count + 2) // 3, (count + 1) // 3, count // 3
    middle = min(max((len(order) - median) // 2, best), len(order) - worst - median)
    return {
        "best": order[:best],
        "median": order[middle : middle + median],
        "worst": order[len(order) - worst :][::-1],
    }


def _sample(
    split: str,
    case: str,
    scene: Scene,
    records: Mapping[str, Mapping[str, Mapping[str, Any]]],
    readings: Mapping[str, Reading],
) -> Sample:
    name = scene.image_filename
    first = next(iter(readings.values()))
    truth = Answer(
        encoding="truth",
        lines=plain_lines(write_program(scene, first.syntax)),
        remark=_number_of(len(scene.objects), _of_dots(scene, first)),
        rebuilt=Rebuilt(None),
    )
    answers = tuple(
        _answer(encoding, scene, by_image[name]["program"], readings[encoding])
        for encoding, by_image in records.items()
    )
    return Sample(split, name, case, truth, answers)


def _answer(encoding: str, scene: Scene, program: str, reading: Reading) -> Answer:
    syntax = reading.syntax
    (pred,) = predicted_scenes([{"program": program}], syntax)
    return Answer(
        encoding=encoding,
        lines=diff(program, pred, scene, syntax),
        remark=_remark(pred, scene, reading),
        rebuilt=_rebuilt(pred, scene, reading),
    )


def _rebuilt(pred: Scene | None, target: Scene, reading: Reading) -> Rebuilt:
    if reading.finish is None:
        return Rebuilt(None, ("the labels name no camera: it is not drawn again",))
    return rebuild(pred, target, reading.finish, reading.syntax.attributes)


def _of_dots(scene: Scene, reading: Reading) -> bool:
    """Dots have no camera, and can be drawn all the same."""
    return scene.camera is None and reading.finish is not None


def _number_of(count: int, dots: bool) -> str:
    noun = "dot" if dots else "object"
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _remark(pred: Scene | None, target: Scene, reading: Reading) -> str:
    if pred is None:
        return "does not parse"
    dots = _of_dots(target, reading)
    number = _number_of(len(pred.objects), dots)
    matches = match_scenes([pred], [target])
    distance = l2(matches)
    if dots:
        return number if math.isnan(distance) else f"{distance:.4f} image sides off"
    errors = [] if math.isnan(distance) else [f"{distance:.2f} m"]
    if reading.syntax.rotation_rep != "yaw":
        angle = geodesic(matches, [pred], [target], reading.symmetries)
        errors += [] if math.isnan(angle) else [f"{angle:.0f} degrees"]
    average = " on average" if len(matches.scene) > 1 else ""
    return f"{number}, {' and '.join(errors)} off{average}" if errors else number
