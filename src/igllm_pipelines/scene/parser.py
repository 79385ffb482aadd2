"""Reads program text into a scene.

The text is parsed by this grammar and never executed::

    program  := line*
    line     := "add" "(" [ argument ("," argument)* [","] ] ")"
    argument := NAME "=" value
    value    := STRING | NUMBER | "(" NUMBER ("," NUMBER)* [","] ")"

White space may stand between any two tokens. An answer that wraps the program into a
fenced code block is read from inside the fence.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, NoReturn

import numpy as np

from igllm_pipelines.scene.program import (
    MAX_CHARACTERS,
    WORD_ATTRIBUTES,
    ProgramError,
    ProgramSyntax,
    Value,
)
from igllm_pipelines.scene.rotations import from_representation, quat_from_yaw
from igllm_pipelines.scene.scene import Scene, SceneObject

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<string>'[^'\n]*'|"[^"\n]*")
    |(?P<mark>[(),=])""",
    re.VERBOSE | re.ASCII,
)
_FENCE = "```"


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse_program(text: str, syntax: ProgramSyntax) -> Scene:
    """Reads program text; the first object is the leftmost.

    Attributes may stand in any order, synonyms become the vocabulary's words, numbers
    may carry a sign and an exponent. An attribute that is left out is None, and so is
    a rotation whose numbers name none (a zero quaternion, parallel rows of ``6d``).

    Raises:
        ProgramError: with line, column and reason, for anything else.

    >>> syntax = ProgramSyntax(("shape", "x"), {"shape": ("sphere",)},
    ...     {"shape": {"sphere": ("ball",)}})
    >>> parse_program("add(x=1e-1,shape='ball')", syntax).objects[0].shape
    'sphere'
    """
    if len(text) > MAX_CHARACTERS:
        raise ProgramError(f"there are more than {MAX_CHARACTERS} characters", 1, 1)
    parser = _Parser(text, *_inside_fence(text), syntax)
    return Scene(objects=tuple(parser.lines()))


def _inside_fence(text: str) -> tuple[int, int]:
    """Where the first fenced block begins and ends; the whole text without one."""
    opened = text.find(_FENCE)
    start = text.find("\n", opened) + 1 if opened >= 0 else 0
    if not start:
        return 0, len(text)
    end = text.find(_FENCE, start)
    return start, len(text) if end < 0 else end


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:40]}...{text[-17:]}"


class _Parser:
    """Recursive descent over the tokens of one program."""

    def __init__(self, text: str, start: int, end: int, syntax: ProgramSyntax) -> None:
        self._text = text
        self._syntax = syntax
        self._tokens = list(self._scan(start, end))
        self._next = 0

    def _scan(self, start: int, end: int) -> Iterator[_Token]:
        position = start
        while position < end:
            match = _TOKEN.match(self._text, position, end)
            if match is None:
                self._fail(f"unexpected {self._text[position]!r}", position)
            if match.lastgroup != "space":
                yield _Token(str(match.lastgroup), match.group(), position)
            position = match.end()
        yield _Token("end", "", end)

    def _fail(self, reason: str, position: int) -> NoReturn:
        line = self._text.count("\n", 0, position) + 1
        column = position - self._text.rfind("\n", 0, position)
        raise ProgramError(reason, line, column)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, kind: str, text: str | None = None) -> _Token:
        token = self._peek()
        if token.kind != kind or text not in (None, token.text):
            found = repr(_cut(token.text)) if token.text else "the end of the program"
            self._fail(f"expected {text or f'a {kind}'}, found {found}", token.position)
        self._next += 1
        return token

    def _try(self, text: str) -> bool:
        if self._peek()[:2] != ("mark", text):
            return False
        self._next += 1
        return True

    def lines(self) -> Iterator[SceneObject]:
        while self._peek().kind != "end":
            yield self._line()

    def _line(self) -> SceneObject:
        start = self._take("name", "add").position
        self._take("mark", "(")
        values: dict[str, Value] = {}
        while not self._try(")"):
            self._argument(values)
            if not self._try(","):
                self._take("mark", ")")
                break
        try:
            return _object_from(values, self._syntax)
        except ValueError as error:
            self._fail(str(error), start)

    def _argument(self, values: dict[str, Value]) -> None:
        name = self._take("name")
        if name.text not in self._syntax.attributes:
            known = ", ".join(self._syntax.attributes)
            self._fail(
                f"unknown attribute {_cut(name.text)!r}, known: {known}", name[2]
            )
        if name.text in values:
            self._fail(f"attribute {name.text!r} is given twice", name.position)
        self._take("mark", "=")
        words = name.text in WORD_ATTRIBUTES
        values[name.text] = self._word(name.text) if words else self._numbers(name.text)

    def _word(self, attribute: str) -> str:
        token = self._take("string")
        word = self._syntax.canonical(attribute, token.text[1:-1])
        if word is None:
            known = ", ".join(self._syntax.words.get(attribute, ()))
            reason = f"unknown {attribute} {_cut(token.text)}, known: {known}"
            self._fail(reason, token.position)
        return word

    def _numbers(self, attribute: str) -> tuple[float, ...]:
        start = self._peek().position
        numbers = []
        if self._try("("):
            while not self._try(")"):
                numbers.append(self._number())
                if not self._try(","):
                    self._take("mark", ")")
                    break
        else:
            numbers.append(self._number())
        expected = self._syntax.num_components(attribute)
        if len(numbers) != expected:
            reason = f"{attribute} takes {expected} numbers, there are {len(numbers)}"
            self._fail(reason, start)
        return tuple(numbers)

    def _number(self) -> float:
        token = self._take("number")
        value = float(token.text)
        if not np.isfinite(value):
            self._fail(f"number {_cut(token.text)} is not finite", token.position)
        return value


def _object_from(values: Mapping[str, Value], syntax: ProgramSyntax) -> SceneObject:
    location: Value | None = values.get("loc")
    if "x" in values or "y" in values:
        missing = [name for name in ("x", "y") if name not in values]
        if missing and set(syntax.attributes) >= {"x", "y"}:
            raise ValueError(f"attribute {missing[0]!r} is missing")
        location = (*values.get("x", (0.0,)), *values.get("y", (0.0,)), 0.0)
    rotation = values.get("rotation")
    if isinstance(rotation, tuple):
        rotation = _quat_from(rotation, syntax)
    words = {name: values[name] for name in WORD_ATTRIBUTES if name in values}
    return SceneObject(location=location, rotation=rotation, **words)  # type: ignore[arg-type]


def _quat_from(
    numbers: tuple[float, ...], syntax: ProgramSyntax
) -> tuple[float, ...] | None:
    """None where the numbers name no rotation: zero or parallel rows of ``6d``."""
    if syntax.rotation_rep == "yaw":
        return tuple(quat_from_yaw(numbers[0] + np.pi / 4).tolist())
    try:
        return tuple(from_representation(numbers, syntax.rotation_rep).tolist())
    except ValueError:
        return None
