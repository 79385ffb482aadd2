"""What a predicted program says otherwise than the true one, object by object."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from igllm_pipelines.metrics.matching import match_objects
from igllm_pipelines.scene import ProgramSyntax, Scene, SceneObject, write_program
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

FAR_M, FAR_SIDES = 0.25, 0.02
"""Places that are further off than this are marked; in 2D in image sides."""

Span = tuple[str, str]
"""Text and what it is: ``""``, ``wrong`` (said) or ``true`` (what it should be)."""
_ARGUMENT = re.compile(r"(\w+)=('[^']*'|\"[^\"]*\"|\([^)]*\)|[-+.\de]+)")


@dataclass(frozen=True)
class Line:
    """A line of a program.

    Attributes:
        spans: its text.
        kind: ``extra`` of an object that is not there, ``missed`` of a true one that
            was not predicted, else empty.
    """

    spans: tuple[Span, ...]
    kind: str = ""


def plain_lines(program: str) -> tuple[Line, ...]:
    """The program's lines, nothing marked."""
    return tuple(Line(((line, ""),)) for line in program.splitlines())


def diff(
    program: str, pred: Scene | None, target: Scene, syntax: ProgramSyntax
) -> tuple[Line, ...]:
    """The program's lines with what differs from the true objects, then missed ones.

    Objects are matched by location. A word is wrong where the true object has another
    one, synonyms aside, a place where it is further off than `FAR_M`, in 2D
    `FAR_SIDES`; the true value follows. Rotations are not marked. A program that does
    not parse, or does not have an object a line, stays as it is.

    >>> syntax = ProgramSyntax(("shape", "loc"), {"shape": ("cube", "sphere")})
    >>> ball = SceneObject(location=(0, 0, 0), shape="sphere")
    >>> pred = Scene((SceneObject(location=(0, 0, 0), shape="cube"),))
    >>> (line,) = diff("add(shape='cube')", pred, Scene((ball,)), syntax)
    >>> line.spans
    (('add(shape=', ''), ("'cube'", 'wrong'), ("'sphere'", 'true'), (')', ''))
    """
    lines = program.splitlines()
    if pred is None or len(lines) != len(pred.objects):
        return plain_lines(program)
    rows, columns, _ = match_objects(pred, target)
    partner = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    marked = [
        _compared(line, obj, target.objects[partner[index]], syntax)
        if index in partner
        else Line(((line, ""),), "extra")
        for index, (line, obj) in enumerate(zip(lines, pred.objects, strict=True))
    ]
    missed = [
        Line(((_line(target, obj, syntax), ""),), "missed")
        for index, obj in enumerate(target.objects)
        if index not in partner.values()
    ]
    return (*marked, *missed)


def _line(scene: Scene, obj: SceneObject, syntax: ProgramSyntax) -> str:
    return write_program(replace(scene, objects=(obj,)), syntax).strip()


def _compared(
    line: str, obj: SceneObject, true: SceneObject, syntax: ProgramSyntax
) -> Line:
    far = _far_places(obj, true, syntax)
    spans: list[Span] = []
    start = 0
    for match in _ARGUMENT.finditer(line):
        name, said = match.groups()
        other = far.get(name, "")
        if name in WORD_ATTRIBUTES:
            word = getattr(true, name)
            right = word is None or syntax.canonical(name, said[1:-1]) == word
            other = "" if right else f"'{word}'"
        if other:
            spans += [(line[start : match.start(2)], ""), (said, "wrong")]
            spans.append((other, "true"))
            start = match.end(2)
    return Line((*spans, (line[start:], "")))


def _far_places(
    obj: SceneObject, true: SceneObject, syntax: ProgramSyntax
) -> Mapping[str, str]:
    """The true places by argument, of those that are far off."""
    if obj.location is None or true.location is None:
        return {}
    off = np.subtract(obj.location, true.location)
    numbers = [syntax.format_number(value) for value in true.location]
    far = {
        name: numbers[axis]
        for axis, name in enumerate(("x", "y"))
        if abs(off[axis]) > FAR_SIDES
    }
    if np.linalg.norm(off) > FAR_M:
        far["loc"] = f"({', '.join(numbers)})"
    return far
