"""The shard that is being made: finished samples, appended in any order.

A journal is a tar without end blocks. One append holds one whole sample, so that a
killed run loses at most the sample it was writing; opening the journal again cuts off
what was left half-written.
"""

import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from igllm_pipelines.shards.tar import BLOCK, Span, member_bytes

Files = Mapping[str, bytes]  # suffix -> content


class Journal:
    """Samples of one shard by their key.

    Args:
        path: of the journal; made when the first sample comes.
        suffixes: of the files that make up a sample, ``png``, ``json``.
    """

    def __init__(self, path: Path, suffixes: tuple[str, ...]) -> None:
        self.path = path
        self._suffixes = suffixes
        self._spans: dict[str, Span] = {}
        self.keys: set[str] = set()
        if path.exists():
            self._recover()

    def append(self, key: str, sample: Files) -> None:
        """Adds a finished sample.

        Raises:
            OSError: it could not be written whole, the disk is full for one.
        """
        blocks = [member_bytes(f"{key}.{s}", sample[s]) for s in self._suffixes]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            offset = file.tell()
            try:
                written = file.write(b"".join(blocks))
            except OSError:
                written = -1
            if written != sum(map(len, blocks)):
                file.truncate(offset)
                raise OSError(
                    f"{self.path}: cannot write {key}; is the disk full? Make room "
                    "and run the same command again, what is finished is kept"
                )
        for suffix, block in zip(self._suffixes, blocks, strict=True):
            span = (offset + BLOCK, len(sample[suffix]))
            self._spans[f"{key}.{suffix}"] = span
            offset += len(block)
        self.keys.add(key)

    def read(self, name: str) -> bytes:
        """The content of ``<key>.<suffix>``."""
        offset, size = self._spans[name]
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def remove(self) -> None:
        """Removes the journal once its shard is sealed."""
        self.path.unlink(missing_ok=True)
        self._spans.clear()
        self.keys.clear()

    def _recover(self) -> None:
        size, good = self.path.stat().st_size, 0
        with self.path.open("r+b") as file:
            sample: dict[str, Span] = {}
            while (member := _next_member(file.read(BLOCK))) is not None:
                name, length = member
                sample[name] = (file.tell(), length)
                end = file.seek(length + -length % BLOCK, os.SEEK_CUR)
                if end > size:
                    break
                if len(sample) == len(self._suffixes):
                    self._spans |= sample
                    self.keys.add(name.rpartition(".")[0])
                    sample, good = {}, end
            file.truncate(good)


def _next_member(block: bytes) -> tuple[str, int] | None:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return None
    return (info.name, info.size) if info.size >= 0 else None
