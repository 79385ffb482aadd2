"""Many programs at once into a table of objects.

Most lines of a file of predictions have one of very few forms: the same attributes in
the same order. A form becomes one regular expression, and the values of all lines of
that form become columns. What fits no form is read one by one, in one of two ways:

- strictly (`parse_programs`): by `scene.program.parse_program`; an answer that breaks
  the grammar has no objects and is marked as not parsed;
- leniently (`read_leniently`): what can be found in a line counts, as in the paper's
  protocol; an unreadable number is 0, and so are the numbers of a location or a
  rotation that is missing.
"""

import math
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from igllm_pipelines.metrics.table import (
    BoolArray,
    FloatArray,
    IntArray,
    ObjectTable,
    WordArray,
    as_table,
    convert_rows,
    paused_gc,
    starts_of,
)
from igllm_pipelines.scene import ProgramSyntax, Scene, parse_program
from igllm_pipelines.scene.program import ADD, WORD_ATTRIBUTES
from igllm_pipelines.scene.rotations import from_representation, quat_from_yaw

_FENCE = "```"
_NAME = re.compile(r"(\w+)\s*=", re.ASCII)
_NUMBER = r"([-+.\deE]++)"  # of these, float() takes what the grammar takes
_COMMA = r",\s*+"
_LOOKED_AT = 32  # lines of which the one with the most attributes gives the form
_MAX_FORMS = 32  # that are tried before the remaining lines are read one by one
_SAID = re.compile(
    rf"\b({'|'.join(WORD_ATTRIBUTES)})\s*=\s*(['\"])([^'\"\n]*)\2", re.ASCII
)
_NUMBERS = re.compile(
    r"\b(loc|x|y|rotation)\s*=\s*(?:\(([^()]*)|([^(),\s]*))", re.ASCII
)
_AXES = {"loc": (0, 1, 2), "x": (0,), "y": (1,)}

ToQuats = Callable[[FloatArray], FloatArray]
WordOf = Callable[[str, str], str | None]


@dataclass(eq=False)
class _Lines:
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


def _lines(programs: Sequence[str], syntax: ProgramSyntax) -> _Lines:
    text: list[str] = []
    counts: list[int] = []
    odd: list[bool] = []
    for program in programs:
        head, *lines = _body(program).split(ADD)
        text += lines
        counts.append(len(lines))
        odd.append(bool(head.strip(string.whitespace)))  # the grammar knows ASCII
    return _Lines(
        text,
        np.repeat(np.arange(len(counts)), counts),
        np.array(odd, dtype=np.bool_),
        np.zeros(len(text), dtype=np.bool_),
        np.full((len(text), 3), np.nan),
        np.full((len(text), max(syntax.num_components("rotation"), 1)), np.nan),
        {name: np.zeros(len(text), dtype=np.int64) for name in WORD_ATTRIBUTES},
        {name: {"": 0} for name in WORD_ATTRIBUTES},
    )


def _form(line: str, syntax: ProgramSyntax) -> tuple[str, ...] | None:
    """The attributes of a line in their order, None where it breaks the grammar."""
    names = tuple(_NAME.findall(line))
    if len(set(names)) < len(names) or not set(names) <= set(syntax.attributes):
        return None
    return None if len({"x", "y"} & set(names)) == 1 else names


def _expression(form: Sequence[str], syntax: ProgramSyntax) -> re.Pattern[str]:
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
    forms = [form for text in texts if (form := _form(text, syntax))]
    return max(forms, key=len) if forms else None


def _read_forms(lines: _Lines, syntax: ProgramSyntax, word_of: WordOf) -> None:
    """Reads the lines that have one of the most frequent forms."""
    left = np.arange(len(lines.text))
    for _ in range(_MAX_FORMS):
        if not len(left):
            return
        texts = [lines.text[i] for i in left.tolist()]
        form = _longest_form(texts[:_LOOKED_AT], syntax)
        if form is None:
            left = left[_LOOKED_AT:]
            continue
        found = list(map(_expression(form, syntax).fullmatch, texts))
        hits = np.fromiter(map(bool, found), np.bool_, len(found))
        values = [m.groups() for m in found if m]
        if values:
            _fill(lines, left[hits], form, list(zip(*values, strict=True)), word_of)
        left = left[~hits] if values else left[_LOOKED_AT:]


def _fill(
    lines: _Lines,
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
                word: _index(lines, name, word and word_of(name, word))
                for word in {*spelled}
            }
            indices = np.fromiter(map(table.get, spelled), np.int64, len(rows))
            good &= (indices > 0) | _missing(spelled)
            lines.words[name][rows] = indices
            continue
        array, axes = _place(lines, name)
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


def _index(lines: _Lines, name: str, word: str | None) -> int:
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
        return np.array([_number_or(text or "", math.nan) for text in texts])


def _place(lines: _Lines, name: str) -> tuple[FloatArray, Sequence[int]]:
    """The array of a number attribute and its columns there."""
    if name == "rotation":
        return lines.rotation, range(lines.rotation.shape[1])
    return lines.location, _AXES[name]


# --- strictly ----------------------------------------------------------------------


