"""A tokenizer as the project needs it: programs, their numbers, the conversation.

It holds a tokenizer of transformers, trained from scratch for a domain
(`igllm_pipelines.tokens.tokenizer`) or pretrained
(`igllm_pipelines.tokens.pretrained`). Texts are pieces from the middle of a sequence:
some tokenizers put a space before every text, so that a piece is tokenized behind an
anchor, whose tokens are dropped.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from igllm_pipelines.scene.program import NUM
from igllm_pipelines.tokens.conversation import ANSWER_CLOSE, PLAIN, Conversation

FILE = "program_tokenizer.json"


class TokenizerError(ValueError):
    """A tokenizer cannot be found, or cannot write programs."""


@dataclass(frozen=True)
class ProgramTokenizer:
    """A tokenizer of programs and of the conversation around them.

    Attributes:
        base: the tokenizer of transformers.
        num_id: of the token that stands for a number. It is the same in every
            encoding; where numbers are text, nothing uses it.
        end_id: of the token that ends an answer.
        pad_id: of the padding behind an answer; nothing reads it.
        prefix_ids: what stands before the image.
        conversation: the text around image and program.
        anchor: stands before every text while it is tokenized; may be empty.
        spaced: a line is cut before its spaces, where pretrained tokenizers cut
            themselves; else behind them.
    """

    base: Any
    num_id: int
    end_id: int
    pad_id: int
    prefix_ids: list[int]
    conversation: Conversation = PLAIN
    anchor: str = ""
    spaced: bool = False
    _anchor_ids: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = raw_ids(self.base, [self.anchor])[0] if self.anchor else []
        object.__setattr__(self, "_anchor_ids", ids)

    def __len__(self) -> int:
        """Number of ids."""
        return len(self.base)

    @property
    def question_ids(self) -> list[int]:
        """What stands between image and answer."""
        return self.encode([self.conversation.question])[0]

    @property
    def answer_open_ids(self) -> list[int]:
        """The answer up to the first line of the program."""
        return self.encode([self.conversation.answer_open])[0]

    @property
    def answer_close_ids(self) -> list[int]:
        """What follows the last line of the program, end included."""
        return [*self.encode([ANSWER_CLOSE])[0], self.end_id]

    @property
    def digit_ids(self) -> list[int]:
        """The tokens of 0 to 9, for the number-token loss.

        Raises:
            TokenizerError: numbers are not written digit by digit.
        """
        digits = "0123456789"
        point, whole = self.encode([".", f".{digits}"])
        ids = whole[len(point) :]
        if whole[: len(point)] != point or len(ids) != len(digits):
            raise TokenizerError(
                "this tokenizer does not write numbers digit by digit, which the "
                "number-token loss needs: set number_token_weight to 0"
            )
        return ids

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts from the middle of a sequence.

        Args:
            texts: ``[NUM]`` in them is the number token.

        Raises:
            TokenizerError: a text runs into the anchor or uses the number token.
        """
        cut = [text.split(NUM) for text in texts]
        pieces = list(dict.fromkeys(piece for parts in cut for piece in parts if piece))
        ids = dict(zip(pieces, self._continue(pieces), strict=True))
        return [self._join([ids.get(piece, []) for piece in parts]) for parts in cut]

    def _continue(self, pieces: list[str]) -> list[list[int]]:
        if not pieces:
            return []
        start = len(self._anchor_ids)
        found = raw_ids(self.base, [self.anchor + piece for piece in pieces])
        for piece, ids in zip(pieces, found, strict=True):
            if ids[:start] != self._anchor_ids or self.num_id in ids[start:]:
                raise TokenizerError(
                    f"the text {piece!r} cannot be tokenized: it merges with what "
                    "stands before it, or holds the token that stands for numbers"
                )
        return [ids[start:] for ids in found]

    def _join(self, parts: list[list[int]]) -> list[int]:
        joined = list(parts[0])
        for ids in parts[1:]:
            joined += [self.num_id, *ids]
        return joined

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens from the middle of a sequence, ``[NUM]`` for numbers."""
        texts = []
        for is_number, group in groupby(ids, lambda found: found == self.num_id):
            found = list(map(int, group))
            texts.append(NUM * len(found) if is_number else self._text(found))
        return "".join(texts)

    def _text(self, ids: list[int]) -> str:
        text: str = self.base.decode(
            [*self._anchor_ids, *ids],
            skip_special_tokens=False,
            clean_up_tokenization_spaces=False,
        )
        return text[len(self.anchor) :]

    def save(self, folder: Path) -> None:
        """Writes a folder that transformers can read too."""
        self.base.save_pretrained(str(folder))
        settings = {
            name: getattr(self, name)
            for name in ("num_id", "end_id", "pad_id", "prefix_ids", "anchor", "spaced")
        }
        settings["conversation"] = self.conversation._asdict()
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "ProgramTokenizer":
        """Reads what `save` wrote.

        Raises:
            TokenizerError: a file is missing or broken.
        """
        from transformers import AutoTokenizer

        try:
            settings = json.loads((folder / FILE).read_text(encoding="utf-8"))
            settings["conversation"] = Conversation(**settings["conversation"])
            # False: not even a question whether code of the folder may run
            base = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
            return cls(base, **settings)
        except Exception as error:  # JSON, values, transformers and tokenizers
            raise TokenizerError(
                f"{folder}: {error!r}; delete the folder and tokenize again"
            ) from error


def raw_ids(base: Any, texts: list[str]) -> list[list[int]]:
    """Ids of whole texts, without the special tokens that some tokenizers add."""
    ids: list[list[int]] = base(texts, add_special_tokens=False)["input_ids"]
    return ids
