"""Measures scoring: 10,000 CLEVR scenes of 6 objects, from the texts to the figures.

Commands::

    python benchmarks/metrics.py
    python benchmarks/metrics.py --scenes 1000 --json metrics.json

Draws scenes and answers that are a little wrong, writes both as files and scores them
by the protocol ``reference``: with ours, and with the loop over scenes, objects and
attributes that such a script is written as first. Both must say the same. The clock
runs from the decoded JSON of both files on, programs are parsed under it; what the JSON
takes both alike stands beside it. Seconds are those of the processor, runs take turns,
the median counts. CLEVR's programs write a yaw, which the protocol does not score; with
``6d`` the same scenes have a rotation that it does, as in the domains of assets.
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
from records import Record, less_is_better, write_records
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from igllm_pipelines.domains import CLEVR_SYNONYMS, CLEVR_WORDS, DOMAINS
from igllm_pipelines.metrics.answers import answers_of, in_order
from igllm_pipelines.metrics.labels import label_table
from igllm_pipelines.metrics.protocols import (
    Protocol,
    reference_scores,
    strict_scores,
)

WORDS = tuple(CLEVR_WORDS)
Scores = dict[str, Any]


# --- the files ---------------------------------------------------------------------


def write_files(
    folder: Path, scenes: int, objects: int, seed: int, rep: str = "yaw"
) -> tuple[Path, Path]:
    """Labels and the paper's form of predictions of drawn scenes."""
    rng = np.random.default_rng(seed)
    labels, answers = [], {}
    for index in range(scenes):
        true = [_draw_object(rng, rep) for _ in range(objects)]
        true.sort(key=lambda record: record["pixel_coords"][0])
        name = f"CLEVR_val_{index:06d}.png"
        labels.append({"image_filename": name, "objects": true})
        lines = [_answer_line(record, rng, rep) for record in true]
        if rng.uniform() < 0.05:
            lines.pop()
        text = "The scene can be produced with:\n```python\n" + "".join(lines) + "```"
        answers[f"images/val/{name}"] = {"outputs": text}
    files = folder / "val.json", folder / "predictions.json"
    files[0].write_text(json.dumps({"info": {}, "scenes": labels}))
    files[1].write_text(json.dumps({"answers": answers}))
    return files


def _draw_object(rng: np.random.Generator, rep: str) -> Scores:
    words = {name: str(rng.choice(known)) for name, known in CLEVR_WORDS.items()}
    x, y = rng.uniform(-3, 3, size=2).tolist()
    return {
        **words,
        "3d_coords": [x, y, 0.7 if words["size"] == "large" else 0.35],
        "pixel_coords": [240 + 60 * x, 160 + 30 * y, 10.0],
        "rotation": (
            float(rng.uniform(0, 360))
            if rep == "yaw"
            else rng.uniform(-1.5, 1.5, 3).tolist()
        ),
    }


def _answer_line(record: Scores, rng: np.random.Generator, rep: str) -> str:
    words = {
        name: record[name] if rng.uniform() < 0.97 else str(rng.choice(known))
        for name, known in CLEVR_WORDS.items()
    }
    x, y, z = np.asarray(record["3d_coords"]) + rng.normal(0, 0.15, size=3)
    arguments = [f"{name}='{word}'" for name, word in words.items()]
    arguments.append(f"loc=({x:+.3f}, {y:+.3f}, {z:+.3f})")
    if rep == "6d":
        rows = Rotation.from_euler("xyz", record["rotation"]).as_matrix()[:2]
        numbers = (rows + rng.normal(0, 0.05, size=(2, 3))).reshape(-1)
        arguments.append(f"rotation=({', '.join(f'{n:+.3f}' for n in numbers)})")
    elif words["shape"] == "cube":
        yaw = math.radians(record["rotation"] % 90 - 45)
        arguments.append(f"rotation={yaw:+.3f}")
    return f"add({', '.join(arguments)})\n"


# --- the loop ----------------------------------------------------------------------


def pair_distances(said: list[Any], true: list[Any]) -> np.ndarray:
    """Distance after distance."""
    costs = np.zeros((len(said), len(true)))
    for i, a in enumerate(said):
        for j, b in enumerate(true):
            costs[i, j] = np.linalg.norm(a - np.array(b))
    return costs


