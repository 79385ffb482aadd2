"""Measures scoring: 10,000 CLEVR scenes of 6 objects, from the files to the figures.

Commands::

    python benchmarks/metrics.py
    python benchmarks/metrics.py --scenes 1000 --json metrics.json

Draws scenes and answers that are a little wrong, writes both as files and scores them
by the protocol ``reference``, reading of the files included: with ours, and with the
loop over scenes, objects and attributes that such a script is written as first. Both
must say the same. Runs take turns, the median counts. The strict protocol, which the
loop does not know, is timed beside them. Run it on one free core.
"""

import argparse
import json
import math
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from records import less_is_better, write_records
from scipy.optimize import linear_sum_assignment

from igllm_pipelines.domains import CLEVR_SYNONYMS, CLEVR_WORDS, DOMAINS
from igllm_pipelines.metrics.answers import in_order, read_answers
from igllm_pipelines.metrics.labels import read_label_table
from igllm_pipelines.metrics.protocols import (
    Protocol,
    reference_scores,
    strict_scores,
)

WORDS = tuple(CLEVR_WORDS)
Scores = dict[str, Any]


# --- the files ---------------------------------------------------------------------


def write_files(
    folder: Path, scenes: int, objects: int, seed: int
) -> tuple[Path, Path]:
    """Labels and the paper's form of predictions of drawn scenes."""
    rng = np.random.default_rng(seed)
    labels, answers = [], {}
    for index in range(scenes):
        true = [_draw_object(rng) for _ in range(objects)]
        true.sort(key=lambda record: record["pixel_coords"][0])
        name = f"CLEVR_val_{index:06d}.png"
        labels.append({"image_filename": name, "objects": true})
        lines = [_answer_line(record, rng) for record in true]
        if rng.uniform() < 0.05:
            lines.pop()
        text = "The scene can be produced with:\n```python\n" + "".join(lines) + "```"
        answers[f"images/val/{name}"] = {"outputs": text}
    files = folder / "val.json", folder / "predictions.json"
    files[0].write_text(json.dumps({"info": {}, "scenes": labels}))
    files[1].write_text(json.dumps({"answers": answers}))
    return files


def _draw_object(rng: np.random.Generator) -> Scores:
    words = {name: str(rng.choice(known)) for name, known in CLEVR_WORDS.items()}
    x, y = rng.uniform(-3, 3, size=2).tolist()
    return {
        **words,
        "3d_coords": [x, y, 0.7 if words["size"] == "large" else 0.35],
        "pixel_coords": [240 + 60 * x, 160 + 30 * y, 10.0],
        "rotation": float(rng.uniform(0, 360)),
    }


def _answer_line(record: Scores, rng: np.random.Generator) -> str:
    words = {
        name: record[name] if rng.uniform() < 0.97 else str(rng.choice(known))
        for name, known in CLEVR_WORDS.items()
    }
    x, y, z = np.asarray(record["3d_coords"]) + rng.normal(0, 0.15, size=3)
    arguments = [f"{name}='{word}'" for name, word in words.items()]
    arguments.append(f"loc=({x:+.3f}, {y:+.3f}, {z:+.3f})")
    if words["shape"] == "cube":
        yaw = math.radians(record["rotation"] % 90 - 45)
        arguments.append(f"rotation={yaw:+.3f}")
    return f"add({', '.join(arguments)})\n"


# --- the loop ----------------------------------------------------------------------


