"""Program text: the graphics code that a scene is written as, and its parser.

One line an object, from left to right::

    add(size='large', color='red', material='metal', shape='cube', loc=(+0.1, ...))

The text is parsed by the grammar below and never executed::

    program  := line*
    line     := "add" "(" [ argument ("," argument)* [","] ] ")"
    argument := NAME "=" value
    value    := STRING | NUMBER | "(" NUMBER ("," NUMBER)* [","] ")"

White space may stand between any two tokens. An answer that wraps the program into a
fenced code block is read from inside the fence.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import numpy as np

from igllm_pipelines.scene.rotations import (
    COMPONENTS,
    canonical_turn,
    from_representation,
    quat_from_yaw,
    to_representation,
    yaw_from_quat,
)
from igllm_pipelines.scene.scene import Scene, SceneObject

NUM = "[NUM]"
WORD_ATTRIBUTES = ("size", "color", "material", "shape")
ADD, END = "add(", ")\n"

Value = str | tuple[float, ...]


class ProgramError(ValueError):
    """A program that cannot be read; `line` and `column` count from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.reason = reason
        self.line = line
        self.column = column

    def __reduce__(self) -> tuple[type, tuple[str, int, int]]:
        return type(self), (self.reason, self.line, self.column)


@dataclass(frozen=True)
class ProgramSyntax:
    """Which attributes a domain's programs have and how they are written.

    Attributes:
        attributes: names in canonical order, of ``size color material shape loc x y
            rotation``.
        words: the words that each word attribute may take.
        synonyms: other words for a word, ``{"shape": {"sphere": ("ball",)}}``.
        number_format: Python format of a number; it rounds to 3 decimals.
        rotation_rep: ``yaw``, or one of `rotations.COMPONENTS`. ``yaw`` is CLEVR's:
            one angle in radians, ``radians(degrees mod 90 - 45)``, for cubes only,
            because a cube looks the same after a quarter turn and the other shapes
            after any.
        symmetries: order of the symmetry about the z axis by shape, see
            `rotations.canonical_turn`; ``yaw`` has its own rule.
    """

    attributes: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    synonyms: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    number_format: str = "+.3f"
    rotation_rep: str = "yaw"
    symmetries: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {*WORD_ATTRIBUTES, "loc", "x", "y", "rotation"}
        unknown = set(self.attributes) - known
        if unknown:
            raise ValueError(f"unknown program attributes: {sorted(unknown)}")
        if self.rotation_rep != "yaw" and self.rotation_rep not in COMPONENTS:
            raise ValueError(f"unknown rotation_rep {self.rotation_rep!r}")
        for attribute, words in self.words.items():
            for word in words:
                for spelling in self.spellings(attribute, word):
                    _check_word(spelling)

    def num_components(self, attribute: str) -> int:
        """How many numbers `attribute` holds; 0 for a word."""
        if attribute == "rotation":
            return 1 if self.rotation_rep == "yaw" else COMPONENTS[self.rotation_rep]
        return {"loc": 3, "x": 1, "y": 1}.get(attribute, 0)

    def spellings(self, attribute: str, word: str) -> tuple[str, ...]:
        """The canonical word, then its synonyms."""
        return (word, *self.synonyms.get(attribute, {}).get(word, ()))

    def canonical(self, attribute: str, word: str) -> str | None:
        """The vocabulary's word that `word` stands for, None where there is none."""
        for known in self.words.get(attribute, ()):
            if word in self.spellings(attribute, known):
                return known
        return None

    def format_number(self, value: float) -> str:
        """One number as text; a rounded zero is written without a minus."""
        text = format(value, self.number_format)
        return format(0.0, self.number_format) if float(text) == 0 else text


def _check_word(word: str) -> None:
    """Raises a ValueError where `word` cannot be read back from between quotes."""
    if not word or any(mark in word for mark in ("'", "\n", "```", NUM)):
        raise ValueError(
            f"the word {word!r} cannot stand in a program: rename it in the labels, "
            "without quotes, line breaks and marks, at least one character long"
        )


