"""A key-value cache whose rows come, go and part.

All rows end at one column. A row that comes later has its prompt written so that it
ends there too; what stands to the left of its start is not its own and is masked. So
each step writes one column, whatever the lengths of the rows, and nothing is copied
but rows that move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache


@dataclass
class Window:
    """The part of the buffers that is in use: rows, and columns from first to end."""

    num_rows: int = 0
    first: int = 0
    end: int = 0


class RowLayer(CacheLayerMixin):
    """Keys and values of one layer.

    Args:
        window: shared by all layers.
        max_rows: most rows at once.
    """

    is_sliding = False

    def __init__(self, window: Window, max_rows: int) -> None:
        super().__init__()
        self._window = window
        self._max_rows = max_rows
        self._parts: list[Tensor] = []

    def put(
        self,
        keys: Float[Tensor, "new heads prompt width"],
        values: Float[Tensor, "new heads prompt width"],
        capacity: int,
    ) -> None:
        """Writes prompts behind the rows in use so that they end at the window's end.

        Args:
            keys: of the prompts.
            values: of the prompts.
            capacity: columns of new buffers, where there are none.
        """
        first, end = self._window.num_rows, self._window.end
        rows = slice(first, first + len(keys))
        start = end - keys.shape[2]
        if not self._parts:
            self._parts = [
                part.new_zeros((self._max_rows, part.shape[1], capacity, part.shape[3]))
                for part in (keys, values)
            ]
        for part, new in zip(self._parts, (keys, values), strict=True):
            part[rows, :, start:end] = new
            # 0 times what another row left there must be 0, and not NaN
            part[rows, :, :start] = 0

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Writes the window's last column; keys and values of the window."""
        rows, end = self._window.num_rows, self._window.end
        for part, new in zip(self._parts, (key_states, value_states), strict=True):
            part[:rows, :, end - 1] = new[:, :, 0]
        keys, values = (p[:rows, :, self._window.first : end] for p in self._parts)
        return keys, values

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Copies rows onto others, all at once."""
        columns = slice(self._window.first, self._window.end)
        for part in self._parts:
            part[targets, :, columns] = part[sources, :, columns]

    def rebase(self, capacity: int) -> None:
        """Moves the window to the first column of new buffers."""
        columns = slice(self._window.first, self._window.end)
        for index, part in enumerate(self._parts):
            kept = part[:, :, columns]
            fresh = part.new_zeros((*part.shape[:2], capacity, part.shape[3]))
            fresh[:, :, : kept.shape[2]] = kept
            self._parts[index] = fresh

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: `put` makes the buffers."""

    def get_seq_length(self) -> int:
        """Columns before the one that is written next."""
        return self._window.end - 1 - self._window.first

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that are attended to, and where they begin."""
        return self._window.end - self._window.first, 0

    def get_max_length(self) -> int:
        """None is known: buffers grow."""
        return -1


class RowCache(Cache):
    """Keys and values of all layers; the cache of a batch.

    Args:
        max_rows: most rows at once.
        spare: columns that buffers are longer than they must be when they are made.

    ``capacity`` is the number of columns, more than any position in a row.
    """

    def __init__(self, max_rows: int, spare: int = 64) -> None:
        self._window = Window()
        super().__init__(layers=[])
        self._max_rows = max_rows
        self._spare = spare
        self.capacity = 0
        self._starts: list[int] = []
        self._start_columns = torch.zeros(0)

    def add(self, prompts: DynamicCache) -> None:
        """Appends rows with the keys and values of their prompts, all of one length."""
        length = prompts.get_seq_length()
        count = len(prompts.layers[0].keys)
        if not self._starts:
            self._begin(len(prompts), length)
        for layer, prompt in zip(self.layers, prompts.layers, strict=True):
            layer.put(prompt.keys, prompt.values, self.capacity)
        self._window.num_rows += count
        self._starts += [self._window.end - length] * count
        self._place(prompts.layers[0].keys.device)

    def _begin(self, num_layers: int, length: int) -> None:
        self._window.num_rows, self._window.end = 0, length
        if length > self.capacity:
            self.capacity = length + self._spare
            self.layers = [
                RowLayer(self._window, self._max_rows) for _ in range(num_layers)
            ]

    def select(self, rows: Sequence[int]) -> None:
        """The rows become these of before, in this order; one may stand twice."""
        moved = [(row, place) for place, row in enumerate(rows) if row != place]
        device = self._start_columns.device
        if moved:
            sources, targets = torch.tensor(moved, device=device).T
            for layer in self.layers:
                layer.move(sources, targets)
        self._window.num_rows = len(rows)
        self._starts = [self._starts[row] for row in rows]
        if rows:
            self._place(device)

    def _place(self, device: torch.device) -> None:
        self._window.first = min(self._starts)
        self._start_columns = torch.tensor(self._starts, device=device)[:, None]

    def step(
        self,
    ) -> tuple[Int64[Tensor, "rows 1"], Bool[Tensor, "rows 1 1 columns"] | None]:
        """Makes room for one more token a row.

        Returns:
            positions of the tokens in their rows, and which columns each may attend
            to; None where that is all of them.
        """
        window = self._window
        if window.end == self.capacity:
            self._rebase()
        positions = window.end - self._start_columns
        window.end += 1
        if min(self._starts) == max(self._starts):
            return positions, None
        device = self._start_columns.device
        columns = torch.arange(window.first, window.end, device=device)
        return positions, (columns >= self._start_columns)[:, None, None]

    def _rebase(self) -> None:
        window = self._window
        self.capacity = window.end - window.first + self._spare
        for layer in self.layers:
            layer.rebase(self.capacity)
        self._starts = [start - window.first for start in self._starts]
        self._start_columns -= window.first
        window.first, window.end = 0, window.end - window.first


def library_masks(
    mask: Bool[Tensor, "rows 1 1 columns"] | None, config: Any
) -> Tensor | dict[str, Tensor] | None:
    """The mask as the library's models take it, in which some layers see less.

    Args:
        mask: which columns each row may attend to. The library makes those of layers
            with a sliding window itself only where this is None.
        config: of the language model.
    """
    window = getattr(config, "sliding_window", None)
    if mask is None or window is None:
        return mask
    near = mask.clone()
    near[..., : max(0, mask.shape[-1] - window)] = False
    if getattr(config, "layer_types", None) is None:
        return near
    return {"full_attention": mask, "sliding_attention": near}
