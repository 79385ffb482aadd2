"""Greedy decoding in one pass: batched, with a key-value cache.

The numeric head reads the hidden state that emits ``[NUM]``. The paper's code decodes
one image at a time and reads the numbers in a second full pass; the value is never fed
back, so both give the same numbers.
"""

import time
from dataclasses import dataclass, field

import torch
from jaxtyping import Int64
from torch import Tensor
from transformers import DynamicCache

from igllm_pipelines.infer.grammar import GrammarRows
from igllm_pipelines.model.igllm import IGLLM


@dataclass
class Answer:
    """What the model said about one image.

    Attributes:
        ids: emitted tokens without the end token.
        numbers: the value of each ``[NUM]`` among them.
        log_probability: of the emitted tokens, end included, without the mask.
        finished: the end token came before the limit.
        seconds: its share of the batch's time.
    """

    ids: list[int] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
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
    """
    start = time.perf_counter()
    answers = [Answer() for _ in range(len(vision))]
    running = list(answers)
    cache = DynamicCache()
    prompt = model.embed(vision, prefix_ids, question_ids.expand(len(vision), -1))
    states = model.hidden_states(prompt, cache)[:, -1]
    for _ in range(max_tokens):
        tokens = _emit(model, states, running, grammar)
        going = [row for row, token in enumerate(tokens.tolist()) if token != end_id]
        if len(going) < len(running):
            _finish(running, going)
            if not going:
                break
            running = [running[row] for row in going]
            kept = torch.tensor(going, device=tokens.device)
            cache.batch_select_indices(kept)
            tokens = tokens[kept]
            if grammar is not None:
                grammar.keep(going)
        words = model.language_model.get_input_embeddings()(tokens)
        states = model.hidden_states(words[:, None], cache)[:, -1]
    share = (time.perf_counter() - start) / max(1, len(answers))
    for answer in answers:
        answer.seconds = share
    return answers


def _emit(
    model: IGLLM, states: Tensor, running: list[Answer], grammar: GrammarRows | None
) -> Tensor:
    """Chooses each row's next token and notes it in its answer."""
    logits = model.logits(states)
    log_probabilities = logits.log_softmax(dim=-1)
    if model.numeric_head is None:
        logits[:, model.num_id] = -torch.inf  # there is nothing to read its value
    if grammar is not None:
        logits.masked_fill_(~grammar.allowed().to(logits.device), -torch.inf)
    tokens = logits.argmax(dim=-1)
    chosen = log_probabilities.gather(1, tokens[:, None])[:, 0].tolist()
    ids = tokens.tolist()
    if grammar is not None:
        grammar.accept(ids)
    for answer, token, value in zip(running, ids, chosen, strict=True):
        answer.ids.append(token)
        answer.log_probability += value
    is_number = tokens == model.num_id
    if is_number.any():
        values = iter(model.numbers(states[is_number]).tolist())
        for answer, token in zip(running, ids, strict=True):
            if token == model.num_id:
                answer.numbers.append(next(values))
    return tokens


def _finish(running: list[Answer], going: list[int]) -> None:
    for row in set(range(len(running))) - set(going):
        running[row].ids.pop()  # the end token
        running[row].finished = True