def syntax_from_record(record: Mapping[str, Any]) -> ProgramSyntax:
    """Reads what `dataclasses.asdict` made of a syntax, through JSON or not.

    >>> import json
    >>> from dataclasses import asdict
    >>> syntax = ProgramSyntax(("shape", "loc"), {"shape": ("cube",)})
    >>> syntax_from_record(json.loads(json.dumps(asdict(syntax)))) == syntax
    True
    """
    synonyms = record["synonyms"].items()
    return ProgramSyntax(
        **{
            **record,
            "attributes": tuple(record["attributes"]),
            "words": _tuples(record["words"]),
            "synonyms": {name: _tuples(words) for name, words in synonyms},
        }
    )


def _tuples(lists: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(words) for name, words in lists.items()}


class Attribute(NamedTuple):
    """One argument of ``add``: a word, or one or more numbers."""

    name: str
    value: Value


def attributes_of(obj: SceneObject, syntax: ProgramSyntax) -> list[Attribute]:
    """The arguments of an object's line, in canonical order, unknown ones left out.

    >>> syntax = ProgramSyntax(("shape", "loc"), {"shape": ("cube",)})
    >>> attributes_of(SceneObject(shape="cube"), syntax)
    [Attribute(name='shape', value='cube')]
    """
    values = ((name, _read(obj, name, syntax)) for name in syntax.attributes)
    return [Attribute(name, value) for name, value in values if value is not None]


def _read(obj: SceneObject, name: str, syntax: ProgramSyntax) -> Value | None:
    if name in WORD_ATTRIBUTES:
        word: str | None = getattr(obj, name)
        return word
    if name == "rotation":
        return _read_rotation(obj, syntax)
    if obj.location is None:
        return None
    return {"loc": obj.location, "x": obj.location[:1], "y": obj.location[1:2]}[name]


def _read_rotation(obj: SceneObject, syntax: ProgramSyntax) -> Value | None:
    if obj.rotation is None:
        return None
    if syntax.rotation_rep != "yaw":
        symmetry = syntax.symmetries.get(obj.shape or "", 1)
        turn = canonical_turn(obj.rotation, symmetry)
        return tuple(to_representation(turn, syntax.rotation_rep).tolist())
    if obj.shape not in (None, "cube"):
        return None
    quarter = np.pi / 2
    return (float(np.mod(yaw_from_quat(obj.rotation), quarter) - quarter / 2),)


def write_program(scene: Scene, syntax: ProgramSyntax) -> str:
    r"""Writes a scene as program text, one line an object, from left to right.

    >>> syntax = ProgramSyntax(("x", "y"), number_format=".3f")
    >>> write_program(Scene((SceneObject(location=(0.25, 0.5, 0)),)), syntax)
    'add(x=0.250, y=0.500)\n'
    """
    lines = []
    for obj in scene.left_to_right().objects:
        arguments = (
            f"{name}={format_value(value, syntax)}"
            for name, value in attributes_of(obj, syntax)
        )
        lines.append(f"{ADD}{', '.join(arguments)}{END}")
    return "".join(lines)


def format_value(value: Value, syntax: ProgramSyntax) -> str:
    """A word in quotes, a number, or numbers in parentheses.

    Raises:
        ValueError: the word could not be read back.
    """
    if isinstance(value, str):
        _check_word(value)
        return f"'{value}'"
    numbers = [syntax.format_number(v) for v in value]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"


def fill_numbers(text: str, numbers: list[float], syntax: ProgramSyntax) -> str:
    """Puts `numbers` in the places of the ``[NUM]`` tokens of `text`, in order.

    Raises:
        ValueError: there are more or fewer numbers than tokens.
    """
    parts = text.split(NUM)
    if len(parts) - 1 != len(numbers):
        raise ValueError(f"{len(parts) - 1} {NUM} tokens, but {len(numbers)} numbers")
    written = [*(syntax.format_number(n) for n in numbers), ""]
    return "".join(part + number for part, number in zip(parts, written, strict=True))


# --- parsing ---------------------------------------------------------------------

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<string>'[^'\n]*'|"[^"\n]*")
    |(?P<mark>[(),=])""",
    re.VERBOSE | re.ASCII,
)
_FENCE = "```"
MAX_CHARACTERS = 10**6  # of a program that is read; 10,000 objects have as many


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
