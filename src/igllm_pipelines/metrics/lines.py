"""The lines of many programs, read form by form.

Most lines of a file of predictions have one of very few forms: the same attributes in
the same order. A form becomes one regular expression, and the values of all lines of
that form become columns. What fits no form is left to `metrics.programs`.
"""

import math
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from igllm_pipelines.metrics.table import BoolArray, FloatArray, IntArray, WordArray
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.scene.program import ADD, MAX_CHARACTERS, WORD_ATTRIBUTES

_FENCE = "```"
_NAME = re.compile(r"\b(\w++)\s*+=", re.ASCII)  # linear in whatever length
_NUMBER = r"([-+.\deE]++)"  # of these, float() takes what the grammar takes
_COMMA = r",\s*+"
_LOOKED_AT = 32  # lines of which the one with the most attributes gives the form
_MAX_FORMS = 32  # that are tried before the remaining lines are read one by one
_AXES = {"loc": (0, 1, 2), "x": (0,), "y": (1,)}

WordOf = Callable[[str, str], str | None]


@dataclass(eq=False)
class Lines:
    """The lines of all programs and the values that were read from them.

    Attributes:
        text: what stands behind the opening parenthesis of each ``add``.
        scene: index of each line's program.
        odd: ``(scenes,)``, something stands before a program's first ``add``.
        done: whether a line was read.
        location, rotation: NaN where they were not read.
        words: index ``(lines,)`` of the word in `vocabulary`, 0 where it was not read.
        vocabulary: index of each word of an attribute.
    """

    text: list[str]
    scene: IntArray
    odd: BoolArray
    done: BoolArray
    location: FloatArray
    rotation: FloatArray
    words: dict[str, IntArray]
    vocabulary: dict[str, dict[str, int]]

    def column(self, name: str) -> WordArray:
        """The words of an attribute, empty where there is none."""
        return np.asarray(list(self.vocabulary[name]))[self.words[name]]


def _body(program: str) -> str:
    """What stands inside the first fence, the whole text without one."""
    start = program.find(_FENCE)
    line_end = program.find("\n", start) if start >= 0 else -1
    if line_end < 0:
        return program
    end = program.find(_FENCE, line_end + 1)
    return program[line_end + 1 : end if end >= 0 else None]


def split_lines(programs: Sequence[str], syntax: ProgramSyntax) -> Lines:
    """The lines of programs, of which nothing has been read yet."""
    text: list[str] = []
    counts: list[int] = []
    odd: list[bool] = []
    for program in programs:
        head, *lines = _body(program).split(ADD)
        text += lines
        counts.append(len(lines))
        before = head.strip(string.whitespace)  # the grammar knows ASCII
        odd.append(bool(before) or len(program) > MAX_CHARACTERS)
    return Lines(
        text,
        np.repeat(np.arange(len(counts)), counts),
        np.array(odd, dtype=np.bool_),
        np.zeros(len(text), dtype=np.bool_),
        np.full((len(text), 3), np.nan),
        np.full((len(text), max(syntax.num_components("rotation"), 1)), np.nan),
        {name: np.zeros(len(text), dtype=np.int64) for name in WORD_ATTRIBUTES},
        {name: {"": 0} for name in WORD_ATTRIBUTES},
    )


def form_of(line: str, syntax: ProgramSyntax) -> tuple[str, ...] | None:
    """The attributes of a line in their order, None where it breaks the grammar."""
    names = tuple(_NAME.findall(line))
    if len(set(names)) < len(names) or not set(names) <= set(syntax.attributes):
        return None
    return None if len({"x", "y"} & set(names)) == 1 else names


def expression(form: Sequence[str], syntax: ProgramSyntax) -> re.Pattern[str]:
    """Matches a line with the attributes of `form`, any of which may be missing."""

    def value(name: str) -> str:
        if name in WORD_ATTRIBUTES:
            return r"'([^'\n]*+)'"
        numbers = [_NUMBER] * syntax.num_components(name)
        return numbers[0] if len(numbers) == 1 else rf"\({_COMMA.join(numbers)}\)"

    arguments = (rf"(?:{name}={value(name)}(?:{_COMMA}|(?=\))))?+" for name in form)
    return re.compile(rf"{''.join(arguments)}\)\s*", re.ASCII)


def _longest_form(
    texts: Sequence[str], syntax: ProgramSyntax
) -> tuple[str, ...] | None:
    forms = [form for text in texts if (form := form_of(text, syntax))]
    return max(forms, key=len) if forms else None


def read_forms(lines: Lines, syntax: ProgramSyntax, word_of: WordOf) -> None:
    """Reads the lines not read yet that have one of the most frequent forms."""
    left = np.flatnonzero(~lines.done)
    for _ in range(_MAX_FORMS):
        if not len(left):
            return
        texts = [lines.text[i] for i in left.tolist()]
        form = _longest_form(texts[:_LOOKED_AT], syntax)
        if form is None:
            left = left[_LOOKED_AT:]
            continue
        found = list(map(expression(form, syntax).fullmatch, texts))
        hits = np.fromiter(map(bool, found), np.bool_, len(found))
        values = [m.groups() for m in found if m]
        if values:
            _fill(lines, left[hits], form, list(zip(*values, strict=True)), word_of)
        left = left[~hits] if values else left[_LOOKED_AT:]


def _fill(
    lines: Lines,
    rows: IntArray,
    form: Sequence[str],
    columns: Sequence[Sequence[str | None]],
    word_of: WordOf,
) -> None:
    """Puts the columns of one form into their rows; bad values leave a line undone."""
    good = np.ones(len(rows), dtype=np.bool_)
    rest = iter(columns)
    for name in form:
        if name in WORD_ATTRIBUTES:
            spelled = next(rest)
            table = {
                word: word_index(lines, name, word and word_of(name, word))
                for word in {*spelled}
            }
            indices = np.fromiter(map(table.get, spelled), np.int64, len(rows))
            good &= (indices > 0) | _missing(spelled)
            lines.words[name][rows] = indices
            continue
        array, axes = place_of(lines, name)
        for axis in axes:
            texts = next(rest)
            numbers = _floats(texts)
            good &= np.isfinite(numbers) | _missing(texts)
            array[rows, axis] = numbers
    if "x" in form:
        lines.location[rows, 2] = 0.0
        good &= np.isfinite(lines.location[rows]).all(axis=1)
    lines.done[rows] = good


def _missing(texts: Sequence[str | None]) -> BoolArray | bool:
    """Where an optional attribute is missing."""
    if None not in texts:
        return False
    return np.array([text is None for text in texts], dtype=np.bool_)


def word_index(lines: Lines, name: str, word: str | None) -> int:
    """Index of a word in the vocabulary, 0 where there is none."""
    vocabulary = lines.vocabulary[name]
    return vocabulary.setdefault(word or "", len(vocabulary))


def _floats(texts: Sequence[str | None]) -> FloatArray:
    """The numbers, NaN for what is none."""
    try:
        if None in texts:
            texts = [text or "nan" for text in texts]
        return np.fromiter(map(float, texts), np.float64, len(texts))  # type: ignore[arg-type]
    except ValueError:
        return np.array([number_or(text or "", math.nan) for text in texts])


def place_of(lines: Lines, name: str) -> tuple[FloatArray, Sequence[int]]:
    """The array of a number attribute and its columns there."""
    if name == "rotation":
        return lines.rotation, range(lines.rotation.shape[1])
    return lines.location, _AXES[name]


def number_or(text: str, default: float) -> float:
    """The finite number that a text is, `default` where it is none."""
    try:
        number = float(text)
    except ValueError:
        return default
    return number if math.isfinite(number) else default
