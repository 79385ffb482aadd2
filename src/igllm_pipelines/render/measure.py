"""A render worker that says what its scenes cost."""

import os
import time
from pathlib import Path
from typing import Any

from igllm_pipelines.render.worker import BlenderWorker, RenderedScene

Measures = dict[str, float]


class MeasuredWorker(BlenderWorker):
    """Times itself and Cycles inside it; takes the arguments of `BlenderWorker`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._number = 0
        self._ended = time.perf_counter()

    def measured(self, seed: int, split: str, index: int) -> tuple[Any, Measures]:
        """The scene of `make`, and its cost.

        ``make_s`` and in it ``cycles_s``; ``idle_s`` since the scene before;
        ``memory_mib`` of this process after it; ``number`` of this worker's scenes,
        the first of which starts Blender; ``pid``; ``nice``.
        """
        start = time.perf_counter()
        idle_s = start - self._ended
        scene, cycles_s = self._timed_make(seed, split, index)
        self._ended = time.perf_counter()
        self._number += 1
        return scene, {
            "make_s": self._ended - start,
            "cycles_s": cycles_s,
            "idle_s": idle_s,
            "memory_mib": _memory_mib(),
            "number": self._number,
            "pid": os.getpid(),
            "nice": os.nice(0),
        }

    def _timed_make(
        self, seed: int, split: str, index: int
    ) -> tuple[RenderedScene, float]:
        renderer, spent = self._blender(), [0.0]

        def timed() -> None:
            start = time.perf_counter()
            type(renderer).call_cycles(renderer)
            spent[0] += time.perf_counter() - start

        renderer.call_cycles = timed  # type: ignore[method-assign]
        return self.make(seed, split, index), spent[0]


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
