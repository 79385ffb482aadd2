"""Measures rendering: images/s, workers beside each other, bare Cycles, memory.

Commands::

    python benchmarks/render.py --domain clevr --images 400 --workers 1 2
    python benchmarks/render.py --images 2000 --workers 1 --scenes-per-worker 2000
    python benchmarks/render.py --json rendering.json

Renders scenes of a domain into shards of a scratch folder, the whole line with drawing,
visibility, PNG and tar, once for each number of workers. Then the same scenes by as
many processes that do nothing but place the objects and call Cycles: their gain from
one process to two is what the machine gives, and the ratio to them is what the line
costs. Blender's start is left out of images/s and stands beside it. Run it on free
cores: Cycles takes one for each worker.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from records import Record, less_is_better, more_is_better, write_records

from igllm_pipelines.domains.sources import CONFIGS
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.job import RenderJob
from igllm_pipelines.render.measure import MeasuredWorker, Measures
from igllm_pipelines.render.pool import RenderPool, Task
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.writer import RawWriter

SPLIT = "train"
MEMORY_AT = (1, 10, 100, 250, 500, 1000, 1500, 2000)  # scenes of a worker
Figures = dict[str, Any]


def whole_line(job: RenderJob, root: Path) -> Figures:
    """Renders the job into the folder `root`."""
    rows: list[Measures] = []
    begin = time.perf_counter()
    arguments = (job.rendering, job.engine, job.source)
    with (
        RawWriter(root, job) as writer,
        RenderPool(job.rendering, MeasuredWorker, arguments) as pool,
    ):
        tasks = (
            Task(f"{split} {index}", "measured", (job.seed, split, index))
            for split, index in writer.missing()
        )
        for _, (scene, measures) in pool.map(tasks):
            rows.append({**measures, "at_s": time.perf_counter() - begin})
            writer.add(scene)
        writer.finish()
    return summarize(rows, job.rendering.num_workers)


def summarize(rows: Sequence[Measures], workers: int) -> Figures:
    """Figures of a run; images/s from the moment when every worker has made one."""
    first = {row["pid"]: number for number, row in reversed([*enumerate(rows)])}
    ready = sorted(first.values())[:workers][-1]
    warm = [row for row in rows if row["number"] > 1]
    if len(first) < workers or ready + 1 == len(rows):
        raise SystemExit("too few images: a worker has made none or one")
    return {
        "images_per_s": (len(rows) - 1 - ready)
        / (rows[-1]["at_s"] - rows[ready]["at_s"]),
        "first_image_s": rows[0]["at_s"],
        "make_s": mean(row["make_s"] for row in warm),
        "cycles_s": mean(row["cycles_s"] for row in warm),
        "idle_s": mean(row["idle_s"] for row in warm),
        "memory_mib": memory(rows),
        "nice": rows[0]["nice"],
    }


def memory(rows: Sequence[Measures]) -> dict[str, float]:
    """MiB of the largest worker after so many scenes, and the peak."""
    marks = [mark for mark in MEMORY_AT if any(row["number"] == mark for row in rows)]
    after = {
        f"after {mark}": max(r["memory_mib"] for r in rows if r["number"] == mark)
        for mark in marks
    }
    return {**after, "peak": max(row["memory_mib"] for row in rows)}


def bare_cycles(job: RenderJob, scenes: Sequence[Scene], workers: int) -> float:
    """Images/s of processes that place objects and call Cycles, nothing else."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier = manager.Barrier(workers)
        with ProcessPoolExecutor(workers, mp_context=context) as processes:
            jobs = [
                processes.submit(_bare_loop, job, scenes[start::workers], barrier)
                for start in range(workers)
            ]
            spans = [job.result() for job in jobs]
    seconds = max(end for _, end in spans) - min(start for start, _ in spans)
    return len(scenes) / seconds


