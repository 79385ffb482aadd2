"""Finished predictions on disk, so that a killed run goes on.

A chunk is a run of images of one split. Its file counts only for the images, the model
and the decoding that it was made with.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from igllm_pipelines import __version__
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.storage import stored_weights
from igllm_pipelines.model.vision import VisionSource
from igllm_pipelines.scene.program import ProgramSyntax
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer

Record = dict[str, Any]

# fields that change no record
_INDIFFERENT = (
    *("batch_size", "chunk_size", "num_samples", "num_threads"),
    "workers",
)


class Chunk(NamedTuple):
    """Images that are predicted together.

    Attributes:
        split: theirs.
        start: place of the first image in the split.
        names: of the images.
    """

    split: str
    start: int
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """``images 0 to 255 of val_ID``."""
        return (
            f"images {self.start} to {self.start + len(self.names) - 1} of {self.split}"
        )


def chunks_of(splits: Mapping[str, Sequence[str]], size: int) -> list[Chunk]:
    """All chunks, `size` images in each but the last of a split.

    >>> [chunk.names for chunk in chunks_of({"random": ["a", "b", "c"]}, 2)]
    [('a', 'b'), ('c',)]
    """
    return [
        Chunk(split, start, tuple(names[start : start + size]))
        for split, names in splits.items()
        for start in range(0, len(names), size)
    ]


class ChunkStore:
    """A folder with one JSON file for each finished chunk.

    Args:
        folder: of the files; it may be missing.
        digest: of all that records depend on besides the images' names, see
            `prediction_digest`.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._folder = folder
        self._digest = digest

    def load(self, chunk: Chunk) -> list[Record] | None:
        """The records of a chunk, None where it is not finished."""
        try:
            content = json.loads(self._path(chunk).read_text(encoding="utf-8"))
            records: list[Record] = content["records"]
            names = tuple(record["image"] for record in records)
            fits = content["digest"] == self._digest and names == chunk.names
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return records if fits else None

    def save(self, chunk: Chunk, records: list[Record]) -> None:
        """Writes a chunk, whole or not at all."""
        path = self._path(chunk)
        partial = path.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"digest": self._digest, "records": records})
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, path)

    def clear(self) -> None:
        """Removes all chunks, those of other models too."""
        for pattern in ("*.json", "*.partial"):
            for path in self._folder.glob(pattern):
                path.unlink()

    def _path(self, chunk: Chunk) -> Path:
        return self._folder / f"{chunk.split}-{chunk.start:07d}.json"


def prediction_digest(
    model: IGLLM,
    tokenizer: ProgramTokenizer,
    syntax: ProgramSyntax,
    config: InferenceConfig,
    samples: Iterable[bytes],
) -> str:
    """Fingerprint of what the records of an image depend on.

    Args:
        model: its weights count, and what it was built from.
        tokenizer: of the model.
        syntax: of the programs.
        config: all of it that changes records.
        samples: of the images.
    """
    decoding = {k: v for k, v in asdict(config).items() if k not in _INDIFFERENT}
    said: list[Any] = [__version__, model.settings, asdict(syntax), decoding]
    ids = [tokenizer.num_id, tokenizer.end_id, tokenizer.prefix_ids]
    said += [ids, tokenizer.conversation, tokenizer.base.get_vocab()]
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, weight in stored_weights(model).items():
        digest.update(name.encode())
        content = weight.detach().cpu().contiguous()
        digest.update(content.reshape(-1).view(torch.uint8).numpy().tobytes())
    for sample in samples:
        digest.update(sample)
    return digest.hexdigest()


def image_samples(
    vision: VisionSource, splits: Mapping[str, Sequence[str]], count: int = 4
) -> Iterable[bytes]:
    """What a model sees of the first images of each split."""
    for split, names in splits.items():
        if names:
            yield vision.batch(split, names[:count]).tobytes()
