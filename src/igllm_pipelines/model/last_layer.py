"""The last layer's MLP, computed only at the positions whose states are used.

Nothing reads the last hidden states of the image tokens: they predict no token, and no
layer comes after. Their keys and values are needed, the MLP is not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional


@contextmanager
def last_mlp_from(base: Any, first: int) -> Iterator[None]:
    """For a while, the last MLP of `base` is computed from position `first` on.

    The last hidden states before `first` mean nothing then. Nothing changes for layers
    of another make than Llama's, for compiled ones, which would be compiled for each
    length, and where activations are computed again after the context has ended.

    Args:
        base: a model of transformers without its output layer.
        first: of a sequence ``(batch, sequence, hidden)``.
    """
    mlp = _positionwise_mlp(base)
    if mlp is None or not first:
        yield
        return

    def cut(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0][:, first:],)

    def pad(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return functional.pad(output, (0, 0, first, 0))

    hooks = mlp.register_forward_pre_hook(cut), mlp.register_forward_hook(pad)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _positionwise_mlp(base: Any) -> nn.Module | None:
    """The last layer's MLP; None where it is to be left alone."""
    if not getattr(base, "layers", None) or _computed_again(base):
        return None
    layer: Any = base.layers[-1]
    mlp = getattr(layer, "mlp", None)
    compiled = layer._compiled_call_impl is not None
    # mixtures of experts are no module of this name
    if compiled or not type(mlp).__name__.endswith("MLP"):
        return None
    return mlp


def _computed_again(base: Any) -> bool:
    """Whether activations are computed again for the gradients."""
    new = "is_activation_checkpointing"  # transformers 5.23 warns of the old name
    return bool(
        getattr(base, new if hasattr(base, new) else "is_gradient_checkpointing")
    )
