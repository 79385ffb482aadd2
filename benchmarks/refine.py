r"""Measures refinement: how near CLEVR guesses come to the truth before and after it.

Commands::

    python benchmarks/refine.py --raw data/01_raw/clevr --images 20 --seconds 20 \
        --predictions data/07_model_output/clevr/float/predictions.json
    python benchmarks/refine.py --images 8 --json refinement.json

Guesses are a model's predictions, as inference writes them, or made up: the true
objects, four in five moved by a normal of 0.3 m an axis and one in five by 1 m, turned
by a normal of 0.4 rad, some words wrong and some objects missing about as often as the
default model has it. Without ``--raw`` the pictures are rendered here, as the default
scale has them. Camera and lamps of a guess are the nominal ones: the method does not
know their jitter, 0.12 m of location error even if each object is seen in its place.

Seconds are CPU seconds of this process, Blender and Cycles (one thread) included, so
that other work on the machine changes no result.
"""

import argparse
import io
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from records import Record, less_is_better, write_records

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import RADIUS_M, ClevrConfig
from igllm_pipelines.infer.moves import FREEDOMS
from igllm_pipelines.infer.refine import refine
from igllm_pipelines.metrics.matching import match_objects
from igllm_pipelines.render.blender import BlenderRenderer
from igllm_pipelines.render.config import RenderingConfig
from igllm_pipelines.render.preview import PREVIEW, draw_previews
from igllm_pipelines.render.worker import BlenderWorker
from igllm_pipelines.report.reconstruction import rebuild
from igllm_pipelines.scene import ProgramError, Scene, parse_program, scene_from_record
from igllm_pipelines.scene.rotations import quat_between, quat_from_yaw, yaw_from_quat
from igllm_pipelines.scene.scene import SceneObject
from igllm_pipelines.shards.raw import RawData

SOURCE = ClevrConfig()
SYNTAX = DOMAINS["clevr"].syntax
FREEDOM = FREEDOMS["clevr"]
WORDS = ("size", "color", "material", "shape")
WRONG = {"size": 0.03, "color": 0.06, "material": 0.05, "shape": 0.05}
MISSING = 0.02  # of all objects
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Errors:
    """What is wrong with scenes, object by object of the matched pairs.

    Attributes:
        distance_m: of the locations.
        yaw_deg: of cubes that are called cubes, at most 45.
        right: by attribute, whether the word is right.
        count: difference of the numbers of objects, one entry a scene.
    """

    distance_m: list[float]
    yaw_deg: list[float]
    right: dict[str, list[bool]]
    count: list[int]

    @classmethod
    def none(cls) -> "Errors":
        """Before any scene."""
        return cls([], [], {name: [] for name in WORDS}, [])

    def add(self, found: Scene, true: Scene) -> float:
        """Counts a scene; returns its mean distance."""
        preds, targets, distances = match_objects(found, true)
        self.distance_m.extend(distances.tolist())
        self.count.append(abs(len(found.objects) - len(true.objects)))
        for i, j in zip(preds, targets, strict=True):
            a, b = found.objects[i], true.objects[j]
            for name, row in self.right.items():
                row.append(getattr(a, name) == getattr(b, name))
            if a.shape == b.shape == "cube":
                self.yaw_deg.append(_yaw_error_deg(a, b))
        return float(np.mean(distances))


def _yaw_error_deg(cube: SceneObject, other: SceneObject) -> float:
    quats = (obj.rotation or (1.0, 0.0, 0.0, 0.0) for obj in (cube, other))
    turn_deg = np.degrees(yaw_from_quat(quat_between(*quats)))
    return float(abs((turn_deg + 45) % 90 - 45))


def true_scenes(
    raw: Path | None, split: str, count: int
) -> Iterator[tuple[Scene, Picture]]:
    """The first scenes of a split and their pictures."""
    if raw is not None:
        data = RawData(raw)
        for scene in data.scenes(split)[:count]:
            yield scene, data.image(split, scene.image_filename)
        return
    worker = BlenderWorker(RenderingConfig(), "benchmark", SOURCE)
    for index in range(count):
        made = worker.make(0, split, index)
        with Image.open(io.BytesIO(made.png)) as image:
            picture = np.asarray(image.convert("RGB"))
        yield scene_from_record(json.loads(made.record), "benchmark"), picture


def made_up(scene: Scene, rng: np.random.Generator) -> Scene:
    """A guess of `scene` that is wrong about as a model is."""
    kept = [obj for obj in scene.objects if rng.uniform() >= MISSING]
    objects = [_disturbed(obj, rng) for obj in kept or scene.objects]
    return replace(SOURCE.nominal(), objects=tuple(objects))


