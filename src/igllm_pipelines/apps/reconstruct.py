"""``igllm reconstruct``: images in, scenes that Blender opens out."""

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from igllm_pipelines.apps.reconstruct_jobs import Failure, Job
    from igllm_pipelines.apps.reconstruction import Reconstructor
    from igllm_pipelines.infer.package import ModelPackage
    from igllm_pipelines.infer.pictures import Pixels

MAX_BYTES = 2**28  # of pictures in memory at a time


@click.command()
@click.argument(
    "images",
    nargs=-1,
    required=True,
    metavar="IMAGE_OR_FOLDER...",
    type=click.Path(path_type=Path),
)
@click.option(
    "--model",
    required=True,
    metavar="FOLDER_OR_URI",
    help="A model package, or models:/... or runs:/... of MLflow.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    help="Folder of the results, made where it is missing.",
)
@click.option(
    "--refine",
    "refine_s",
    default=0.0,
    metavar="SECONDS",
    type=click.FloatRange(0),
    help="Search so long, for each image, for a scene that looks more like it.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Images that a model reads at a time; changes no result.",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Blender processes; one a core."
)
@click.option(
    "--no-pictures",
    is_flag=True,
    help="program.txt and scene.json alone: needs no Blender.",
)
def reconstruct(
    *,
    images: tuple[Path, ...],
    model: str,
    out: Path,
    refine_s: float,
    batch_size: int | None,
    workers: int | None,
    no_pictures: bool,
) -> None:
    """Turn images into scenes: program, rendering, and files that Blender opens.

    IMAGE_OR_FOLDER is a picture of any common format and size, or a folder, searched
    with all below it. Each picture gets a folder in --out:

    \b
    program.txt   what the model says         input.png     the picture, made small
    scene.json    objects, camera, lights     render.png    the scene, rendered again
    scene.py      builds it in stock Blender: blender --background --python scene.py
    scene.blend   opens in Blender            scene.glb     opens elsewhere

    \b
    igllm reconstruct photo.jpg --model my_model --out scenes
    igllm reconstruct photos more/*.png --model my_model --out scenes
    igllm reconstruct photo.jpg --model models:/clevr_float/1 --out scenes
    igllm reconstruct photo.jpg --model my_model --out scenes --refine 20

    Without Blender, --no-pictures writes program.txt and scene.json alone; `igllm
    render` makes the rest of scene.json on a machine that has it.

    Over all of them there are contact_sheet.png, reconstructions.csv and .json. A
    picture that cannot be read is named and the others go on; then the exit status is
    1. Started again with the same --out, only what is missing is made.

    The camera is the one that the model was trained with: it is not found out from the
    picture. No project is needed, the model's folder is enough.
    """
    from igllm_pipelines.apps.models import package_folder
    from igllm_pipelines.apps.reconstruct_jobs import (
        find_inputs,
        fingerprint,
        make_jobs,
    )
    from igllm_pipelines.apps.reconstruction import Reconstructor
    from igllm_pipelines.infer.package import load_package

    if not refine_s < math.inf:  # nan is none either
        raise click.BadParameter("a number of seconds", param_hint="--refine")
    if refine_s and no_pictures:
        raise click.UsageError("--refine compares pictures: not with --no-pictures")
    package = load_package(package_folder(model))
    if not no_pictures:
        _check_blender(package)
    inference = package.inference
    if batch_size is not None:
        inference = replace(inference, batch_size=batch_size)
    out.mkdir(parents=True, exist_ok=True)
    paths, failures = find_inputs(images, out)
    jobs, unread = make_jobs(
        paths, out, fingerprint(package, inference, refine_s, not no_pictures)
    )
    failures += unread
    if not jobs and not failures:
        raise click.ClickException(f"no images but those in {out}, which are results")
    for failure in failures:
        click.echo(failure.reason, err=True)
    missing = [job for job in jobs if not job.done]
    if skipped := len(jobs) - len(missing):
        click.echo(f"{skipped} of {len(jobs)} images are done already")
    if missing:
        with Reconstructor(
            package,
            inference=inference,
            refine_s=refine_s,
            workers=workers,
            pictures=not no_pictures,
        ) as reconstructor:
            failures += _run(reconstructor, missing, out, inference.batch_size)
    _report(jobs, failures, out)
    if failures:
        raise click.exceptions.Exit(1)


def _check_blender(package: "ModelPackage") -> None:
    """Stops before anything is done where Blender is to draw and is absent."""
    from igllm_pipelines.apps.machine import missing_blender
    from igllm_pipelines.apps.placing import drawn_source

    for what, how in missing_blender(drawn_source(package)):
        raise click.ClickException(
            f"missing: {what}: {how}; --no-pictures goes without: programs and scenes"
        )


def _run(
    reconstructor: "Reconstructor", jobs: Sequence["Job"], out: Path, batch_size: int
) -> list["Failure"]:
    """Reconstructs every picture that can be read; returns the others."""
    from tqdm import tqdm

    from igllm_pipelines.apps.reconstruct_jobs import Failure
    from igllm_pipelines.infer.pictures import PictureError, read_picture

    failures: list[Failure] = []
    with tqdm(
        total=len(jobs), desc="reconstruct", unit="image", dynamic_ncols=True
    ) as bar:

        def read(job: "Job") -> "Pixels | None":
            try:
                return read_picture(job.path)
            except PictureError as error:
                failures.append(Failure(job.path, str(error)))
                bar.write(str(error), file=sys.stderr)
                bar.update()
                return None

        for batch in _batches(jobs, read, batch_size):
            pictures = {job.folder.name: picture for job, picture in batch}
            about = {job.folder.name: job.about for job, _ in batch}
            for _ in reconstructor.each(pictures, out, about):
                bar.update()
    return failures


def _batches(
    jobs: Sequence["Job"], read: "Callable[[Job], Pixels | None]", size: int
) -> Iterator[list[tuple["Job", "Pixels"]]]:
    """Up to `size` pictures that can be read, fewer where they are large."""
    batch: list[tuple[Job, Pixels]] = []
    for job in jobs:
        picture = read(job)
        if picture is None:
            continue
        batch.append((job, picture))
        if len(batch) == size or sum(p.nbytes for _, p in batch) > MAX_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _report(jobs: Sequence["Job"], failures: Sequence["Failure"], out: Path) -> None:
    """Writes the summaries, and says what came of it all."""
    from igllm_pipelines.apps.reconstruct_summary import table_text, write_summary
    from igllm_pipelines.apps.reconstruction_files import read_record

    files = write_summary(out, failures)
    records = {job.folder: read_record(job.folder) for job in jobs}
    made = {folder: record for folder, record in records.items() if record}
    if made:
        click.echo(table_text({folder.name: made[folder] for folder in made}))
    where = f", each in {out}{os.sep}<name>" if made else ""
    click.echo(f"{len(made)} reconstructed, {len(failures)} failed{where}")
    more = f" and {len(files) - 3} more pages" if len(files) > 3 else ""
    click.echo(f"{', '.join(map(str, files[:3]))}{more}")