def _bare_loop(
    job: RenderJob, scenes: Sequence[Scene], barrier: Any
) -> tuple[float, float]:
    from igllm_pipelines.render.blender import BlenderRenderer, silence_stdout

    silence_stdout()
    renderer = BlenderRenderer(job.rendering, job.source.assets)

    def render(scene: Scene) -> None:
        renderer.place(scene)
        renderer.bpy.ops.render.render()

    render(scenes[0])  # the warm-up
    barrier.wait()
    start = time.time()
    for scene in scenes:
        render(scene)
    return start, time.time()


def benchmark(job: RenderJob, workers: Sequence[int]) -> Figures:
    """Both kinds of runs for each number of workers, and their ratios."""
    runs: dict[str, Figures] = {}
    for count in workers:
        now = replace(job, rendering=replace(job.rendering, workers=count))
        with tempfile.TemporaryDirectory() as folder:
            run = whole_line(now, Path(folder))
            scenes = RawData(Path(folder)).scenes(SPLIT)
        run["bare_images_per_s"] = bare_cycles(now, scenes, count)
        run["ratio_to_bare"] = run["images_per_s"] / run["bare_images_per_s"]
        runs[str(count)] = run
    one = runs[str(workers[0])]
    for run in runs.values():
        for name in ("images_per_s", "bare_images_per_s"):
            run[f"gain_{name}"] = run[name] / one[name]
    return {
        "images": job.num_scenes[SPLIT],
        "load_average": os.getloadavg()[0],
        "runs": runs,
    }


def table(figures: Figures) -> str:
    """The figures as text, a column for each number of workers."""
    runs = figures["runs"]
    rows = {"workers": list(runs)}
    for name in next(iter(runs.values())):
        if name != "memory_mib":
            rows[name] = [f"{run[name]:.3f}" for run in runs.values()]
    marks = dict.fromkeys(mark for run in runs.values() for mark in run["memory_mib"])
    for mark in marks:
        cells = [run["memory_mib"].get(mark) for run in runs.values()]
        rows[f"MiB {mark}"] = ["" if cell is None else f"{cell:.0f}" for cell in cells]
    return "\n".join(
        f"{name:24}" + "".join(f"{cell:>10}" for cell in cells)
        for name, cells in rows.items()
    )


def records(figures: Figures) -> list[Record]:
    """Speed against bare Cycles and against the first run; growth of the memory."""
    runs, found = figures["runs"], []
    first = next(iter(runs))
    for count, run in runs.items():
        workers = f"{count} worker" + "s" * (count != "1")
        ours, bare = run["images_per_s"], run["bare_images_per_s"]
        name = f"rendering, {workers}, against bare Cycles"
        found.append(more_is_better(name, ours, bare, "images/s"))
        if count != first:
            name = f"rendering, {workers}, against {first}"
            alone = runs[first]["images_per_s"]
            found.append(more_is_better(name, ours, alone, "images/s"))
        marks = [mark for mark in run["memory_mib"] if mark not in ("after 1", "peak")]
        if len(marks) > 1:
            early, late = marks[0], marks[-1]
            name = f"memory of a worker, {workers}, {late} scenes against {early}"
            sizes = (run["memory_mib"][mark] for mark in (late, early))
            found.append(less_is_better(name, *sizes, "MiB"))
    return found


def main() -> None:
    """Reads the arguments, prints the figures."""
    blender = [name for name, kind in CONFIGS.items() if kind.picture == "blender"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--domain", choices=blender, default="clevr")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--scenes-per-worker", type=int, default=500)
    parser.add_argument("--json", type=Path, help="where to write the records")
    options = parser.parse_args()
    config = CONFIGS[options.domain]()
    counts = {**dict.fromkeys(config.num_scenes, 0), SPLIT: options.images}
    sizes = {"width_px": options.size, "height_px": options.size}
    rendering = RenderingConfig(
        samples=options.samples, scenes_per_worker=options.scenes_per_worker
    )
    source = replace(config, num_scenes=counts, **sizes)
    figures = benchmark(RenderJob(source, rendering, seed=0), options.workers)
    print(table(figures))
    if options.json:
        write_records(options.json, records(figures))


if __name__ == "__main__":
    main()
