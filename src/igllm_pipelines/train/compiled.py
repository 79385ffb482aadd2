"""``torch.compile`` in training, block by block.

The blocks of a transformer are alike, so that compiling one serves all of them: the
start costs a block's compilation and not the whole model's. Weights and their names
stay what they are; checkpoints know nothing of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

T = TypeVar("T")


def blocks(model: nn.Module) -> Iterator[nn.Module]:
    """The modules that stand in a ``ModuleList``; lists inside blocks are left out."""
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from blocks(child)


@contextmanager
def compiled_blocks(
    model: nn.Module, enabled: bool, backend: str = "inductor"
) -> Iterator[None]:
    """Compiles the blocks of `model` for a while, if `enabled`.

    A block is compiled when it is first used, and once more for other lengths of text.

    Args:
        model: an `IGLLM`.
        enabled: False does nothing.
        backend: torch.compile's.
    """
    found = list(blocks(model)) if enabled else []
    for block in found:
        block.compile(backend=backend)
    try:
        yield
    finally:
        for block in found:
            block._compiled_call_impl = None


def eagerly(function: Callable[..., T]) -> Callable[..., T]:
    """`function`, during which compiled blocks run as they are written.

    Decoding, whose shapes change with each token, is to compile nothing.
    """
    stance: Callable[..., Callable[..., T]] = torch.compiler.set_stance("force_eager")
    return stance(function)
