"""Lines of programs that differ in their digits alone, read all at once.

Programs are written by one hand: where every digit is made a 0 and every sign a plus, a
file of predictions has a few hundred different lines, its patterns. The grammar reads
each pattern once; it knows then where the numbers of all its lines stand, and their
digits are columns of one array of bytes. What is rare, or says more than plain numbers
and words without digits, is left to `metrics.lines`.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.metrics.lines import (
    Lines,
    WordOf,
    expression,
    form_of,
    place_of,
    word_index,
)
from igllm_pipelines.metrics.table import FloatArray, IntArray, starts_of
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

_MASK = str.maketrans("-123456789", "+000000000")
_BETWEEN = "\0"
_PLAIN = re.compile(r"\+?0+(?:\.0+)?")
_MAX_DIGITS = 15  # up to which digits / power of ten is what float() says
_MIN_LINES = 8  # a pattern costs as much as so many lines by themselves

Slot = tuple[str, int]  # a number attribute and its component


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What the grammar says of a pattern.

    Attributes:
        words: index of each attribute's word in the vocabulary of `Lines`.
        numbers: where each number begins, and its own pattern, such as ``+0.000``.
    """

    words: Mapping[str, int]
    numbers: Mapping[Slot, tuple[int, str]]


def read_patterns(lines: Lines, syntax: ProgramSyntax, word_of: WordOf) -> None:
    """Reads the lines, none of which was read yet, that have a frequent pattern."""
    joined = _BETWEEN.join(lines.text)
    masked = joined.translate(_MASK).split(_BETWEEN)
    if len(masked) != len(lines.text):  # there are none, or a text holds the separator
        return
    index: defaultdict[str, int] = defaultdict(count().__next__)
    of_line = np.fromiter(map(index.__getitem__, masked), np.int64, len(masked))
    frequent = np.bincount(of_line) >= _MIN_LINES
    patterns = [
        _read(text, lines, syntax, word_of) if often else None
        for text, often in zip(index, frequent.tolist(), strict=True)
    ]
    lines.done[:] = np.array([*map(bool, patterns)])[of_line]
    for name in WORD_ATTRIBUTES:
        words = [pattern.words.get(name, 0) if pattern else 0 for pattern in patterns]
        lines.words[name][:] = np.array(words)[of_line]
    _fill_numbers(lines, joined, of_line, patterns)


def _read(
    masked: str, lines: Lines, syntax: ProgramSyntax, word_of: WordOf
) -> _Pattern | None:
    """None where the lines of a pattern are to be read by themselves."""
    form = form_of(masked, syntax)
    match = expression(form, syntax).fullmatch(masked) if form else None
    if not form or not match or {"loc", "x"} <= {*form}:  # two places
        return None
    words: dict[str, int] = {}
    numbers: dict[Slot, tuple[int, str]] = {}
    group = 0
    for name in form:
        if name in WORD_ATTRIBUTES:
            group += 1
            word = match[group]
            if "0" in word or "+" in word:
                return None
            words[name] = word_index(lines, name, word and word_of(name, word))
            if not words[name]:
                return None
            continue
        for axis in place_of(lines, name)[1]:
            group += 1
            if not _is_plain(match[group]):
                return None
            numbers[name, axis] = match.start(group), match[group]
    return _Pattern(words, numbers)


def _is_plain(number: str) -> bool:
    return bool(_PLAIN.fullmatch(number)) and number.count("0") <= _MAX_DIGITS


def _fill_numbers(
    lines: Lines, joined: str, of_line: IntArray, patterns: Sequence[_Pattern | None]
) -> None:
    """Reads the numbers of one attribute and one pattern of their own at a time."""
    text = np.frombuffer(joined.encode("ascii", "replace"), np.uint8)
    sizes = np.fromiter(map(len, lines.text), np.int64, len(lines.text))
    begins = starts_of(sizes + 1)[:-1]
    offsets: dict[tuple[Slot, str], IntArray] = defaultdict(
        lambda: np.full(len(patterns), -1)
    )
    for i, pattern in enumerate(patterns):
        for slot, (offset, number) in pattern.numbers.items() if pattern else ():
            offsets[slot, number][i] = offset
    for ((name, axis), number), of_pattern in offsets.items():
        of_rows = of_pattern[of_line]
        rows: Any = slice(None)  # all lines, as is usual of a location
        if of_rows.min() < 0:
            rows = np.flatnonzero(of_rows >= 0)
        array, _ = place_of(lines, name)
        array[rows, axis] = _numbers(text, begins[rows] + of_rows[rows], number)
        if name == "x":
            array[rows, 2] = 0.0


def _numbers(text: NDArray[np.uint8], begins: IntArray, pattern: str) -> FloatArray:
    """The numbers of one pattern that begin there, as ``float`` reads them."""
    digits = [i for i, character in enumerate(pattern) if character == "0"]
    powers = 10.0 ** np.arange(len(digits))[::-1]
    whole = (text[begins[:, None] + digits] - ord("0")) @ powers
    values = whole / 10.0 ** len(pattern.partition(".")[2])
    return np.where(text[begins] == ord("-"), -values, values)
