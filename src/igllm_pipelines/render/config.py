"""How scenes are rendered: by how many workers, with how many samples."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RenderingConfig:
    """Settings of a rendering job.

    Attributes:
        workers: Blender processes, one thread each; None takes every core.
        samples: of Cycles, a pixel. 8 is enough for 128 px, 16 reads better.
        denoise: by Open Image Denoise. With it the same scene is the same within
            2/255 a channel; without it to the bit, at the price of noise.
        scenes_per_shard: images in one tar file.
        scenes_per_worker: a worker is replaced after so many scenes.
        scene_timeout_s: a worker that needs longer for a scene is killed.
        ray_address: of a running Ray cluster; None starts Ray on this machine.
    """

    workers: int | None = None
    samples: int = 8
    denoise: bool = True
    scenes_per_shard: int = 500
    scenes_per_worker: int = 500
    scene_timeout_s: float = 300.0
    ray_address: str | None = None

    def __post_init__(self) -> None:
        for name in ("samples", "scenes_per_shard", "scenes_per_worker"):
            if not _counts(getattr(self, name)):
                raise ValueError(f"{name} must be a whole number of at least 1")
        if self.workers is not None and not _counts(self.workers):
            raise ValueError("workers must be at least 1, or null for every core")
        limit_s = self.scene_timeout_s
        if not isinstance(limit_s, int | float) or limit_s <= 0:
            raise ValueError(f"scene_timeout_s must be positive, it is {limit_s!r}")

    @property
    def num_workers(self) -> int:
        """Workers that will be started."""
        return self.workers or len(os.sched_getaffinity(0))


def _counts(value: object) -> bool:
    return isinstance(value, int) and value >= 1


def rendering_config(
    parameters: Mapping[str, Any], ray: Mapping[str, Any] | None = None
) -> RenderingConfig:
    """The configuration, checked.

    Args:
        parameters: ``rendering.<domain>``.
        ray: the parameters of the same name, ``{"address": "10.0.0.5:6379"}``; none
            start Ray on this machine.

    Raises:
        ValueError: a key is unknown or a value out of range.
    """
    for name, given in (("rendering", parameters), ("ray", ray or {})):
        if not isinstance(given, Mapping):
            raise ValueError(f"{name}: a mapping is wanted, not {given!r}")
    cluster = {f"ray_{name}": value for name, value in (ray or {}).items()}
    try:
        return RenderingConfig(**parameters, **cluster)
    except TypeError as error:
        raise ValueError(f"rendering, ray: {error}") from error