def loop_scores(labels: Path, predictions: Path) -> Scores:
    """Scene after scene, object after object, attribute after attribute."""
    scenes = json.loads(labels.read_text())["scenes"]
    by_name = {scene["image_filename"]: scene for scene in scenes}
    answers = json.loads(predictions.read_text())["answers"]
    distances, counts, skipped = [], [], 0
    right: dict[str, list[bool]] = {name: [] for name in WORDS}
    for path, answer in answers.items():
        true = by_name[path.rsplit("/", 1)[-1]]["objects"]
        said = [
            _read_object(line)
            for line in answer["outputs"].split("\n")
            if line.startswith("add(")
        ]
        if not said:
            skipped += 1
            continue
        costs = np.zeros((len(said), len(true)))
        for i, a in enumerate(said):
            for j, b in enumerate(true):
                costs[i, j] = np.linalg.norm(a["loc"] - np.array(b["3d_coords"]))
        rows, columns = linear_sum_assignment(costs)
        distance = np.mean([costs[i, j] for i, j in zip(rows, columns, strict=True)])
        if distance != 0:
            distances.append(distance)
        counts.append(abs(len(said) - len(true)))
        for i, j in zip(rows, columns, strict=True):
            for name in WORDS:
                if not (name == "shape" and true[j]["shape"] == "sphere"):
                    right[name].append(said[i].get(name) == true[j][name])
    return {
        "l2": float(np.mean(distances)),
        "count": float(np.mean(counts)),
        **{name: float(100 * np.mean(hits)) for name, hits in right.items()},
        "skipped": skipped,
    }


def _read_object(line: str) -> Scores:
    found: Scores = {"loc": np.zeros(3)}
    for name in WORDS:
        word = re.search(rf"{name}='([^']*)'", line)
        if word:
            found[name] = _without_synonym(name, word.group(1))
    place = re.search(r"loc=\(([^)]*)\)", line)
    if place:
        found["loc"] = np.array([_to_number(n) for n in place.group(1).split(",")])
    turn = re.search(r"rotation=([^,)]*)", line)
    found["rotation"] = _to_number(turn.group(1)) if turn else 0.0
    return found


def _without_synonym(name: str, word: str) -> str:
    for known, others in CLEVR_SYNONYMS.get(name, {}).items():
        if word in others:
            return known
    return word


def _to_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


# --- ours --------------------------------------------------------------------------


def our_scores(labels: Path, predictions: Path, *, strict: bool = False) -> Scores:
    """What ``igllm evaluate`` does, without its start."""
    true = read_label_table(labels)
    answers = in_order(read_answers(predictions, labels.stem), true.images)
    symmetries = DOMAINS["clevr"].syntax.symmetries
    protocol = Protocol("yaw", CLEVR_WORDS, CLEVR_SYNONYMS, symmetries)
    return (strict_scores if strict else reference_scores)(true, answers, protocol)


def measure(
    runs: dict[str, Callable[[], Scores]], repeats: int
) -> tuple[dict[str, float], dict[str, Scores]]:
    """Median seconds of each and what it said; the runs take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    said: dict[str, Scores] = {}
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.perf_counter()
            said[name] = run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: median(values) for name, values in seconds.items()}, said


def main() -> None:
    """Reads the arguments, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scenes", type=int, default=10_000)
    parser.add_argument("--objects", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), args.scenes, args.objects, args.seed)
        seconds, said = measure(
            {
                "loop": lambda: loop_scores(*files),
                "ours": lambda: our_scores(*files),
                "strict": lambda: our_scores(*files, strict=True),
            },
            args.repeats,
        )
    for name, value in said["loop"].items():
        if not math.isclose(said["ours"][name], value, rel_tol=1e-12):
            raise SystemExit(f"{name}: {said['ours'][name]} is not the loop's {value}")
    title = f"{args.scenes} scenes of {args.objects} objects"
    record = less_is_better(f"scoring {title}", seconds["ours"], seconds["loop"], "s")
    print(f"{title}, reading included, {args.repeats} runs each, median")
    print(f"  loop over scenes   {seconds['loop']:7.3f} s")
    print(f"  ours, reference    {seconds['ours']:7.3f} s   {record.ratio:.1f} x")
    print(f"  ours, strict       {seconds['strict']:7.3f} s   with 1000 draws")
    if args.json:
        write_records(args.json, [record])


if __name__ == "__main__":
    main()
