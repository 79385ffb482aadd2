"""Small hand-made jobs: images without a renderer."""

import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from igllm_pipelines.scene import scene_to_record


@dataclass
class Sample:
    split: str
    index: int
    record: bytes
    png: bytes


def png(value: int, size: int = 4) -> bytes:
    file = io.BytesIO()
    pixels = np.full((size, size, 3), value, dtype=np.uint8)
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def sample(split: str, index: int, value: int | None = None) -> Sample:
    record = {
        "image_filename": f"{split}_{index:03d}.png",
        "objects": [{"3d_coords": [index, 0.5, 0.0]}],
    }
    content = png(index if value is None else value)
    return Sample(split, index, json.dumps(record).encode(), content)


@dataclass
class Job:
    """Gives its samples in reverse order and can break off."""

    num_scenes: dict[str, int]
    fingerprint: dict[str, object] = field(default_factory=lambda: {"seed": 0})
    scenes_per_shard: int = 3
    stop_after: int | None = None
    made: list[tuple[str, int]] = field(default_factory=list)
    info: dict[str, object] = field(default_factory=lambda: {"generator": "test"})

    def filename(self, split: str, index: int) -> str:
        return f"{split}_{index:03d}.png"

    def run(self, missing: Iterable[tuple[str, int]], count: int):
        missing = list(missing)
        assert len(missing) == count
        for split, index in reversed(missing):
            if len(self.made) == self.stop_after:
                raise KeyboardInterrupt
            self.made.append((split, index))
            yield sample(split, index)


@dataclass
class DrawnJob:
    """The scenes of a domain as its generator draws them, with small grey pictures."""

    source: Any
    scenes_per_shard: int = 2
    info: dict[str, object] = field(default_factory=lambda: {"generator": "test"})

    @property
    def num_scenes(self) -> dict[str, int]:
        return self.source.num_scenes

    @property
    def fingerprint(self) -> dict[str, object]:
        return {"scenes": asdict(self.source)}

    def filename(self, split: str, index: int) -> str:
        return self.source.filename(split, index)

    def run(self, missing: Iterable[tuple[str, int]], count: int):
        for split, index in missing:
            scene = self.source.draw(7, split, index, 0)
            record = json.dumps(scene_to_record(scene)).encode()
            yield Sample(split, index, record, png(index, size=8))
