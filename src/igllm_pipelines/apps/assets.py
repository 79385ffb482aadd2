"""``igllm assets``: check a folder of 3D models, look at assets."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from igllm_pipelines.apps.project import Project, explained, project_options
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.textures import FAMILIES

if TYPE_CHECKING:
    from igllm_pipelines.assets import Asset, AssetsConfig
    from igllm_pipelines.report.contact_sheet import Card

CATEGORIES = ("sofa", "chair", "table", "airplane")
YAW_RAD, PITCH_RAD = math.radians(35), math.radians(20)
PICTURE_PX = 144
ROOT = click.option(
    "--root",
    type=click.Path(file_okay=False),
    help="A ShapeNetCore.v2 tree, or a folder of OBJ and GLB files with manifest.json; "
    "without it the procedural assets.",
)


@click.group()
def assets() -> None:
    """What of an assets folder can be used, and what assets look like.

    \b
    igllm assets check --root my_models
    igllm assets preview --category chair --out chairs.png
    """


@assets.command()
@click.argument("domain", type=click.Choice(list(DOMAINS)), required=False)
@ROOT
@project_options
def check(
    domain: str | None, root: str | None, env: str | None, params: tuple[str, ...]
) -> None:
    """How many assets there are, and what is wrong with which.

    Of DOMAIN, as its parameters say; or of the folder --root; or the procedural ones.
    A broken model is named and left out.

    \b
    igllm assets check shapenet
    igllm assets check --root my_models
    """
    from igllm_pipelines.assets import load_catalog
    from igllm_pipelines.assets.report import describe

    if domain and root:
        raise click.UsageError("give DOMAIN or --root, not both")
    config = _of_domain(domain, env, params) if domain else _config(root, ())
    click.echo(describe(load_catalog(config)))


@assets.command()
@ROOT
@click.option("--category", "categories", multiple=True, help="Only this; repeatable.")
@click.option(
    "--per-category", type=click.IntRange(1), help="Only so many of a category."
)
@click.option("--workers", type=click.IntRange(1), help="Blender processes; all cores.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="assets.png",
    show_default=True,
    help="PNG.",
)
def preview(
    root: str | None,
    categories: tuple[str, ...],
    per_category: int | None,
    workers: int | None,
    out: Path,
) -> None:
    """A contact sheet of all assets, and of the texture families.

    \b
    igllm assets preview
    igllm assets preview --root my_models --category chair --per-category 20
    """
    from igllm_pipelines.assets import load_catalog
    from igllm_pipelines.report.contact_sheet import card_sheet

    config = _config(root, categories)
    catalog = load_catalog(config)
    shown = {
        name: [a for a in catalog.assets if a.category == name][:per_category]
        for name in config.categories
    }
    groups = _cards(config, shown, workers)
    title = f"{sum(map(len, shown.values()))} of {len(catalog.assets)} assets"
    out.parent.mkdir(parents=True, exist_ok=True)
    card_sheet(groups, title, "held out of training").save(out, format="PNG")
    click.echo(out)


def _of_domain(domain: str, env: str | None, params: tuple[str, ...]) -> "AssetsConfig":
    config = Project.here(env, params).scenes(domain).assets
    if config is None:
        raise click.ClickException(f"{domain} shows no assets")
    return config


def _config(root: str | None, categories: Sequence[str]) -> "AssetsConfig":
    """All assets of a folder, or the procedural ones."""
    from igllm_pipelines.assets import AssetsConfig
    from igllm_pipelines.assets.folder import folder_categories

    if root is None:
        with explained():
            return AssetsConfig(categories=tuple(categories) or CATEGORIES)
    chosen = tuple(categories) or folder_categories(Path(root))
    with explained():
        return AssetsConfig(root, chosen, per_category=None, held_out=0.0)


def _cards(
    config: "AssetsConfig",
    shown: Mapping[str, Sequence["Asset"]],
    workers: int | None,
) -> "dict[str, list[Card]]":
    """Pictures of the assets by category, and of one asset in every texture family."""
    from igllm_pipelines.domains.shapenet import ShapeNetConfig
    from igllm_pipelines.render.config import RenderingConfig
    from igllm_pipelines.render.job import render_pictures
    from igllm_pipelines.render.turntable import asset_scene
    from igllm_pipelines.report.contact_sheet import Card

    every = [asset for group in shown.values() for asset in group]
    textures = [f"{family}_{n:04d}" for family in FAMILIES for n in range(2)]
    looks: list[tuple[Asset, str | None]] = [(asset, None) for asset in every]
    looks += [(every[0], texture) for texture in textures]
    scenes = [
        asset_scene(asset, YAW_RAD, PITCH_RAD, size_px=PICTURE_PX, texture=texture)
        for asset, texture in looks
    ]
    source: Any = ShapeNetConfig(num_scenes={}, assets=config)
    pictures = render_pictures(scenes, source, RenderingConfig(workers=workers))
    cards: dict[str, list[Card]] = {name: [] for name in (*shown, "texture families")}
    for (asset, texture), picture in zip(looks, pictures, strict=True):
        group = "texture families" if texture else asset.category
        held_out = asset.held_out and not texture
        cards[group].append(Card(picture, texture or asset.id, held_out))
    return cards
