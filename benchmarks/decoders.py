"""Other ways to decode, for ``decode.py``: the paper's, and saying what one is told."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from igllm_pipelines.infer.decode import Prompt
from igllm_pipelines.infer.rows import Answer, Row
from igllm_pipelines.infer.search import Growth, OneRow
from igllm_pipelines.model.igllm import IGLLM


@torch.inference_mode()
def two_passes(
    model: IGLLM, prompt: Prompt, vision: Tensor, answer_tokens: int
) -> Answer:
    """What the paper's code does with one image, in our own words.

    The library generates the text; then the whole sequence goes through the model once
    more, logits included, and the numbers are read.

    Args:
        model: whose numbers are not fed back.
        prompt: the text around the image.
        vision: one image or its features.
        answer_tokens: number of tokens to say.
    """
    question = prompt.question[None]
    embeddings = model.embed(vision, prompt.prefix, question)
    said = model.language_model.generate(
        inputs_embeds=embeddings,
        attention_mask=torch.ones(embeddings.shape[:2], dtype=torch.int64),
        max_new_tokens=answer_tokens,
        do_sample=False,
    )
    sequence = model.embed(vision, prompt.prefix, torch.cat([question, said], dim=1))
    states = model.hidden_states(sequence)
    model.logits(states)
    before = states[:, -said.shape[1] - 1 : -1]
    values = model.numbers(before[said == model.num_id]).value
    return Answer(said[0].tolist(), values.tolist())


class Told(OneRow):
    """Says given programs, at the cost of choosing the likeliest tokens.

    Args:
        programs: tokens of each image's answer, the end token included.
        end_id: the token that ends an answer.
    """

    def __init__(self, programs: Sequence[Sequence[int]], end_id: int) -> None:
        super().__init__(end_id, max(map(len, programs)))
        self._programs = programs

    def grow(
        self,
        logits: Float[Tensor, "rows vocabulary"],
        log_probabilities: Float[Tensor, "rows vocabulary"],
        rows: list[Row],
    ) -> Growth:
        """See `Search`."""
        told = torch.tensor(
            [self._programs[row.image][len(row.answer.ids)] for row in rows]
        )
        logits.scatter_(1, told[:, None], 1e4)
        return super().grow(logits, log_probabilities, rows)
