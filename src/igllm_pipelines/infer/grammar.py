"""The program grammar as a mask over the next token.

llguidance says which tokens may follow. What may follow depends only on how many lines
an answer has, which attributes its last line holds and how the attribute that is being
written begins. So each mask is computed once, for all answers that stand at that place,
in this batch and in later ones.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import llguidance
import llguidance.hf
import llguidance.numpy
import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from igllm_pipelines.infer.grammar_rules import (
    GrammarError,
    lark_grammar,
    turning_arguments,
)
from igllm_pipelines.scene.program import ProgramSyntax
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer

__all__ = ["GrammarError", "GrammarRows", "ProgramGrammar"]

Packed = NDArray[np.uint8]  # a bit a token, the first the lowest

_ARGUMENT = re.compile(
    rb"(?:add\()?(?P<text>(?P<name>\w+)=(?:'[^']*'|\([^)]*\)|[^'(,)]+))"
    rb"(?:, |(?P<end>\)\n))"
)
_NUMBER = re.compile(rb"[+-]?[0-9]+\.[0-9]{3}")
_NONZERO = re.compile(rb"[1-9]")
_VALUE, _END = b"n", b"<end>"  # stand for any number, and for the end token


class Place(NamedTuple):
    """Where an answer stands: equal places go on in the same ways.

    Attributes:
        lines: whole lines, -1 before the program begins.
        held: attributes of the last line; a shape that may have a yaw as a whole.
        rest: what has been said since, without the numbers' values.
    """

    lines: int = -1
    held: frozenset[bytes] = frozenset()
    rest: bytes = b""


class _State:
    """A place with its mask, once it was asked for, and the places after it."""

    __slots__ = ("following", "mask", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.mask: Packed | None = None
        self.following: dict[int, _State] = {}


class ProgramGrammar:
    """The grammar, compiled for a tokenizer.

    Args:
        tokenizer: that the model was trained with.
        vocab_size: number of logits of the model.
        syntax, max_objects, canonical_order: see `lark_grammar`.
        numbers_as_text: numbers are written out and not ``[NUM]``.

    Raises:
        GrammarError: llguidance refuses the grammar.
    """

    def __init__(
        self,
        tokenizer: ProgramTokenizer,
        vocab_size: int,
        syntax: ProgramSyntax,
        max_objects: int,
        *,
        numbers_as_text: bool,
        canonical_order: bool = False,
    ) -> None:
        text = lark_grammar(
            syntax,
            max_objects,
            num_id=None if numbers_as_text else tokenizer.num_id,
            canonical_order=canonical_order,
            answer_open=tokenizer.conversation.answer_open,
        )
        self.vocab_size = vocab_size
        self._vocabulary = llguidance.hf.from_tokenizer(
            tokenizer.base, n_vocab=vocab_size, eos_token=tokenizer.end_id, slices=[]
        )
        grammar = llguidance.LLMatcher.grammar_from_lark(text)
        self._matcher = llguidance.LLMatcher(self._vocabulary, grammar)
        if self._matcher.is_error():
            raise GrammarError(self._matcher.get_error())
        self._open = tokenizer.conversation.answer_open.encode()
        self._turning = frozenset(map(str.encode, turning_arguments(syntax)))
        self._said = {tokenizer.num_id: _VALUE, tokenizer.end_id: _END}
        self._start = _State(Place())
        self._states = {self._start.place: self._start}
        self._masks: dict[bytes, Packed] = {}

    def rows(self, count: int) -> "GrammarRows":
        """The state of `count` answers at their start."""
        rows = GrammarRows(self)
        rows.add(count)
        return rows

    def start(self) -> "GrammarRow":
        """An answer at its start."""
        return GrammarRow(self, self._start, self._matcher.deep_copy(), [])

    def after(self, state: _State, token: int) -> _State:
        """The state that an allowed token leads to."""
        if token not in self._said:
            self._said[token] = self._vocabulary.decode_bytes([token])
        place = self._place(state.place, self._said[token])
        following = self._states.setdefault(place, _State(place))
        state.following[token] = following
        return following

    def _place(self, place: Place, said: bytes) -> Place:
        lines, held, rest = place
        rest += said
        if lines < 0 and rest.startswith(self._open):
            lines, rest = 0, rest[len(self._open) :]
        while lines >= 0 and (argument := _ARGUMENT.match(rest)):
            rest = rest[argument.end() :]
            if argument["end"]:
                lines, held = lines + 1, frozenset()
            else:
                turning = argument["text"] in self._turning
                held |= {argument["text" if turning else "name"]}
        if b"'" not in rest:  # words may hold digits too
            rest = _NONZERO.sub(b"1", _NUMBER.sub(_VALUE, rest))
        return Place(lines, held, rest)

    def mask(self, matcher: Any) -> Packed:
        """The tokens that may follow; equal masks are one array."""
        words = llguidance.numpy.allocate_token_bitmask(1, self.vocab_size)
        llguidance.numpy.fill_next_token_bitmask(matcher, words)
        packed = words[0].view(np.uint8)
        return self._masks.setdefault(packed.tobytes(), packed)


class GrammarRow:
    """Where one answer stands.

    Its matcher lags behind: it is told the tokens once a mask is missing.
    """

    __slots__ = ("_grammar", "_matcher", "_state", "_untold")

    def __init__(
        self, grammar: ProgramGrammar, state: _State, matcher: Any, untold: list[int]
    ) -> None:
        self._grammar = grammar
        self._state = state
        self._matcher = matcher
        self._untold = untold

    def copy(self) -> "GrammarRow":
        """The same place in an answer of its own."""
        matcher = self._matcher.deep_copy()
        return GrammarRow(self._grammar, self._state, matcher, [*self._untold])

    def mask(self) -> Packed:
        """The tokens that may follow."""
        if self._state.mask is None:
            self._matcher.consume_tokens(self._untold)
            self._untold.clear()
            self._state.mask = self._grammar.mask(self._matcher)
        return self._state.mask

    def accept(self, token: int) -> None:
        """Goes on by one token.

        Raises:
            GrammarError: the token is not allowed.
        """
        following = self._state.following.get(token)
        if following is None:
            if not self.mask()[token >> 3] >> (token & 7) & 1:
                raise GrammarError(f"token {token} does not follow {self._state.place}")
            following = self._grammar.after(self._state, token)
        self._state = following
        self._untold.append(token)


class GrammarRows:
    """Where each answer of a batch stands in the grammar."""

    def __init__(self, grammar: ProgramGrammar) -> None:
        self._grammar = grammar
        self._rows: list[GrammarRow] = []

    def add(self, count: int) -> None:
        """Appends `count` answers at their start."""
        self._rows += [self._grammar.start() for _ in range(count)]

    def allowed(
        self, device: torch.device | None = None
    ) -> Bool[Tensor, "rows vocabulary"]:
        """Which tokens may follow, on `device` or the CPU."""
        packed = np.stack([row.mask() for row in self._rows])
        return unpacked(packed, self._grammar.vocab_size, device)

    def accept(self, tokens: Sequence[int]) -> None:
        """Goes on by one token in each answer.

        Raises:
            GrammarError: a token is not allowed.
        """
        for row, token in zip(self._rows, tokens, strict=True):
            row.accept(token)

    def select(self, rows: Sequence[int]) -> None:
        """The answers become these of before, in this order; one may stand twice."""
        taken: set[int] = set()
        selected = []
        for index in rows:
            row = self._rows[index]
            selected.append(row.copy() if index in taken else row)
            taken.add(index)
        self._rows = selected


def unpacked(
    packed: Packed, count: int, device: torch.device | None = None
) -> Bool[Tensor, "rows vocabulary"]:
    """The first `count` bits of each row; sent to a GPU as they are, and read there."""
    if device is None or device.type == "cpu":
        bits = np.unpackbits(packed, axis=1, count=count, bitorder="little")
        return torch.from_numpy(bits.view(np.bool_))
    places = torch.arange(8, dtype=torch.uint8, device=device)
    bytes_there = torch.from_numpy(packed).to(device)
    return (bytes_there[:, :, None] >> places & 1).flatten(1)[:, :count].bool()
