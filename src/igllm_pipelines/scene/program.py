"""Program text: the graphics code that a scene is written as.

One line an object, from left to right::

    add(size='large', color='red', material='metal', shape='cube', loc=(+0.1, ...))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from igllm_pipelines.scene.rotations import (
    COMPONENTS,
    canonical_turn,
    to_representation,
    yaw_from_quat,
)
from igllm_pipelines.scene.scene import Scene, SceneObject

NUM = "[NUM]"
WORD_ATTRIBUTES = ("size", "color", "material", "shape")
ADD, END = "add(", ")\n"
MAX_CHARACTERS = 10**6  # of a program that is read; 10,000 objects have as many

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
