"""Means over a global batch that is computed in pieces.

A piece's loss is the mean over its own labelled tokens. The mean of such means is not
the mean over all tokens, as pieces hold unequal numbers of them: every piece is
weighed by its share.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from igllm_pipelines.model.igllm import IGLLM, IGNORE, IGLLMOutput


def label_counts(model: IGLLM, labels: Tensor) -> Tensor:
    """How many labelled tokens there are, and how many numbers or digits: int64 (2,).

    Args:
        model: knows what a number is to the loss.
        labels: ids, -100 where there is no loss.
    """
    if model.numeric_head is not None:
        numbers = labels == model.num_id
    elif model.number_token_loss is not None:
        numbers = torch.isin(labels, model.number_token_loss.digit_ids)
    else:
        numbers = torch.zeros_like(labels, dtype=torch.bool)
    return torch.stack([(labels != IGNORE).sum(), numbers.sum()])


def shared_out(
    output: IGLLMOutput, counts: Tensor, totals: Tensor, pieces: int
) -> IGLLMOutput:
    """The losses of a piece, such that their mean over all pieces is the batch's loss.

    Args:
        output: means over the piece.
        counts: `label_counts` of the piece.
        totals: their sums over all pieces.
        pieces: into which the batch is cut.
    """
    tokens, numbers = (counts / totals.clamp(min=1) * pieces).float()
    weighted = (output.loss - output.ce) * numbers  # with the weight of the numbers
    return IGLLMOutput(
        loss=output.ce * tokens + weighted,
        ce=output.ce * tokens,
        number_mse=output.number_mse * numbers,
        number_loss=output.number_loss * numbers,
    )


def total_counts(model: IGLLM, batches: list[Mapping[str, Any]]) -> Tensor:
    """Sum of `label_counts` over the pieces of one process."""
    counts = [label_counts(model, batch["labels"]) for batch in batches]
    return torch.stack(counts).sum(dim=0)