def _disturbed(obj: SceneObject, rng: np.random.Generator) -> SceneObject:
    wrong = {
        name: str(
            rng.choice([w for w in SYNTAX.words[name] if w != getattr(obj, name)])
        )
        for name, share in WRONG.items()
        if rng.uniform() < share
    }
    spread_m = 0.3 if rng.uniform() < 0.8 else 1.0
    x, y = np.add(obj.location[:2], rng.normal(0, spread_m, 2)).tolist()
    yaw_rad = yaw_from_quat(obj.rotation) + rng.normal(0, 0.4)
    moved = replace(obj, **wrong, rotation=quat_from_yaw(yaw_rad))
    return replace(moved, location=(x, y, RADIUS_M[moved.size]), pixel_coords=None)


def predicted(file: Path, split: str) -> dict[str, Scene]:
    """Scenes of the predictions of a split that parse, by image."""
    scenes = {}
    for record in json.loads(file.read_text(encoding="utf-8"))[split]:
        try:
            said = parse_program(record["program"], SYNTAX)
        except ProgramError:
            continue
        built = rebuild(said, SOURCE.nominal(), SOURCE.finish, SYNTAX.attributes)
        if built.scene is not None:
            scenes[record["image"]] = built.scene
    return scenes


def benchmark(options: argparse.Namespace) -> tuple[Errors, Errors]:
    """Errors before and after, of all images; prints a line for each."""
    last = options.first + options.images
    pairs = list(true_scenes(options.raw, options.split, last))
    guesses = None
    if options.predictions:
        guesses = predicted(options.predictions, options.split)
    renderer = BlenderRenderer(PREVIEW, None)
    draw_previews(renderer, [pairs[0][0]])  # the start of Cycles
    before, after = Errors.none(), Errors.none()
    for index in range(options.first, len(pairs)):
        true, picture = pairs[index]
        if guesses is None:
            guess = made_up(true, np.random.default_rng([options.seed, index]))
        elif true.image_filename in guesses:
            guess = guesses[true.image_filename]
        else:
            continue
        refined = refine(
            guess,
            picture,
            lambda scenes: draw_previews(renderer, scenes),
            FREEDOM,
            seconds=options.seconds,
            seed=options.seed,
            max_evaluations=options.evaluations,
            clock=time.process_time,
        )
        errors = before.add(guess, true), after.add(refined.scene, true)
        print(
            f"{index:3} {len(true.objects)} objects, L2 {errors[0]:.3f} -> "
            f"{errors[1]:.3f} m, score {refined.score_before:.6f} -> "
            f"{refined.score_after:.6f}, {refined.evaluations} pictures, "
            f"{refined.seconds:.1f} CPU s",
            flush=True,
        )
    return before, after


def table(before: Errors, after: Errors) -> str:
    """Both in columns."""
    rows = {
        "L2 [m]": [np.mean(e.distance_m) for e in (before, after)],
        "L2, median [m]": [np.median(e.distance_m) for e in (before, after)],
        "yaw of cubes [deg]": [np.mean(e.yaw_deg) for e in (before, after)],
        "count": [np.mean(e.count) for e in (before, after)],
    }
    for name in WORDS:
        rows[f"{name} [%]"] = [100 * np.mean(e.right[name]) for e in (before, after)]
    lines = [f"{'':20}{'before':>10}{'after':>10}"]
    for name, (one, two) in rows.items():
        lines.append(f"{name:20}{one:10.3f}{two:10.3f}")
    lower = 1 - rows["L2 [m]"][1] / rows["L2 [m]"][0]
    return "\n".join([*lines, f"L2 is {100 * lower:.0f} % lower"])


def records(before: Errors, after: Errors) -> list[Record]:
    """Location errors against those of the guesses."""
    means = (float(np.mean(errors.distance_m)) for errors in (after, before))
    return [less_is_better("refinement, CLEVR, L2 against the guess", *means, "m")]


def _own_stdout() -> None:
    """Keeps this process's stdout for the figures: Blender's C code writes there."""
    own, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    import sys

    sys.stdout = os.fdopen(own, "w")


def main() -> None:
    """Reads the arguments, prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--raw", type=Path, help="raw data folder of CLEVR")
    parser.add_argument("--split", default="val_ID")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="images passed over")
    parser.add_argument("--seconds", type=float, default=20.0, help="of an image")
    parser.add_argument("--evaluations", type=int, help="pictures of a search at most")
    parser.add_argument("--predictions", type=Path, help="of a model, JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where to write the records")
    options = parser.parse_args()
    _own_stdout()
    before, after = benchmark(options)
    print(table(before, after))
    if options.json:
        write_records(options.json, records(before, after))


if __name__ == "__main__":
    main()
