"""Decoding in one pass: batched, with a key-value cache.

The numeric head reads the hidden state that emits ``[NUM]``, and where values are fed
back, the one just read enters the embedding of the token. The paper's code decodes one
image at a time and reads the numbers in a second full pass; without feedback both give
the same numbers.
"""

import time
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64
from torch import Tensor
from transformers import DynamicCache

from igllm_pipelines.infer.grammar import GrammarRows
from igllm_pipelines.infer.sampling import Sampler
from igllm_pipelines.model.igllm import IGLLM


@dataclass
class Answer:
    """What the model said about one image.

    Attributes:
        ids: emitted tokens without the end token.
        numbers: the value of each ``[NUM]`` among them.
        stds: their standard deviations, empty where the head does not say.
        log_probability: of the emitted tokens, end included, without the mask.
        finished: the end token came before the limit.
        seconds: its share of the batch's time.
    """

    ids: list[int] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    stds: list[float] = field(default_factory=list)
    log_probability: float = 0.0
    finished: bool = False
    seconds: float = 0.0


@torch.inference_mode()
def decode(
    model: IGLLM,
    vision: Tensor,
    prefix_ids: Int64[Tensor, " prefix"],
    question_ids: Int64[Tensor, " question"],
    *,
    end_id: int,
    max_tokens: int,
    grammar: GrammarRows | None = None,
    sampler: Sampler | None = None,
) -> list[Answer]:
    """Answers for a batch of images; a row that has ended leaves the batch.

    Args:
        model: in evaluation mode.
        vision: images or features, see `IGLLM.vision_tokens`.
        prefix_ids: what stands before the image.
        question_ids: what stands between image and answer.
        end_id: the token that ends an answer.
        max_tokens: limit on the tokens of an answer.
        grammar: masks the tokens, None for no mask.
        sampler: draws the tokens, None for the likeliest ones.
    """
    start = time.perf_counter()
    answers = [Answer() for _ in range(len(vision))]
    running = list(answers)
    cache = DynamicCache()
    prompt = model.embed(vision, prefix_ids, question_ids.expand(len(vision), -1))
    states = model.hidden_states(prompt, cache)[:, -1]
    for _ in range(max_tokens):
        tokens = _emit(model, states, running, grammar, sampler)
        values = _read_numbers(model, states, tokens, running)
        going = [row for row, token in enumerate(tokens.tolist()) if token != end_id]
        if len(going) < len(running):
            _finish(running, going)
            if not going:
                break
            running = [running[row] for row in going]
            kept = torch.tensor(going, device=tokens.device)
            cache.batch_select_indices(kept)
            tokens, values = tokens[kept], values[kept]
            for rows in (grammar, sampler):
                if rows is not None:
                    rows.select(going)
        words = model.embed_text(tokens[:, None], values[:, None])
        states = model.hidden_states(words, cache)[:, -1]
    share = (time.perf_counter() - start) / max(1, len(answers))
    for answer in answers:
        answer.seconds = share
    return answers


def _emit(
    model: IGLLM,
    states: Tensor,
    running: list[Answer],
    grammar: GrammarRows | None,
    sampler: Sampler | None,
) -> Tensor:
    """Chooses each row's next token and notes it in its answer."""
    logits = model.logits(states)
    log_probabilities = logits.log_softmax(dim=-1)
    if model.numeric_head is None:
        logits[:, model.num_id] = -torch.inf  # there is nothing to read its value
    if grammar is not None:
        logits.masked_fill_(~grammar.allowed().to(logits.device), -torch.inf)
    tokens = logits.argmax(dim=-1) if sampler is None else sampler.choose(logits)
    chosen = log_probabilities.gather(1, tokens[:, None])[:, 0].tolist()
    ids = tokens.tolist()
    if grammar is not None:
        grammar.accept(ids)
    for answer, token, value in zip(running, ids, chosen, strict=True):
        answer.ids.append(token)
        answer.log_probability += value
    return tokens


def _read_numbers(
    model: IGLLM, states: Tensor, tokens: Tensor, running: list[Answer]
) -> Tensor:
    """The value of each row's token, 0 where it is no ``[NUM]``; notes the others."""
    values = torch.zeros(len(tokens), device=tokens.device)
    is_number = tokens == model.num_id
    if model.numeric_head is None or not is_number.any():
        return values
    read = model.numbers(states[is_number])
    values[is_number] = read.value
    rows = is_number.nonzero()[:, 0].tolist()
    for row, value in zip(rows, read.value.tolist(), strict=True):
        running[row].numbers.append(value)
    if read.std is not None:
        for row, std in zip(rows, read.std.tolist(), strict=True):
            running[row].stds.append(std)
    return values


def _finish(running: list[Answer], going: list[int]) -> None:
    for row in set(range(len(running))) - set(going):
        running[row].ids.pop()  # the end token
        running[row].finished = True
