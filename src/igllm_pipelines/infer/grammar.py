"""The program grammar as a mask over the next token.

The grammar is context-free and finite: 1 to `max_objects` lines, in each every
attribute exactly once (a yaw at most once: only cubes have one), words of the
vocabulary or their synonyms, numbers of 3 decimals or ``[NUM]``. What it allows parses.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import llguidance
import llguidance.hf
import llguidance.numpy
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from igllm_pipelines.scene.program import ADD, END, ProgramSyntax
from igllm_pipelines.tokens.conversation import ANSWER_CLOSE, ANSWER_OPEN
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer


def lark_grammar(
    syntax: ProgramSyntax,
    max_objects: int,
    *,
    num_id: int | None,
    canonical_order: bool = False,
    answer_open: str = ANSWER_OPEN,
) -> str:
    """The grammar of an answer in llguidance's Lark dialect.

    Args:
        syntax: of the domain.
        max_objects: most lines of a program.
        num_id: id of ``[NUM]``; None where numbers are text.
        canonical_order: attributes stand in the syntax' order, else in any.
        answer_open: what an answer begins with.
    """
    rules = [
        # or text that must follow is cut into other tokens than the model has learned
        '%llguidance {"no_forcing": true}',
        f"start: {_quote(answer_open)} line{{1,{max_objects}}} {_quote(ANSWER_CLOSE)}",
        f"line: {_quote(ADD)} after_0",
        f"num: <[{num_id}]>" if num_id is not None else f"num: {_number(syntax)}",
        *(f"{name}: {_value(name, syntax)}" for name in syntax.attributes),
        *_orders(syntax, canonical_order),
    ]
    return "\n".join(rules) + "\n"


def _orders(syntax: ProgramSyntax, canonical: bool) -> Iterator[str]:
    """One rule for each set of attributes that a line may already hold."""
    names = syntax.attributes
    optional = _bits({"rotation"}, names) if syntax.rotation_rep == "yaw" else 0
    everything = (1 << len(names)) - 1
    reachable = [0]
    for held in reachable:
        options = [_quote(END)] if held | optional == everything else []
        for index, name in enumerate(names):
            then = held | 1 << index
            before = (1 << index) - 1
            in_order = held <= before and (held | optional) & before == before
            if held == then or (canonical and not in_order):
                continue
            comma = f"{_quote(', ')} " if held else ""
            options.append(f"{comma}{name} after_{then}")
            if then not in reachable:
                reachable.append(then)
        yield f"after_{held}: {' | '.join(options)}"


def _bits(wanted: set[str], names: Sequence[str]) -> int:
    return reduce(int.__or__, (1 << i for i, n in enumerate(names) if n in wanted), 0)


def _value(name: str, syntax: ProgramSyntax) -> str:
    count = syntax.num_components(name)
    if count:
        numbers = f" {_quote(', ')} ".join(["num"] * count)
        if count > 1:
            numbers = f"{_quote('(')} {numbers} {_quote(')')}"
        return f"{_quote(name + '=')} {numbers}"
    words = (s for word in syntax.words[name] for s in syntax.spellings(name, word))
    return " | ".join(_quote(f"{name}='{word}'") for word in words)


def _number(syntax: ProgramSyntax) -> str:
    """A number as `ProgramSyntax.format_number` writes it, at most 2 digits before."""
    sign = "[+\\-]" if "+" in syntax.number_format else "-?"
    return f"/{sign}[0-9]{{1,2}}\\.[0-9]{{3}}/"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class GrammarError(ValueError):
    """The grammar could not be compiled, or a token left it."""


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
        vocabulary = llguidance.hf.from_tokenizer(
            tokenizer.base,
            n_vocab=vocab_size,
            eos_token=tokenizer.end_id,
            slices=[],
        )
        grammar = llguidance.LLMatcher.grammar_from_lark(text)
        self._matcher = llguidance.LLMatcher(vocabulary, grammar)
        self._vocab_size = vocab_size
        if self._matcher.is_error():
            raise GrammarError(self._matcher.get_error())

    def rows(self, count: int) -> "GrammarRows":
        """The state of `count` answers at their start."""
        rows = GrammarRows(self._matcher, self._vocab_size)
        rows.add(count)
        return rows


class GrammarRows:
    """Where each answer of a batch stands in the grammar."""

    def __init__(self, start: Any, vocab_size: int) -> None:
        self._start = start
        self._matchers: list[Any] = []
        self._vocab_size = vocab_size

    def add(self, count: int) -> None:
        """Appends `count` answers at their start."""
        self._matchers += [self._start.deep_copy() for _ in range(count)]

    def allowed(self) -> Bool[Tensor, "rows vocabulary"]:
        """Which tokens may follow."""
        mask = llguidance.numpy.allocate_token_bitmask(
            len(self._matchers), self._vocab_size
        )
        for row, matcher in enumerate(self._matchers):
            llguidance.numpy.fill_next_token_bitmask(matcher, mask, row)
        bits = np.unpackbits(mask.view(np.uint8), axis=1, bitorder="little")
        return torch.from_numpy(bits[:, : self._vocab_size].astype(bool))

    def accept(self, tokens: Sequence[int]) -> None:
        """Goes on by one token in each answer.

        Raises:
            GrammarError: a token is not allowed.
        """
        for matcher, token in zip(self._matchers, tokens, strict=True):
            if not matcher.consume_token(token):
                raise GrammarError(matcher.get_error())

    def select(self, rows: Sequence[int]) -> None:
        """The answers become these of before, in this order; one may stand twice."""
        taken: set[int] = set()
        matchers = []
        for row in rows:
            matcher = self._matchers[row]
            matchers.append(matcher.deep_copy() if row in taken else matcher)
            taken.add(row)
        self._matchers = matchers
