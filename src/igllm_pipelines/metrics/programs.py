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
    starts_of,
)
from igllm_pipelines.scene import ProgramSyntax, Scene, parse_program
from igllm_pipelines.scene.program import ADD, WORD_ATTRIBUTES
from igllm_pipelines.scene.rotations import from_representation, quat_from_yaw

_FENCE = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_NAME = re.compile(r"(\w+)\s*=", re.ASCII)
_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_COMMA = r",\s*"
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
        words: empty where they were not read.
    """

    text: list[str]
    scene: IntArray
    odd: BoolArray
    done: BoolArray
    location: FloatArray
    rotation: FloatArray
    words: dict[str, list[str]]


def _lines(programs: Sequence[str], syntax: ProgramSyntax) -> _Lines:
    text: list[str] = []
    counts: list[int] = []
    odd: list[bool] = []
    for program in programs:
        fence = _FENCE.search(program) if "```" in program else None
        head, *lines = (fence.group(1) if fence else program).split(ADD)
        text += lines
        counts.append(len(lines))
        odd.append(bool(head) and not head.isspace())
    return _Lines(
        text,
        np.repeat(np.arange(len(counts)), counts),
        np.array(odd, dtype=np.bool_),
        np.zeros(len(text), dtype=np.bool_),
        np.full((len(text), 3), np.nan),
        np.full((len(text), max(syntax.num_components("rotation"), 1)), np.nan),
        {name: [""] * len(text) for name in WORD_ATTRIBUTES},
    )


def _form(line: str, syntax: ProgramSyntax) -> tuple[str, ...] | None:
    """The attributes of a line in their order, None where it breaks the grammar."""
    names = tuple(_NAME.findall(line))
    if len(set(names)) < len(names) or not set(names) <= set(syntax.attributes):
        return None
    return None if len({"x", "y"} & set(names)) == 1 else names


def _expression(form: Sequence[str], syntax: ProgramSyntax) -> re.Pattern[str]:
    def value(name: str) -> str:
        if name in WORD_ATTRIBUTES:
            return r"'([^'\n]*)'"
        numbers = [_NUMBER] * syntax.num_components(name)
        return numbers[0] if len(numbers) == 1 else rf"\({_COMMA.join(numbers)}\)"

    arguments = _COMMA.join(f"{name}={value(name)}" for name in form)
    return re.compile(rf"{arguments}\)\s*", re.ASCII)


def _read_forms(lines: _Lines, syntax: ProgramSyntax, word_of: WordOf) -> None:
    """Reads the lines that have one of the most frequent forms."""
    left = np.arange(len(lines.text))
    for _ in range(_MAX_FORMS):
        if not len(left):
            return
        form = _form(lines.text[left[0]], syntax)
        if form is None:
            left = left[1:]
            continue
        match = _expression(form, syntax).fullmatch
        found = list(map(match, [lines.text[i] for i in left.tolist()]))
        hits = np.array([m is not None for m in found], dtype=np.bool_)
        values = [m.groups() for m in found if m]
        if values:
            _fill(lines, left[hits], form, list(zip(*values, strict=True)), word_of)
        left = left[~hits] if hits[0] else left[~hits][1:]


def _fill(
    lines: _Lines,
    rows: IntArray,
    form: Sequence[str],
    columns: Sequence[Sequence[str]],
    word_of: WordOf,
) -> None:
    """Puts the columns of one form into their rows; bad values leave a line undone."""
    good = np.ones(len(rows), dtype=np.bool_)
    rest = iter(columns)
    for name in form:
        if name in WORD_ATTRIBUTES:
            spelled = next(rest)
            table = {word: word_of(name, word) for word in set(spelled)}
            if None in table.values():
                good &= [table[word] is not None for word in spelled]
            _put(lines.words[name], rows, [table[word] or "" for word in spelled])
            continue
        array, axes = _place(lines, name)
        for axis in axes:
            numbers = np.fromiter(map(float, next(rest)), np.float64, len(rows))
            good &= np.isfinite(numbers)
            array[rows, axis] = numbers
        if name == "x":
            lines.location[rows, 2] = 0.0
    lines.done[rows] = good


def _put(column: list[str], rows: IntArray, words: Sequence[str]) -> None:
    for row, word in zip(rows.tolist(), words, strict=True):
        column[row] = word


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
            name: np.concatenate([_words(column)[fast], others.words[name]])[order]
            for name, column in lines.words.items()
        },
    )


def _words(column: Sequence[str]) -> WordArray:
    return np.asarray(column, dtype=np.str_)


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
        {name: _words(column) for name, column in lines.words.items()},
    )


def _read_line(lines: _Lines, row: int, word_of: WordOf) -> None:
    """Finds what can be found in one line."""
    lines.location[row] = lines.rotation[row] = 0.0
    text = lines.text[row].partition("\n")[0]
    for name, _, word in _SAID.findall(text):
        lines.words[name][row] = word_of(name, word) or ""
    for name, several, single in _NUMBERS.findall(text):
        array, axes = _place(lines, name)
        numbers = several.split(",") if several else [single]
        for axis, number in zip(axes, numbers, strict=False):
            array[row, axis] = _number_or_zero(number)


def _number_or_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
