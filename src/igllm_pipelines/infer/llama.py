"""One token a row through a language model of Llama's shape.

The library's own forward pass checks and converts much around each layer: at one token
that takes longer than the layer. Here the same modules are called one after the other.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from igllm_pipelines.infer.cache import RowCache, RowLayer

# transformers' classes whose layers are alike
_ALIKE = ("LlamaModel", "MistralModel", "Qwen2Model")
# kinds of rotary positions that depend on nothing but the position
_FIXED_POSITIONS = ("default", "linear", "llama3", "yarn")


def is_llama(base: nn.Module) -> bool:
    """Whether `LlamaStep` knows this model without its output layer.

    A model whose weights are shared out among processes it does not know: they come
    together when the library's forward pass calls a module.
    """
    config: Any = base.config
    return (
        all(weight.numel() for weight in base.parameters())
        and type(base).__name__ in _ALIKE
        and getattr(config, "sliding_window", None) is None
        and config.rope_parameters["rope_type"] in _FIXED_POSITIONS
    )


class _Norm(NamedTuple):
    """Root mean square norm."""

    weight: Tensor
    epsilon: float

    def __call__(self, states: Tensor) -> Tensor:
        return functional.rms_norm(states, self.weight.shape, self.weight, self.epsilon)


class _Layer(NamedTuple):
    """The modules of a layer, found once: a module looks its parts up by name."""

    before_attention: _Norm
    queries: nn.Module
    keys: nn.Module
    values: nn.Module
    output: nn.Module
    head_dim: int
    scale: float
    before_mlp: _Norm
    mlp: nn.Module


def _norm(module: Any) -> _Norm:
    return _Norm(module.weight, module.variance_epsilon)


def _layer(module: Any) -> _Layer:
    attention = module.self_attn
    return _Layer(
        _norm(module.input_layernorm),
        attention.q_proj,
        attention.k_proj,
        attention.v_proj,
        attention.o_proj,
        attention.head_dim,
        attention.scaling,
        _norm(module.post_attention_layernorm),
        module.mlp,
    )


class LlamaStep:
    """Hidden states of the next token.

    Args:
        base: a model that `is_llama`, in evaluation mode.
    """

    def __init__(self, base: Any) -> None:
        self._norm = _norm(base.norm)
        self._layers = [_layer(module) for module in base.layers]
        self._rotary = base.rotary_emb
        self._half = 0
        self._cos = self._sin = torch.zeros(0)

    def _know_positions(self, count: int) -> None:
        """Computes the rotary turns of the first positions."""
        weight = self._norm.weight
        cos, sin = self._rotary(weight, torch.arange(count, device=weight.device)[None])
        self._half = half = cos.shape[-1] // 2
        self._cos = cos[0]
        # a half turn of the vector and these signs are the library's `rotate_half`
        self._sin = torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)

    def __call__(
        self,
        words: Float[Tensor, "rows 1 hidden"],
        cache: RowCache,
        positions: Int64[Tensor, "rows 1"],
        mask: Bool[Tensor, "rows 1 1 columns"] | None,
    ) -> Float[Tensor, "rows hidden"]:
        """Last hidden states; the cache has made room, see `RowCache.step`."""
        if len(self._cos) < cache.capacity:
            self._know_positions(cache.capacity)
        turn = self._cos[positions][:, None], self._sin[positions][:, None]
        states = words
        for layer, memory in zip(self._layers, cache.layers, strict=True):
            states = states + self._attend(states, layer, memory, turn, mask)
            states = states + layer.mlp(layer.before_mlp(states))
        return self._norm(states)[:, -1]

    def _attend(
        self,
        states: Tensor,
        layer: _Layer,
        memory: RowLayer,
        turn: tuple[Tensor, Tensor],
        mask: Tensor | None,
    ) -> Tensor:
        rows, width = len(states), layer.head_dim
        normed = layer.before_attention(states)
        queries = layer.queries(normed).view(rows, -1, 1, width)
        keys = layer.keys(normed).view(rows, -1, 1, width)
        values = layer.values(normed).view(rows, -1, 1, width)
        num_keys = keys.shape[1]
        both = torch.cat([queries, keys], dim=1)
        cos, sin = turn
        both = torch.addcmul(both * cos, both.roll(self._half, -1), sin)
        keys, values = memory.update(both[:, -num_keys:], values)
        # queries that share keys stand beside each other
        queries = both[:, :-num_keys].view(rows, num_keys, -1, width)
        seen = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, scale=layer.scale
        )
        attended: Tensor = layer.output(seen.reshape(rows, 1, -1))
        return attended
