"""IGLLM: an image tower, a projector, a language model and a numeric head.

A sequence is ``prefix | image tokens | text``. The hidden state at a position predicts
the next token; where that token is ``[NUM]``, the numeric head reads its value from the
same state. In the paper the value is not fed back: every ``[NUM]`` has one embedding. A
head with `feedback` adds the value to it.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from igllm_pipelines.model.language import next_token_logits
from igllm_pipelines.model.last_layer import last_mlp_from
from igllm_pipelines.model.numbers import (
    NumberEstimate,
    NumberTokenLoss,
    NumericHead,
)
from igllm_pipelines.model.towers import Tower

IGNORE = -100


class IGLLMOutput(NamedTuple):
    """Losses of a batch, scalars.

    ``loss``: ``ce + float_weight * number_loss``, where numbers are text ``ce +
    number_token_weight * number_loss``.
    ``ce``: cross-entropy of the labelled tokens.
    ``number_mse``: squared error of the numbers in their own unit, whatever is learned;
    0 where numbers are text.
    ``number_loss``: the head's loss, or the number-token loss.
    """

    loss: Tensor
    ce: Tensor
    number_mse: Tensor
    number_loss: Tensor


class IGLLM(nn.Module):
    """The model.

    Args:
        tower: images to tokens; it has ``num_tokens`` and ``width``.
        projector: tokens into the language model's space.
        language_model: a causal language model of transformers.
        numeric_head: hidden states to numbers, None where numbers are text.
        num_id: id of ``[NUM]``.
        float_weight: weight of the numeric head's loss.
        number_token_loss: of numbers that are text, None for cross-entropy alone.
        number_token_weight: its weight.
        external: names of the weights that come from a pretrained source and are not
            trained; storage leaves them out.
        settings: what the model was built from, JSON; it is stored with the weights.
    """

    def __init__(
        self,
        tower: Tower,
        projector: nn.Module,
        language_model: Any,
        numeric_head: NumericHead | None,
        *,
        num_id: int,
        float_weight: float = 1.0,
        number_token_loss: NumberTokenLoss | None = None,
        number_token_weight: float = 0.0,
        external: Collection[str] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.tower = tower
        self.projector = projector
        self.language_model: Any = language_model
        self.numeric_head = numeric_head
        self.num_id = num_id
        self.float_weight = float_weight
        self.number_token_loss = number_token_loss
        self.number_token_weight = number_token_weight
        self.external = frozenset(external)
        self.settings = dict(settings or {})

    def vision_tokens(self, vision: Tensor) -> Float[Tensor, "batch tokens hidden"]:
        """Projected tokens of images or of cached features.

        Args:
            vision: uint8 images ``(batch, height, width, 3)``, or the tower's output
                ``(batch, tokens, width)`` in any float type.

        Raises:
            ValueError: cached features of another tower.
        """
        if vision.dtype == torch.uint8:
            features = self.tower(vision)
        else:
            expected = (self.tower.num_tokens, self.tower.width)
            if tuple(vision.shape[1:]) != expected:
                raise ValueError(
                    f"features of shape {tuple(vision.shape[1:])}, but the tower makes "
                    f"{expected}; cache the features again"
                )
            features = vision
        weights = next(self.projector.parameters())
        projected: Tensor = self.projector(features.to(weights.dtype))
        return projected

    def embed(
        self,
        vision: Tensor,
        prefix_ids: Int64[Tensor, " prefix"],
        input_ids: Int64[Tensor, "batch text"],
        numbers: Float32[Tensor, "batch text"] | None = None,
    ) -> Float[Tensor, "batch sequence hidden"]:
        """The sequence ``prefix | image | text`` as embeddings.

        `numbers`, the value at each ``[NUM]``, enters them where it is fed back.
        """
        image = self.vision_tokens(vision)
        words = self.language_model.get_input_embeddings()
        prefix = words(prefix_ids).expand(len(image), -1, -1)
        text = self.embed_text(input_ids, numbers)
        return torch.cat([prefix, image.to(text.dtype), text], dim=1)

    def embed_text(
        self,
        input_ids: Int64[Tensor, "batch text"],
        numbers: Float32[Tensor, "batch text"] | None = None,
    ) -> Float[Tensor, "batch text hidden"]:
        """Embeddings of tokens; `numbers` as in `embed`."""
        words: Tensor = self.language_model.get_input_embeddings()(input_ids)
        head = self.numeric_head
        if numbers is None or head is None or head.feedback is None:
            return words
        values = head.feedback(numbers).to(words.dtype)
        return words + values * (input_ids == self.num_id)[..., None]

    def hidden_states(
        self,
        embeddings: Float[Tensor, "batch sequence hidden"],
        cache: Any = None,
        *,
        position_ids: Int64[Tensor, "batch sequence"] | None = None,
        attention_mask: Tensor | Mapping[str, Tensor] | None = None,
    ) -> Float[Tensor, "batch sequence hidden"]:
        """Last hidden states.

        Args:
            embeddings: of the sequences.
            cache: transformers', holds what came before; None where nothing did.
            position_ids: where the embeddings stand, None for behind the cache.
            attention_mask: what they may attend to, of shape ``(batch, 1, sequence,
                columns)``, or one for each kind of layer; None for all that came
                before.
        """
        states: Tensor = self.language_model.base_model(
            inputs_embeds=embeddings,
            past_key_values=cache,
            use_cache=cache is not None,
            position_ids=position_ids,
            attention_mask=attention_mask,
        ).last_hidden_state
        return states

    def logits(
        self, states: Float[Tensor, "... hidden"]
    ) -> Float[Tensor, "... vocabulary"]:
        """Next-token logits of hidden states, in single precision."""
        return next_token_logits(self.language_model, states).float()

    def numbers(self, states: Float[Tensor, "... hidden"]) -> NumberEstimate:
        """The value that each hidden state gives to a ``[NUM]`` after it.

        Raises:
            ValueError: the model has no numeric head.
        """
        if self.numeric_head is None:
            raise ValueError("this model has no numeric head")
        return self.numeric_head.estimate(self.numeric_head(states))

    def forward(
        self,
        vision: Tensor,
        prefix_ids: Int64[Tensor, " prefix"],
        input_ids: Int64[Tensor, "batch text"],
        labels: Int64[Tensor, "batch text"],
        numbers: Float32[Tensor, "batch text"],
    ) -> IGLLMOutput:
        """Losses of a batch.

        Rows are padded on the right. Attention is causal, so that no state sees the
        padding behind it, and no mask is needed.

        Args:
            vision: images or cached features, see `vision_tokens`.
            prefix_ids: what stands before the image in every row.
            input_ids: what follows the image.
            labels: the ids where there is a loss, else -100; not shifted.
            numbers: the value at each ``[NUM]``.
        """
        sequence = self.embed(vision, prefix_ids, input_ids, numbers)
        # the state before a token predicts it; the text has one state each
        first = sequence.shape[1] - input_ids.shape[1] - 1
        with last_mlp_from(self.language_model.base_model, first):
            predicting = self.hidden_states(sequence)[:, first:-1]
        labelled = labels != IGNORE
        # the vocabulary's matrix is applied only where there is a label
        logits = self.logits(predicting[labelled])
        ce = functional.cross_entropy(logits, labels[labelled])
        if self.numeric_head is not None:
            where = labels == self.num_id
            outputs = self.numeric_head(predicting[where])
            loss = self.numeric_head.loss(outputs, numbers[where])
            mse = self.numeric_head.squared_error(outputs, numbers[where])
            return IGLLMOutput(ce + self.float_weight * loss, ce, mse, loss)
        zero = ce.new_zeros(())
        if self.number_token_loss is None:
            return IGLLMOutput(ce, ce, zero, zero)
        loss = self.number_token_loss(logits, labels[labelled])
        return IGLLMOutput(ce + self.number_token_weight * loss, ce, zero, loss)
