"""Sample rows of the report: an image, its programs, their reconstructions."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from igllm_pipelines.metrics.evaluate import predicted_scenes
from igllm_pipelines.metrics.matching import match_objects, match_scenes
from igllm_pipelines.metrics.objects import geodesic, l2
from igllm_pipelines.report.reconstruction import Finish, Rebuilt, rebuild
from igllm_pipelines.scene import ProgramSyntax, Scene, write_program
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

Predictions = Mapping[str, Sequence[Mapping[str, Any]]]
Span = tuple[str, bool]
_ARGUMENT = re.compile(r"(\w+)=('[^']*'|\"[^\"]*\")")


@dataclass(frozen=True)
class Reading:
    """How an encoding's programs are read.

    Attributes:
        syntax: of the programs.
        finish: fills in what a predicted object does not say, see the domains'
            configurations; None where pictures cannot be rendered.
        symmetries: of shapes, see `igllm_pipelines.metrics.objects.geodesic`.
    """

    syntax: ProgramSyntax
    finish: Finish | None
    symmetries: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What one encoding says of an image.

    Attributes:
        encoding: ``char``, ``float``, or ``truth``.
        lines: of the program, each as spans of text and whether it is a wrong word.
        remark: how near it is, in a few words.
        rebuilt: what can be rendered of it.
    """

    encoding: str
    lines: tuple[tuple[Span, ...], ...]
    remark: str
    rebuilt: Rebuilt


@dataclass(frozen=True)
class Sample:
    """One image of a test split, its true program and the answers."""

    split: str
    image: str
    truth: Answer
    answers: tuple[Answer, ...]


def make_samples(
    split: str,
    scenes: Sequence[Scene],
    predictions: Mapping[str, Predictions],
    readings: Mapping[str, Reading],
    count: int,
) -> list[Sample]:
    """The first `count` images of a split that every encoding has an answer for.

    Args:
        split: its name.
        scenes: of the split, in the order of its labels.
        predictions: ``{encoding: {split: records}}``.
        readings: of each encoding.
        count: how many samples at most.
    """
    records = {
        encoding: {record["image"]: record for record in splits.get(split, ())}
        for encoding, splits in predictions.items()
    }
    known = [s for s in scenes if all(s.image_filename in r for r in records.values())]
    return [_sample(split, scene, records, readings) for scene in known[:count]]


def _sample(
    split: str,
    scene: Scene,
    records: Mapping[str, Mapping[str, Mapping[str, Any]]],
    readings: Mapping[str, Reading],
) -> Sample:
    name = scene.image_filename
    first = next(iter(readings.values()))
    truth = Answer(
        encoding="truth",
        lines=_plain_lines(write_program(scene, first.syntax)),
        remark=_number_of(len(scene.objects), _of_dots(scene, first)),
        rebuilt=Rebuilt(None),
    )
    answers = tuple(
        _answer(encoding, scene, by_image[name]["program"], readings[encoding])
        for encoding, by_image in records.items()
    )
    return Sample(split, name, truth, answers)


def _answer(encoding: str, scene: Scene, program: str, reading: Reading) -> Answer:
    syntax = reading.syntax
    (pred,) = predicted_scenes([{"program": program}], syntax)
    return Answer(
        encoding=encoding,
        lines=mark_wrong_words(program, pred, scene, syntax),
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


def _plain_lines(program: str) -> tuple[tuple[Span, ...], ...]:
    return tuple(((line, False),) for line in program.splitlines())


def mark_wrong_words(
    program: str, pred: Scene | None, target: Scene, syntax: ProgramSyntax
) -> tuple[tuple[Span, ...], ...]:
    """The program's lines, cut so that wrong words stand alone.

    A word is wrong where the true object that the line's object is matched with has
    another one. Objects without a partner, and programs that do not have an object a
    line, are left unmarked.

    >>> syntax = ProgramSyntax(("shape", "loc"), {"shape": ("cube", "sphere")})
    >>> from igllm_pipelines.scene import SceneObject
    >>> ball = SceneObject(location=(0, 0, 0), shape="sphere")
    >>> pred = Scene((SceneObject(location=(0, 0, 0), shape="cube"),))
    >>> mark_wrong_words("add(shape='cube')", pred, Scene((ball,)), syntax)
    ((('add(shape=', False), ("'cube'", True), (')', False)),)
    """
    lines = program.splitlines()
    if pred is None or len(lines) != len(pred.objects):
        return _plain_lines(program)
    rows, columns, _ = match_objects(pred, target)
    partner = {int(i): target.objects[j] for i, j in zip(rows, columns, strict=True)}
    marked = []
    for index, line in enumerate(lines):
        true = partner.get(index)
        words = {n: getattr(true, n) for n in WORD_ATTRIBUTES} if true else {}
        marked.append(_mark(line, words, syntax))
    return tuple(marked)


def _mark(
    line: str, words: Mapping[str, str | None], syntax: ProgramSyntax
) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = 0
    for match in _ARGUMENT.finditer(line):
        true = words.get(match[1])
        if true and syntax.canonical(match[1], match[2][1:-1]) != true:
            spans += [(line[start : match.start(2)], False), (match[2], True)]
            start = match.end(2)
    return (*spans, (line[start:], False))
