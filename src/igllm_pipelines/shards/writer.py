"""Writes a raw data folder: shards, labels, and what is needed to go on after a kill.

::

    images/<split>-<nnnnn>.tar     sealed shards: <key>.json and <key>.png, sorted
    images/.index/                 where in a tar each file lies
    images/.staging/               journals of the shards that are being made
    labels/<split>.json            assembled from the shards at the end
    fingerprint.json               what the images were made from

A shard is the unit of work: only what belongs to shards that are being made lies in
memory, and a sealed shard is known by its index, whatever the size of the whole.
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from igllm_pipelines.scene.labels import write_labels
from igllm_pipelines.shards.journal import Journal
from igllm_pipelines.shards.tar import ShardError, TarIndex, read_members, write_tar

logger = logging.getLogger(__name__)
SUFFIXES = ("json", "png")
Place = tuple[str, int]  # split and index of a scene


class Sample(Protocol):
    """A finished scene: its label as JSON and its image as PNG."""

    split: str
    index: int
    record: bytes
    png: bytes


class RawJob(Protocol):
    """Something that can make all scenes of a folder, or only some of them."""

    fingerprint: Mapping[str, Any]
    num_scenes: Mapping[str, int]
    scenes_per_shard: int
    info: Mapping[str, Any]

    def filename(self, split: str, index: int) -> str:
        """Image name of a scene."""

    def run(self, missing: Iterable[Place], count: int) -> Generator[Sample]:
        """Makes the `count` scenes that `missing` gives one by one, in any order."""


def write_raw(root: Path, job: RawJob) -> None:
    """Makes what `root` does not hold yet; a killed call can be repeated.

    Raises:
        ShardError: the folder cannot be used, see `RawWriter`.
    """
    with (
        RawWriter(root, job) as writer,
        closing(job.run(writer.missing(), writer.num_missing())) as samples,
    ):
        for sample in samples:
            writer.add(sample)
        writer.finish()


def fingerprint_text(job: RawJob) -> str:
    """The content of ``fingerprint.json``."""
    fingerprint = {**job.fingerprint, "scenes_per_shard": job.scenes_per_shard}
    return json.dumps(fingerprint, indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Shard:
    """Scenes that lie in one tar."""

    split: str
    number: int
    indices: range

    @property
    def name(self) -> str:
        """``train-00003``."""
        return f"{self.split}-{self.number:05d}"


def shards_of(num_scenes: Mapping[str, int], size: int) -> Iterator[Shard]:
    """All shards, `size` scenes in each but the last of a split.

    >>> [shard.indices for shard in shards_of({"train": 5}, 3)]
    [range(0, 3), range(3, 5)]
    """
    for split, count in num_scenes.items():
        for number, start in enumerate(range(0, count, size)):
            yield Shard(split, number, range(start, min(start + size, count)))


class RawWriter:
    """Collects the scenes of all splits; a context that holds the folder's lock.

    Args:
        root: the folder, ``data/01_raw/<domain>``.
        job: what is made. A folder of another fingerprint is emptied.

    Raises:
        ShardError: another process is writing the folder, or it holds files that no
            run of this made.
    """

    def __init__(self, root: Path, job: RawJob) -> None:
        self._root = root
        self._images, self._labels = root / "images", root / "labels"
        self._job = job
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

    def missing(self) -> Iterator[Place]:
        """Split and index of every scene still to be made, found as they are asked."""
        for shard in self._unsealed():
            done = frozenset(self._journal(shard).keys)
            for index in shard.indices:
                if self._key(shard.split, index) not in done:
                    yield shard.split, index

    def num_missing(self) -> int:
        """Number of scenes that are still to be made."""
        return sum(self._num_missing(shard) for shard in self._unsealed())

    def add(self, sample: Sample) -> None:
        """Keeps a finished scene; seals its shard when that is complete."""
        shard = self._shard(sample.split, sample.index)
        key = self._key(sample.split, sample.index)
        content = {"json": sample.record, "png": sample.png}
        self._journal(shard).append(key, content)
        self._seal_if_complete(shard)

    def finish(self) -> None:
        """Writes the label files that are not there.

        Raises:
            ShardError: scenes are missing.
        """
        if count := self.num_missing():
            raise ShardError(f"{self._root}: {count} scenes are missing")
        for split in self._job.num_scenes:
            path = self._labels / f"{split}.json"
            if not path.exists():
                info = {**self._job.info, "split": split}
                write_labels(path, self._records(split), info)
        shutil.rmtree(self._images / ".staging", ignore_errors=True)

    def _prepare(self) -> None:
        path, wanted = self._root / "fingerprint.json", fingerprint_text(self._job)
        if not path.exists() or path.read_text() != wanted:
            self._wipe(path)
            partial = path.with_suffix(".partial")
            partial.write_text(wanted)
            os.replace(partial, path)
        self._drop_surplus()
        for shard in self._shards():
            self._check(shard)

    def _wipe(self, fingerprint: Path) -> None:
        content = [p for p in (self._labels, self._images) if p.exists()]
        if content and not fingerprint.exists():
            raise ShardError(
                f"{self._root} holds images or labels that were not rendered here: "
                "move them away or choose another folder"
            )
        if content:
            logger.info("other parameters than before: emptying %s", self._root)
        # the fingerprint last: without it a killed run would leave images of strangers
        for folder in content:
            shutil.rmtree(folder)

    def _drop_surplus(self) -> None:
        wanted = {shard.name for shard in self._shards()}
        for path in self._images.glob("*.tar"):
            if path.stem not in wanted:
                self._remove_tar(path)
        for path in self._labels.glob("*.json"):
            if path.stem not in self._job.num_scenes:
                path.unlink()
        for path in self._images.glob(".*.partial"):
            path.unlink()

    def _check(self, shard: Shard) -> None:
        """Opens a sealed shard again that is damaged or of another number of scenes."""
        path = self._tar(shard)
        if path.exists():
            try:
                if _holds(path, self._names(shard)):
                    self._journal_path(shard).unlink(missing_ok=True)
                    return
                self._break_up(shard)
            except ShardError as error:
                logger.warning("%s: made again", error)
            self._remove_tar(path)
        shutil.rmtree(self._labels, ignore_errors=True)
        if self._journal_path(shard).exists():
            self._seal_if_complete(shard)

    def _break_up(self, shard: Shard) -> None:
        """Puts the scenes of a sealed shard that are still wanted into its journal."""
        content = dict(read_members(self._tar(shard)))
        journal = self._journal(shard)
        for index in shard.indices:
            key = self._key(shard.split, index)
            sample = {s: content.get(f"{key}.{s}", b"") for s in SUFFIXES}
            if all(sample.values()) and key not in journal.keys:
                journal.append(key, sample)

    def _remove_tar(self, path: Path) -> None:
        # the labels first: labels without their images would pass for finished
        shutil.rmtree(self._labels, ignore_errors=True)
        path.unlink()
        (self._images / ".index" / f"{path.name}.json").unlink(missing_ok=True)

    def _seal_if_complete(self, shard: Shard) -> None:
        journal = self._journal(shard)
        if len(journal.keys) < len(shard.indices) or self._num_missing(shard):
            return
        path, names = self._tar(shard), self._names(shard)
        write_tar(path, ((name, journal.read(name)) for name in names))
        TarIndex(path).read(names[-1])  # it reads back, and leaves its index behind
        journal.remove()
        del self._journals[shard.name]

    def _num_missing(self, shard: Shard) -> int:
        keys, count = self._journal(shard).keys, len(shard.indices)
        if not keys:
            return count
        return sum(self._key(shard.split, index) not in keys for index in shard.indices)

    def _records(self, split: str) -> Iterator[dict[str, Any]]:
        for shard in self._shards():
            if shard.split == split:
                tar = TarIndex(self._tar(shard))
                for index in shard.indices:
                    yield json.loads(tar.read(f"{self._key(split, index)}.json"))
                tar.close()

    def _shards(self) -> Iterator[Shard]:
        return shards_of(self._job.num_scenes, self._job.scenes_per_shard)

    def _unsealed(self) -> Iterator[Shard]:
        return (shard for shard in self._shards() if not self._tar(shard).exists())

    def _shard(self, split: str, index: int) -> Shard:
        size = self._job.scenes_per_shard
        start = index - index % size
        end = min(start + size, self._job.num_scenes[split])
        return Shard(split, index // size, range(start, end))

    def _key(self, split: str, index: int) -> str:
        return self._job.filename(split, index).removesuffix(".png")

    def _names(self, shard: Shard) -> list[str]:
        keys = (self._key(shard.split, index) for index in shard.indices)
        return [f"{key}.{suffix}" for key in keys for suffix in SUFFIXES]

    def _tar(self, shard: Shard) -> Path:
        return self._images / f"{shard.name}.tar"

    def _journal_path(self, shard: Shard) -> Path:
        return self._images / ".staging" / f"{shard.name}.journal"

    def _journal(self, shard: Shard) -> Journal:
        if shard.name not in self._journals:
            journal = Journal(self._journal_path(shard), SUFFIXES)
            self._journals[shard.name] = journal
        return self._journals[shard.name]


def _holds(path: Path, names: Sequence[str]) -> bool:
    """Whether a tar holds just the members `names`, by its index and two looks at it.

    Raises:
        ShardError: it is damaged.
    """
    tar = TarIndex(path)
    if list(tar.members) == names:
        for name in (names[0], names[-1]):
            tar.read(name)  # makes the index anew where it belongs to another tar
    tar.close()
    return list(tar.members) == names
