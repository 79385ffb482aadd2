"""Features of a frozen image tower, kept on disk: one float16 array a split."""

import json
import math
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.shards.tar import ShardError

Features = NDArray[np.float16]
_HALF = np.dtype("<f2")
_NONE = "No features are kept: the tower learns, or they exceed features.budget_gb.\n"


class FeatureCache:
    """Features of all images of all splits, memory-mapped; safe to pickle.

    It may hold no split: then no features are kept.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._splits: dict[str, tuple[Features, dict[str, int]]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"root": self.root, "_splits": {}}

    def splits(self) -> list[str]:
        """Names of the splits, sorted."""
        return sorted(path.stem for path in self.root.glob("*.npy"))

    def shape(self, split: str) -> tuple[int, ...]:
        """Images, tokens an image, width of a token."""
        return self._open(split)[0].shape

    def batch(self, split: str, filenames: Sequence[str]) -> Features:
        """Features ``(batch, tokens, width)`` in the order of `filenames`.

        Raises:
            ShardError: the split or an image is not in the cache.
        """
        features, rows = self._open(split)
        try:
            picked = [rows[filename] for filename in filenames]
        except KeyError as error:
            raise ShardError(
                f"{self.root}: no features of {error} in split {split}; run the "
                "feature node again"
            ) from None
        return np.asarray(features[picked])

    def _open(self, split: str) -> tuple[Features, dict[str, int]]:
        if split not in self._splits:
            try:
                features = np.load(self.root / f"{split}.npy", mmap_mode="r")
                names = json.loads((self.root / f"{split}.json").read_text())
            except (OSError, ValueError) as error:
                raise ShardError(
                    f"{self.root}: no usable features of split {split} ({error}); run "
                    "the feature node again"
                ) from error
            if len(names) != len(features):
                raise ShardError(
                    f"{self.root}: {len(features)} features of split {split} for "
                    f"{len(names)} images; run the feature node again"
                )
            rows = {name: row for row, name in enumerate(names)}
            self._splits[split] = (features, rows)
        return self._splits[split]


class FeatureWriter:
    """Writes a `FeatureCache`; the folder appears when the context ends well.

    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp()) / "features"
    >>> with FeatureWriter(root) as writer:
    ...     writer.write("train", ["a.png"], [np.ones((1, 4, 8))])
    >>> FeatureCache(root).batch("train", ["a.png"]).shape
    (1, 4, 8)

    With nothing written the folder holds but a note that no features are kept.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root)
        self._partial = self._root.with_name(f".{self._root.name}.partial")

    def __enter__(self) -> "FeatureWriter":
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            if not any(self._partial.iterdir()):
                (self._partial / "none.txt").write_text(_NONE)
            shutil.rmtree(self._root, ignore_errors=True)
            os.replace(self._partial, self._root)
        else:
            shutil.rmtree(self._partial, ignore_errors=True)

    def write(
        self,
        split: str,
        filenames: Sequence[str],
        batches: Iterable[NDArray[Any]],
    ) -> None:
        """Writes the features of one split.

        Args:
            split: its name.
            filenames: images in the order of the batches.
            batches: arrays ``(batch, tokens, width)``; taken one by one.

        Raises:
            ShardError: the disk has no room for them.
            ValueError: there are more or fewer features than filenames.
        """
        done = 0
        # no memory map: on a full disk it would end the process without a word
        with (self._partial / f"{split}.npy").open("wb") as file:
            for batch in batches:
                if done == 0:
                    shape = (len(filenames), *batch.shape[1:])
                    self._check_room(split, shape)
                    _write_header(file, shape)
                file.write(np.ascontiguousarray(batch, dtype=_HALF).data)
                done += len(batch)
        if done != len(filenames) or done == 0:
            raise ValueError(f"{split}: {done} features for {len(filenames)} images")
        (self._partial / f"{split}.json").write_text(json.dumps(list(filenames)))

    def _check_room(self, split: str, shape: tuple[int, ...]) -> None:
        needed = math.prod(shape) * _HALF.itemsize
        free = shutil.disk_usage(self._partial).free
        if needed > free:
            raise ShardError(
                f"{self._root}: the features of {split} take {needed / 1e9:.3g} GB, "
                f"the disk has {free / 1e9:.3g} GB left; make room, or lower "
                "features.budget_gb so that none are cached"
            )


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": _HALF.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
