"""What a rendering job will cost, before it starts: images, bytes, hours.

Time and bytes of an image are measured on a few scenes of the job, rendered now.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Protocol

from igllm_pipelines.shards.tar import ShardError, TarIndex, member_bytes
from igllm_pipelines.shards.writer import (
    SUFFIXES,
    RawJob,
    Sample,
    fingerprint_text,
    shards_of,
)

MEASURED_SCENES = 8


class Measurement(Protocol):
    """Scenes rendered as a trial."""

    @property
    def samples(self) -> Sequence[Sample]:
        """The scenes."""

    @property
    def seconds(self) -> Sequence[float]:
        """What each of them took its worker."""

    @property
    def workers(self) -> int:
        """Workers at work at the same time, then and in the job."""


class PlannableJob(RawJob, Protocol):
    """A job that can be tried out."""

    def measure(self, num_scenes: int) -> Measurement:
        """Renders at least so many scenes after one of each worker as a warm-up."""


@dataclass(frozen=True)
class RenderPlan:
    """What is there of a data set, and what the rest costs.

    Attributes:
        num_scenes: of each split.
        done: of them in finished shards; half-made shards count as missing.
        shards: to be written.
        measured: scenes that were rendered as a trial, 0 where nothing is missing.
        seconds_per_image: of one worker.
        bytes_per_image: in its tar and in the label file.
        workers: that render at the same time.
        free_bytes: on the disk of the folder.
        replaces: whether the folder holds images of other parameters, which go.
    """

    num_scenes: Mapping[str, int]
    done: Mapping[str, int]
    shards: int
    measured: int
    seconds_per_image: float
    bytes_per_image: float
    workers: int
    free_bytes: int
    replaces: bool

    @property
    def missing(self) -> int:
        """Images that are to be made."""
        return sum(self.num_scenes.values()) - sum(self.done.values())

    @property
    def bytes(self) -> float:
        """What the missing images take on the disk."""
        return self.missing * self.bytes_per_image

    @property
    def core_hours(self) -> float:
        """What they take one worker."""
        return self.missing * self.seconds_per_image / 3600

    @property
    def hours(self) -> float:
        """What they take all workers, each on a core of its own."""
        return self.core_hours / self.workers

    @property
    def lacking_bytes(self) -> float:
        """What the disk is too small by, 0 where it suffices."""
        return max(0.0, self.bytes - self.free_bytes)


def plan(job: PlannableJob, root: Path) -> RenderPlan:
    """Looks at the folder `root` and renders a few scenes; changes nothing there.

    Raises:
        RenderError: a scene cannot be rendered.
    """
    path = root / "fingerprint.json"
    same = path.exists() and path.read_text() == fingerprint_text(job)
    done = dict.fromkeys(job.num_scenes, 0)
    shards = 0
    for shard in shards_of(job.num_scenes, job.scenes_per_shard):
        tar = root / "images" / f"{shard.name}.tar"
        finished = _num_images(tar) if same else 0
        done[shard.split] += min(finished, len(shard.indices))
        shards += finished < len(shard.indices)
    trial = job.measure(MEASURED_SCENES) if shards else None
    return RenderPlan(
        num_scenes=dict(job.num_scenes),
        done=done,
        shards=shards,
        measured=len(trial.samples) if trial else 0,
        seconds_per_image=mean(trial.seconds) if trial else 0.0,
        bytes_per_image=mean(map(_num_bytes, trial.samples)) if trial else 0.0,
        workers=trial.workers if trial else 1,
        free_bytes=_free_bytes(root),
        replaces=path.exists() and not same,
    )


def describe(plan: RenderPlan) -> str:
    """The plan as plain text for the terminal."""
    lines = [f"{'split':18} {'images':>12} {'finished':>12}"]
    for split, count in plan.num_scenes.items():
        lines.append(f"{split:18} {count:12,} {plan.done[split]:12,}")
    if plan.replaces:
        lines.append("the folder holds images of other parameters: they are removed")
    if not plan.missing:
        return "\n".join([*lines, "every image is there"])
    lines += [
        f"to make: {plan.missing:,} images in {plan.shards:,} shards",
        f"measured on {plan.measured} scenes: "
        f"{plan.seconds_per_image:.3g} s and {_size(plan.bytes_per_image)} an image",
        f"time: {_hours(plan.core_hours)} core-hours, {_hours(plan.hours)} hours "
        f"(workers at the same time: {plan.workers})",
        f"disk: {_size(plan.bytes)} of {_size(plan.free_bytes)} that are free",
    ]
    if plan.lacking_bytes:
        lines.append(f"THE DISK DOES NOT SUFFICE: {_size(plan.lacking_bytes)} lacking")
    return "\n".join(lines)


def _num_images(tar: Path) -> int:
    try:
        return len(TarIndex(tar).members) // len(SUFFIXES)
    except ShardError:
        return 0


def _num_bytes(sample: Sample) -> int:
    members = (("x.json", sample.record), ("x.png", sample.png))
    in_tar = sum(len(member_bytes(name, data)) for name, data in members)
    return in_tar + len(sample.record)  # the label file repeats the record


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"


def _size(num_bytes: float) -> str:
    """A size for people.

    >>> _size(23_400_000_000)
    '23.4 GB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} TB"