def loop_scores(
    labels: Scores, predictions: Scores, rep: str, distances: Any = pair_distances
) -> Scores:
    """Scene after scene, object after object, attribute after attribute."""
    by_name = {scene["image_filename"]: scene for scene in labels["scenes"]}
    answers = predictions["answers"]
    means, counts, angles, skipped = [], [], [], 0
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
        costs = distances([a["loc"] for a in said], [b["3d_coords"] for b in true])
        rows, columns = linear_sum_assignment(costs)
        distance = np.mean([costs[i, j] for i, j in zip(rows, columns, strict=True)])
        if distance != 0:
            means.append(distance)
        counts.append(abs(len(said) - len(true)))
        if rep == "6d":
            pairs = zip(rows, columns, strict=True)
            angles.append(
                np.mean(
                    [_angle(said[i]["rotation"], true[j]["rotation"]) for i, j in pairs]
                )
            )
        for i, j in zip(rows, columns, strict=True):
            for name in WORDS:
                if not (name == "shape" and true[j]["shape"] == "sphere"):
                    right[name].append(said[i].get(name) == true[j][name])
    return {
        "l2": float(np.mean(means)),
        "geod": float(np.mean(angles)) if angles else None,
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
    turn = re.search(r"rotation=\(?([^)]*)\)", line)
    numbers = turn.group(1).split(",") if turn else []
    found["rotation"] = np.array([_to_number(n) for n in numbers])
    return found


def _angle(rows: Any, euler: Any) -> float:
    a, b = rows[:3], rows[3:]
    said = Rotation.from_matrix(np.stack([a, b, np.cross(a, b)]))
    turn = said.inv() * Rotation.from_euler("xyz", euler)
    return float(np.degrees(turn.magnitude()))


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


def our_scores(
    labels: Scores, predictions: Scores, rep: str, *, strict: bool = False
) -> Scores:
    """What ``igllm evaluate`` does with the content of both files."""
    true = label_table(labels, rotations=strict or rep != "yaw")
    answers = in_order(answers_of(predictions, "val", "predictions.json"), true.images)
    symmetries = DOMAINS["clevr"].syntax.symmetries
    protocol = Protocol(rep, CLEVR_WORDS, CLEVR_SYNONYMS, symmetries)
    return (strict_scores if strict else reference_scores)(true, answers, protocol)


def read(files: tuple[Path, Path]) -> tuple[Scores, Scores]:
    """The content of both files."""
    labels, predictions = (json.loads(file.read_text()) for file in files)
    return labels, predictions


def measure(
    runs: dict[str, Callable[[], Scores]], repeats: int
) -> tuple[dict[str, float], dict[str, Scores]]:
    """Median processor seconds of each and what it said; the runs take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    said: dict[str, Scores] = {}
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.process_time()
            said[name] = run()
            seconds[name].append(time.process_time() - begin)
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
    records = [_compare(rep, args) for rep in ("yaw", "6d")]
    if args.json:
        write_records(args.json, records)


def _compare(rep: str, args: argparse.Namespace) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), args.scenes, args.objects, args.seed, rep)
        begin = time.process_time()
        content = read(files)
        reading = time.process_time() - begin
    seconds, said = measure(
        {
            "loop": lambda: loop_scores(*content, rep),
            "cdist": lambda: loop_scores(*content, rep, cdist),
            "ours": lambda: our_scores(*content, rep),
            "strict": lambda: our_scores(*content, rep, strict=True),
        },
        args.repeats,
    )
    for name, value in said["loop"].items():
        ours = said["ours"][name]
        if ours != value and not math.isclose(ours, value, rel_tol=1e-9):
            raise SystemExit(f"{name}: {ours} is not the loop's {value}")
    title = f"{args.scenes} scenes of {args.objects} objects, {rep}"
    record = less_is_better(f"scoring {title}", seconds["ours"], seconds["loop"], "s")
    print(f"{title}: processor seconds, median of {args.repeats}")
    print(f"  JSON, for all      {reading:7.3f} s")
    print(f"  loop over scenes   {seconds['loop']:7.3f} s")
    print(f"  the same, cdist    {seconds['cdist']:7.3f} s   one call a scene for L2")
    print(f"  ours, reference    {seconds['ours']:7.3f} s   {record.ratio:.1f} x")
    print(f"  ours, strict       {seconds['strict']:7.3f} s   with 1000 draws")
    return record


if __name__ == "__main__":
    main()
