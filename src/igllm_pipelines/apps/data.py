"""``igllm data``: plan, look at and export the data of a domain."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from igllm_pipelines.apps.project import Project, explained, project_options
from igllm_pipelines.domains import DOMAINS, program_syntax

if TYPE_CHECKING:
    from igllm_pipelines.shards.raw import RawData

DOMAIN = click.argument("domain", type=click.Choice(list(DOMAINS)))
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def data() -> None:
    """What a domain's data will cost, what they look like, and their export.

    \b
    igllm data plan shapenet --params scenes.shapenet.num_scenes.train=1000000
    igllm data preview clevr val_OOD --count 12 --out clevr.png
    igllm data export clevr --out exported
    """


@data.command()
@DOMAIN
@project_options
def plan(domain: str, env: str | None, params: tuple[str, ...]) -> None:
    """What rendering DOMAIN will cost: images, bytes, core-hours.

    What is rendered already is counted off. A few scenes are rendered as a trial, to
    measure them; nothing is written.

    \b
    igllm data plan clevr
    igllm data plan shapenet --params scenes.shapenet.num_scenes.train=1000000
    """
    from igllm_pipelines.domains.official import OfficialConfig
    from igllm_pipelines.shards.official import check_download

    project = Project.here(env, params)
    source: Any = project.scenes(domain)
    if isinstance(source, OfficialConfig):
        check_download(source.folder, source.splits)
        click.echo(f"{domain} is read from {source.folder}: nothing is rendered")
        return
    from igllm_pipelines.render.job import RenderJob
    from igllm_pipelines.shards import plan as room

    seed = project.parameters["seed"]
    with explained():  # of the seed, or of scenes that cannot be drawn
        job: Any = RenderJob(source, project.rendering(domain), seed)
        costs = room.plan(job, project.raw_folder(domain))
    click.echo(room.describe(costs))


@data.command()
@DOMAIN
@click.argument("split")
@click.option(
    "--count", default=8, show_default=True, type=click.IntRange(1), help="Pictures."
)
@click.option("--out", type=FILE, help="PNG; <domain>_<split>.png where not given.")
@project_options
def preview(
    *,
    domain: str,
    split: str,
    count: int,
    out: Path | None,
    env: str | None,
    params: tuple[str, ...],
) -> None:
    """A contact sheet of the first pictures of a SPLIT of DOMAIN.

    Beside each picture the same with centres, bounding boxes and axes of the objects,
    projected by the camera of the label; below it the program to be written.

    \b
    igllm data preview clevr val_OOD
    igllm data preview shapenet val_OOD_camera --count 12 --out camera.png
    """
    from igllm_pipelines.report.contact_sheet import Tile, scene_sheet

    raw = open_data(Project.here(env, params), domain)
    if split not in raw.splits():
        raise click.ClickException(
            f"{domain} has no split {split!r}, it has {', '.join(raw.splits())}"
        )
    scenes = raw.scenes(split)[:count]
    tiles = [Tile(raw.image(split, s.image_filename), s) for s in scenes]
    syntax = program_syntax(domain, scenes)
    title = f"{domain}, {split}: {len(tiles)} of {len(raw.scenes(split))} scenes"
    path = out or Path(f"{domain}_{split}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    scene_sheet(tiles, syntax, title).save(path, format="PNG")
    click.echo(path)


@data.command()
@DOMAIN
@click.option("--out", required=True, type=FOLDER, help="Where the folder is made.")
@project_options
def export(domain: str, out: Path, env: str | None, params: tuple[str, ...]) -> None:
    """Write the data of DOMAIN in the layout of the official downloads.

    One tar of images and one label file a split; `source: official` reads it again.

    \b
    igllm data export clevr --out exported     makes exported/CLEVR
    """
    from igllm_pipelines.shards.export import export_raw

    raw = open_data(Project.here(env, params), domain)
    click.echo(export_raw(raw, domain, out))


def open_data(project: Project, domain: str) -> "RawData":
    """The data of a domain: rendered ones, or a download that is pointed to.

    An official source is read even before `kedro run` has pointed to it.
    """
    from igllm_pipelines.domains.official import OfficialConfig
    from igllm_pipelines.shards.official import check_download, open_raw
    from igllm_pipelines.shards.raw import RawData

    source = project.scenes(domain)
    if isinstance(source, OfficialConfig):
        check_download(source.folder, source.splits)
        return RawData(source.folder, source.yaw, source.num_scenes)
    return open_raw(project.raw_folder(domain))
