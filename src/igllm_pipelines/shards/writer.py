"""Writes a raw data folder: shards, labels, and what is needed to go on after a kill.

::

    images/<split>-<nnnnn>.tar     sealed shards: <key>.json and <key>.png, sorted
    images/.staging/               journals of the shards that are being made
    labels/<split>.json            assembled from the shards at the end
    fingerprint.json               what the images were made from
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from igllm_pipelines.scene.labels import write_labels
from igllm_pipelines.shards.journal import Journal
from igllm_pipelines.shards.tar import ShardError, read_members, scan, write_tar

logger = logging.getLogger(__name__)
SUFFIXES = ("json", "png")


class Sample(Protocol):
    """A finished scene: its label as JSON and its image as PNG."""

    split: str
    index: int
    record: bytes
    png: bytes


class RawJob(Protocol):
    """Something that can make all scenes of a folder, or only some of them."""

    fingerprint: Mapping[str, Any]
    filenames: Mapping[str, Sequence[str]]
    scenes_per_shard: int
    info: Mapping[str, Any]

    def run(self, missing: Sequence[tuple[str, int]]) -> Generator[Sample]:
        """Makes the scenes given by split and index, in any order."""


def write_raw(root: Path, job: RawJob) -> None:
    """Makes what `root` does not hold yet; a killed call can be repeated.

    Raises:
        ShardError: the folder cannot be used, see `RawWriter`.
    """
    names, size = job.filenames, job.scenes_per_shard
    with (
        RawWriter(root, job.fingerprint, names, size) as writer,
        closing(job.run(writer.missing())) as samples,
    ):
        for sample in samples:
            writer.add(sample.split, sample.index, sample.record, sample.png)
        writer.finish(job.info)


class RawWriter:
    """Collects the scenes of all splits; a context that holds the folder's lock.

    Args:
        root: the folder, ``data/01_raw/<domain>``.
        fingerprint: everything that decides what the images show. A folder of another
            fingerprint is emptied.
        filenames: image names of each split, in order.
        scenes_per_shard: images in one tar.

    Raises:
        ShardError: another process is writing the folder, or it holds files that no
            run of this made.
    """

    def __init__(
        self,
        root: Path,
        fingerprint: Mapping[str, Any],
        filenames: Mapping[str, Sequence[str]],
        scenes_per_shard: int,
    ) -> None:
        self._root = root
        self._images, self._labels = root / "images", root / "labels"
        self._fingerprint = dict(fingerprint)
        self._fingerprint["scenes_per_shard"] = scenes_per_shard
        self._keys = {
            split: [name.removesuffix(".png") for name in names]
            for split, names in filenames.items()
        }
        self._size = scenes_per_shard
        self._journals: dict[str, Journal] = {}

    def __enter__(self) -> "RawWriter":
        self._root.mkdir(parents=True, exist_ok=True)
        self._lock = (self._root / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ShardError(
                f"{self._root}: another process is rendering into this folder; wait "
                "for it or choose another folder"
            ) from None
        try:
            self._prepare()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.close()

    def missing(self) -> list[tuple[str, int]]:
        """Split and index of every scene that is still to be made."""
        todo = []
        for shard, split, indices in self._shards():
            if self._tar(shard).exists():
                continue
            done = self._journal(shard).keys
            todo += [(split, i) for i in indices if self._keys[split][i] not in done]
        return todo

    def add(self, split: str, index: int, record: bytes, png: bytes) -> None:
        """Keeps a finished scene; seals its shard when that is complete."""
        shard = _shard_name(split, index // self._size)
        journal = self._journal(shard)
        journal.append(self._keys[split][index], {"json": record, "png": png})
        self._seal_if_complete(shard, split, index // self._size)

    def finish(self, info: Mapping[str, Any]) -> None:
        """Writes the label files.

        Raises:
            ShardError: scenes are missing.
        """
        if missing := self.missing():
            raise ShardError(f"{self._root}: {len(missing)} scenes are missing")
        for split in self._keys:
            write_labels(
                self._labels / f"{split}.json",
                self._records(split),
                {**info, "split": split},
            )
        shutil.rmtree(self._images / ".staging", ignore_errors=True)

    def _prepare(self) -> None:
        path = self._root / "fingerprint.json"
        wanted = json.dumps(self._fingerprint, indent=1, sort_keys=True) + "\n"
        if not path.exists() or path.read_text() != wanted:
            self._wipe(path)
            partial = path.with_suffix(".partial")
            partial.write_text(wanted)
            os.replace(partial, path)
        self._drop_surplus()
        for shard, split, indices in self._shards():
            self._check_sealed(shard, split, indices)
            self._seal_if_complete(shard, split, indices.start // self._size)
        if self.missing():
            shutil.rmtree(self._labels, ignore_errors=True)

    def _wipe(self, fingerprint: Path) -> None:
        content = [p for p in (self._images, self._labels) if p.exists()]
        if content and not fingerprint.exists():
            raise ShardError(
                f"{self._root} holds images or labels that were not rendered here: "
                "move them away or choose another folder"
            )
        if content:
            logger.info("other parameters than before: emptying %s", self._root)
        fingerprint.unlink(missing_ok=True)
        for folder in content:
            shutil.rmtree(folder)

    def _drop_surplus(self) -> None:
        wanted = {shard for shard, _, _ in self._shards()}
        for path in self._images.glob("*.tar"):
            if path.stem not in wanted:
                path.unlink()
                (self._images / ".index" / f"{path.name}.json").unlink(missing_ok=True)
        for path in self._labels.glob("*.json"):
            if path.stem not in self._keys:
                path.unlink()
        for path in self._images.glob(".*.partial"):
            path.unlink()

    def _check_sealed(self, shard: str, split: str, indices: range) -> None:
        """Breaks up a sealed shard that is damaged or of another number of scenes."""
        path = self._tar(shard)
        if not path.exists():
            return
        keys = [self._keys[split][i] for i in indices]
        try:
            members = scan(path)
        except ShardError as error:
            logger.warning("%s: made again", error)
            path.unlink()
            return
        if list(members) == [f"{key}.{s}" for key in keys for s in SUFFIXES]:
            return
        content = dict(read_members(path))
        journal = self._journal(shard)
        for key in keys:
            sample = {s: content.get(f"{key}.{s}", b"") for s in SUFFIXES}
            if all(sample.values()) and key not in journal.keys:
                journal.append(key, sample)
        path.unlink()

    def _seal_if_complete(self, shard: str, split: str, number: int) -> None:
        journal = self._journal(shard)
        keys = self._keys[split][number * self._size : (number + 1) * self._size]
        if self._tar(shard).exists():
            journal.remove()
        elif len(journal.keys) >= len(keys) and journal.keys.issuperset(keys):
            names = (f"{key}.{suffix}" for key in keys for suffix in SUFFIXES)
            write_tar(self._tar(shard), ((name, journal.read(name)) for name in names))
            journal.remove()

    def _records(self, split: str) -> Iterator[dict[str, Any]]:
        for shard, owner, _ in self._shards():
            if owner == split:
                for name, data in read_members(self._tar(shard)):
                    if name.endswith(".json"):
                        yield json.loads(data)

    def _shards(self) -> Iterator[tuple[str, str, range]]:
        """Name, split and scene indices of every shard."""
        for split, keys in self._keys.items():
            for number, start in enumerate(range(0, len(keys), self._size)):
                indices = range(start, min(start + self._size, len(keys)))
                yield _shard_name(split, number), split, indices

    def _tar(self, shard: str) -> Path:
        return self._images / f"{shard}.tar"

    def _journal(self, shard: str) -> Journal:
        if shard not in self._journals:
            path = self._images / ".staging" / f"{shard}.journal"
            self._journals[shard] = Journal(path, SUFFIXES)
        return self._journals[shard]


def _shard_name(split: str, number: int) -> str:
    return f"{split}-{number:05d}"
