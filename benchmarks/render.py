"""Measures rendering: images/s, time beside Cycles, memory of the workers.

Command::

    python benchmarks/render.py --images 500 --workers 2 --json render.json

Renders the default CLEVR scenes into shards of a scratch folder, the whole line with
drawing, visibility, PNG and tar. Blender's start is left out of images/s and stands
beside it. Run it on free cores: Cycles takes one for each worker.
"""

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.job import RenderJob
from igllm_pipelines.render.pool import RenderPool, Task
from igllm_pipelines.render.worker import BlenderWorker, RenderedScene
from igllm_pipelines.shards.writer import RawWriter

Measures = dict[str, float]


class MeasuredWorker(BlenderWorker):
    """A worker that times itself and Cycles inside it."""

    def measured(self, *task: Any) -> tuple[RenderedScene, Measures]:
        """The scene of `make`, and how long what took."""
        renderer = self._blender()
        cycles_s = 0.0

        def timed() -> None:
            nonlocal cycles_s
            start = time.perf_counter()
            type(renderer).call_cycles(renderer)
            cycles_s += time.perf_counter() - start

        renderer.call_cycles = timed  # type: ignore[method-assign]
        start = time.perf_counter()
        scene = self.make(*task)
        measures = {
            "make_s": time.perf_counter() - start,
            "cycles_s": cycles_s,
            "memory_mib": _memory_mib(),
            "pid": os.getpid(),
        }
        return scene, measures


def _memory_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def benchmark(job: RenderJob) -> dict[str, Any]:
    """Renders the job into a scratch folder."""
    rows: list[Measures] = []
    begin = time.perf_counter()
    arguments = (job.fingerprint, job.filenames, job.scenes_per_shard)
    worker = (MeasuredWorker, (job.rendering, job.engine, job.source))
    with (
        tempfile.TemporaryDirectory() as folder,
        RawWriter(Path(folder) / "raw", *arguments) as writer,
        RenderPool(job.rendering, *worker) as pool,
    ):
        tasks = [
            Task(f"{split} {index}", "measured", (job.seed, split, index))
            for split, index in writer.missing()
        ]
        for _, (scene, measures) in pool.map(tasks):
            writer.add(scene.split, scene.index, scene.record, scene.png)
            rows.append({**measures, "at_s": time.perf_counter() - begin})
        writer.finish(job.info)
    return summarize(rows, job.rendering.num_workers)


def summarize(rows: list[Measures], workers: int) -> dict[str, Any]:
    """Figures of a run; the first image of each worker counts as its start."""
    memory = defaultdict(list)
    for row in rows:
        memory[int(row["pid"])].append(row["memory_mib"])
    rest = rows[workers:]
    seconds = rest[-1]["at_s"] - rows[workers - 1]["at_s"]
    cycles_s = mean(row["cycles_s"] for row in rest)
    return {
        "images": len(rows),
        "workers": workers,
        "images_per_s": len(rest) / seconds,
        "seconds_to_first_image": rows[0]["at_s"],
        "cycles_s_per_image": cycles_s,
        "worker_overhead_s_per_image": mean(r["make_s"] for r in rest) - cycles_s,
        "overhead_s_per_image": seconds * workers / len(rest) - cycles_s,
        "memory_mib_first": [round(values[0]) for values in memory.values()],
        "memory_mib_100th": [round(v[min(99, len(v) - 1)]) for v in memory.values()],
        "memory_mib_last": [round(values[-1]) for values in memory.values()],
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    """Reads the arguments, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    source = ClevrConfig(
        num_scenes={"train": options.images},
        conditions={"train": "A"},
        width_px=options.size,
        height_px=options.size,
    )
    rendering = RenderingConfig(workers=options.workers, samples=options.samples)
    figures = benchmark(RenderJob(source, rendering, seed=0))
    for name, value in figures.items():
        print(
            f"{name:30} {value:.3f}"
            if isinstance(value, float)
            else f"{name:30} {value}"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