def parse_programs(
    programs: Sequence[str], syntax: ProgramSyntax, *, any_word: bool = False
) -> ObjectTable:
    """The table of ``parse_program(program, syntax)`` of each program.

    Args:
        programs: texts of answers, with a fence or without.
        syntax: of the programs.
        any_word: words that are not in the syntax are read too; else they break it.

    Returns:
        The objects; those of a program that breaks the grammar are none.

    >>> syntax = ProgramSyntax(("shape",), {"shape": ("cube",)})
    >>> parse_programs(["add(shape='cube')", "add(shape='ball')"], syntax).parsed
    array([ True, False])
    """
    spellings = _spellings(syntax)

    def word_of(name: str, word: str) -> str | None:
        return spellings.get((name, word), word or None if any_word else None)

    with paused_gc():
        lines = _lines(programs, syntax)
        _read_forms(lines, syntax, word_of)
    slow = lines.odd.copy()
    slow[lines.scene[~lines.done]] = True
    fast = ~slow[lines.scene]
    others = as_table(
        [_parse(programs[i], syntax, any_word) for i in np.flatnonzero(slow).tolist()]
    )
    scene = np.concatenate(
        [lines.scene[fast], np.repeat(np.flatnonzero(slow), others.counts)]
    )
    order = np.argsort(scene, kind="stable")
    parsed = np.ones(len(programs), dtype=np.bool_)
    parsed[slow] = others.parsed
    quats = convert_rows(partial(_to_quats, syntax.rotation_rep), lines.rotation, 4)
    return ObjectTable(
        starts_of(np.bincount(scene, minlength=len(programs))),
        parsed,
        np.concatenate([lines.location[fast], others.location])[order],
        np.concatenate([quats[fast], others.rotation])[order],
        {
            name: np.concatenate([lines.column(name)[fast], others.words[name]])[order]
            for name in WORD_ATTRIBUTES
        },
    )


def _spellings(syntax: ProgramSyntax) -> dict[tuple[str, str], str]:
    """The vocabulary's word by attribute and spelling."""
    return {
        (name, spelling): word
        for name, words in syntax.words.items()
        for word in words
        for spelling in syntax.spellings(name, word)
    }


def _to_quats(rotation_rep: str, numbers: FloatArray) -> FloatArray:
    if rotation_rep == "yaw":
        return quat_from_yaw(numbers[:, 0] + np.pi / 4)
    return from_representation(numbers, rotation_rep)


def _parse(program: str, syntax: ProgramSyntax, any_word: bool) -> Scene | None:
    try:
        return parse_program(program, _with_words(syntax, program, any_word))
    except ValueError:
        return None


def _with_words(syntax: ProgramSyntax, program: str, any_word: bool) -> ProgramSyntax:
    """The syntax with the words that `program` says where `any_word` may be said."""
    if not any_word:
        return syntax
    said: dict[str, tuple[str, ...]] = {**syntax.words}
    for name, _, word in _SAID.findall(program):
        if syntax.canonical(name, word) is None and word not in said.get(name, ()):
            said[name] = (*said.get(name, ()), word)
    return replace(syntax, words=said)


# --- leniently ---------------------------------------------------------------------


def read_leniently(
    programs: Sequence[str], syntax: ProgramSyntax, to_quats: ToQuats
) -> ObjectTable:
    """What can be found in each program, as the paper's protocol reads it.

    Every ``add(`` begins an object. A number that cannot be read is 0. A location that
    is missing is (0, 0, 0), the numbers of a missing rotation are zeros; what has too
    few numbers is filled with zeros. Synonyms become the vocabulary's words; other
    words stay as they are.

    Args:
        programs: texts of answers, with a fence or without.
        syntax: of the programs.
        to_quats: rotations ``(n, components)`` as unit quaternions ``(n, 4)``; raises
            a ValueError where the numbers of a row name no rotation.

    Returns:
        The objects; a rotation is NaN where `to_quats` refuses its numbers.
    """
    spellings = _spellings(syntax)

    def word_of(name: str, word: str) -> str:
        return spellings.get((name, word), word)

    with paused_gc():
        lines = _lines(programs, syntax)
        _read_forms(lines, syntax, word_of)
    for row in np.flatnonzero(~lines.done).tolist():
        _read_line(lines, row, word_of)
    counts = np.bincount(lines.scene, minlength=len(programs))
    return ObjectTable(
        starts_of(counts),
        np.ones(len(programs), dtype=np.bool_),
        np.nan_to_num(lines.location, nan=0.0),
        convert_rows(to_quats, np.nan_to_num(lines.rotation, nan=0.0), 4),
        {name: lines.column(name) for name in WORD_ATTRIBUTES},
    )


def _read_line(lines: _Lines, row: int, word_of: WordOf) -> None:
    """Finds what can be found in one line."""
    lines.location[row] = lines.rotation[row] = 0.0
    text = lines.text[row].partition("\n")[0]
    for name, _, word in _SAID.findall(text):
        lines.words[name][row] = _index(lines, name, word_of(name, word))
    for name, several, single in _NUMBERS.findall(text):
        array, axes = _place(lines, name)
        numbers = several.split(",") if several else [single]
        for axis, number in zip(axes, numbers, strict=False):
            array[row, axis] = _number_or(number, 0.0)


def _number_or(text: str, default: float) -> float:
    try:
        number = float(text)
    except ValueError:
        return default
    return number if math.isfinite(number) else default
