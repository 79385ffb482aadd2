"""Many programs at once into a table of objects.

Most lines are read form by form, see `metrics.lines`. What fits no form is read one by
one, in one of two ways:

- strictly (`parse_programs`): by `scene.program.parse_program`; an answer that breaks
  the grammar has no objects and is marked as not parsed;
- leniently (`read_leniently`): what can be found in a line counts, as in the paper's
  protocol; an unreadable number is 0, and so are the numbers of a location or a
  rotation that is missing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from igllm_pipelines.metrics.lines import (
    Lines,
    WordOf,
    number_or,
    place_of,
    read_forms,
    split_lines,
    word_index,
)
from igllm_pipelines.metrics.patterns import read_patterns
from igllm_pipelines.metrics.table import (
    FloatArray,
    ObjectTable,
    as_table,
    convert_rows,
    paused_gc,
    starts_of,
)
from igllm_pipelines.scene import ProgramSyntax, Scene, parse_program
from igllm_pipelines.scene.program import WORD_ATTRIBUTES
from igllm_pipelines.scene.rotations import from_representation, quat_from_yaw

_SAID = re.compile(
    rf"\b({'|'.join(WORD_ATTRIBUTES)})\s*=\s*(['\"])([^'\"\n]*)\2", re.ASCII
)
_NUMBERS = re.compile(
    r"\b(loc|x|y|rotation)\s*=\s*(?:\(([^()]*)|([^(),\s]*))", re.ASCII
)
ToQuats = Callable[[FloatArray], FloatArray]


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
        lines = split_lines(programs, syntax)
        read_patterns(lines, syntax, word_of)
        read_forms(lines, syntax, word_of)
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
        lines = split_lines(programs, syntax)
        read_patterns(lines, syntax, word_of)
        read_forms(lines, syntax, word_of)
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


def _read_line(lines: Lines, row: int, word_of: WordOf) -> None:
    """Finds what can be found in one line."""
    lines.location[row] = lines.rotation[row] = 0.0
    text = lines.text[row].partition("\n")[0]
    for name, _, word in _SAID.findall(text):
        lines.words[name][row] = word_index(lines, name, word_of(name, word))
    for name, several, single in _NUMBERS.findall(text):
        array, axes = place_of(lines, name)
        numbers = several.split(",") if several else [single]
        for axis, number in zip(axes, numbers, strict=False):
            array[row, axis] = number_or(number, 0.0)
