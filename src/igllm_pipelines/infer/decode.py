"""Decoding in one pass: batched, with a key-value cache.

The numeric head reads the hidden state that emits ``[NUM]``, and where values are fed
back, the one just read enters the embedding of the token. The paper's code decodes one
image at a time and reads the numbers in a second full pass; without feedback both give
the same numbers.

Rows whose answer is complete leave the batch, and those of images that wait take their
places: a long program holds up no other.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from transformers import DynamicCache

from igllm_pipelines.infer.cache import RowCache, library_masks
from igllm_pipelines.infer.grammar import ProgramGrammar
from igllm_pipelines.infer.llama import LlamaStep, is_llama
from igllm_pipelines.infer.rows import Answer, Row, arranged
from igllm_pipelines.infer.search import Search
from igllm_pipelines.model.igllm import IGLLM


class Prompt(NamedTuple):
    """Ids of the text around an image."""

    prefix: Int64[Tensor, " prefix"]
    question: Int64[Tensor, " question"]


class Batch:
    """Answers that are written together.

    A step's time is shared by the images in the batch: its clock counts seconds an
    image.

    Args:
        model: in evaluation mode.
        prompt: what stands before the image, and between it and the answer.
        search: chooses the tokens.
        grammar: masks them, None for no mask.
        num_images: most images at once.
    """

    def __init__(
        self,
        model: IGLLM,
        prompt: Prompt,
        search: Search,
        grammar: ProgramGrammar | None,
        num_images: int,
    ) -> None:
        self._model = model
        self._prompt = prompt
        self._search = search
        self._grammar = grammar.rows(0) if grammar else None
        base = model.language_model.base_model
        self._llama = LlamaStep(base) if is_llama(base) else None
        self._cache = RowCache(num_images * search.rows_per_image)
        self._rows: list[Row] = []
        self._states = torch.zeros(0)
        self._clock_s = 0.0
        self._since_s: dict[int, float] = {}

    @property
    def num_images(self) -> int:
        """Images whose answer is not complete."""
        return len(self._since_s)

    def add(self, rows: Sequence[Row], vision: Tensor) -> None:
        """Starts answers.

        Args:
            rows: one an image.
            vision: images or features, see `IGLLM.vision_tokens`.
        """
        start_s = time.perf_counter()
        prompts = DynamicCache()
        question = self._prompt.question.expand(len(vision), -1)
        embeddings = self._model.embed(vision, self._prompt.prefix, question)
        states = self._model.hidden_states(embeddings, prompts)[:, -1]
        self._cache.add(prompts)
        if self._grammar is not None:
            self._grammar.add(len(rows))
        self._states = states if not self._rows else torch.cat([self._states, states])
        self._rows += rows
        spent_s = (time.perf_counter() - start_s) / len(rows)
        for row in rows:
            self._since_s[row.image] = self._clock_s - spent_s

    def step(self) -> list[tuple[int, Answer]]:
        """Each row goes on by one token; answers that are complete, by their place."""
        start_s, sharing = time.perf_counter(), self.num_images
        rows, parents, tokens = self._search.grow(*self._scores(), self._rows)
        states = self._states if parents is None else self._states[parents]
        values = self._read_numbers(states, tokens, rows)
        complete = self._search.settle(rows)
        if parents is not None or complete:
            going = self._keep(rows, parents)
            tokens = [tokens[place] for place in going]
            values = None if values is None else values[going]
        if self._rows:
            self._forward(tokens, values)
        self._clock_s += (time.perf_counter() - start_s) / sharing
        for image, answer in complete:
            answer.seconds = self._clock_s - self._since_s.pop(image)
        return complete

    def _scores(self) -> tuple[Tensor, Tensor]:
        """Masked logits of the next token, and log-probabilities without the mask."""
        logits = self._model.logits(self._states)
        log_probabilities = logits.log_softmax(dim=-1)
        if self._model.numeric_head is None:
            logits[:, self._model.num_id] = -torch.inf  # nothing would read its value
        if self._grammar is not None:
            allowed = self._grammar.allowed(logits.device)
            logits.masked_fill_(~allowed, -torch.inf)
        return logits, log_probabilities

    def _read_numbers(
        self, states: Tensor, tokens: list[int], rows: Sequence[Row]
    ) -> Tensor | None:
        """The value of each row's token, 0 where it is no ``[NUM]``; notes the others.

        None where no row says ``[NUM]``.
        """
        num_id = self._model.num_id
        places = [place for place, token in enumerate(tokens) if token == num_id]
        if self._model.numeric_head is None or not places:
            return None
        everywhere = len(places) == len(tokens)
        read = self._model.numbers(states if everywhere else states[places])
        numbers = read.value.tolist()
        stds = None if read.std is None else read.std.tolist()
        for index, place in enumerate(places):
            rows[place].answer.numbers.append(numbers[index])
            if stds is not None:
                rows[place].answer.stds.append(stds[index])
        if everywhere:
            return read.value
        values = torch.zeros(len(tokens), device=states.device)
        values[places] = read.value
        return values

    def _keep(self, rows: list[Row], parents: list[int] | None) -> list[int]:
        """Ended rows leave, the others stand close; places of these among `rows`."""
        going = [place for place, row in enumerate(rows) if not row.ended]
        froms = going if parents is None else [parents[place] for place in going]
        order = arranged(froms)
        going = [going[place] for place in order]
        froms = [froms[place] for place in order]
        self._rows = [rows[place] for place in going]
        self._cache.select(froms)
        if self._grammar is not None:
            self._grammar.select(froms)
        return going

    def _forward(self, ids: list[int], values: Tensor | None) -> None:
        if self._grammar is not None:
            self._grammar.accept(ids)
        tokens = torch.tensor(ids, device=self._states.device)[:, None]
        words = self._model.embed_text(
            tokens, None if values is None else values[:, None]
        )
        positions, mask = self._cache.step()
        if self._llama is not None:
            self._states = self._llama(words, self._cache, positions, mask)
            return
        states = self._model.hidden_states(
            words,
            self._cache,
            position_ids=positions,
            attention_mask=library_masks(mask, self._model.language_model.config),
        )
        self._states = states[:, -1]


@torch.inference_mode()
def decode(
    model: IGLLM,
    prompt: Prompt,
    load: Callable[[slice], Tensor],
    count: int,
    *,
    search: Search,
    batch_size: int,
    grammar: ProgramGrammar | None = None,
    rng: Callable[[int], np.random.Generator] | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Answers for many images, each with the place of its image, as they are complete.

    Args:
        model: in evaluation mode.
        prompt: what stands before an image, and between it and the answer.
        load: images or features at some places, see `IGLLM.vision_tokens`.
        count: number of images.
        search: chooses the tokens.
        batch_size: most images at once; it changes no result.
        grammar: masks the tokens, None for no mask.
        rng: draws the tokens of the image at a place; needed where some are drawn.
    """
    batch_size = min(batch_size, count)
    batch = Batch(model, prompt, search, grammar, batch_size)
    # a prompt costs less beside others, and an empty row little for a few steps
    worth_it = max(1, batch_size // 8)
    asked = 0
    while asked < count or batch.num_images:
        waiting, free = count - asked, batch_size - batch.num_images
        if waiting and free >= min(waiting, worth_it):
            places = slice(asked, asked + min(waiting, free))
            rows = [Row(place, Answer()) for place in range(places.start, places.stop)]
            if rng is not None:
                for row in rows:
                    row.rng = rng(row.image)
            batch.add(rows, load(places))
            asked = places.stop
        yield from batch.step()
