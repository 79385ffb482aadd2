"""``igllm render``: scenes and programs as pictures and as files for Blender."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from igllm_pipelines.domains import DOMAINS

if TYPE_CHECKING:
    from igllm_pipelines.apps.scene_files import FoundScene, SceneReader
    from igllm_pipelines.render.export import ExportedScene

_REPS = ("yaw", "euler", "euler_int", "aa", "6d", "quat")
_FILE = click.Path(path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="SCENE...",
    type=click.Path(path_type=Path),
)
@click.option(
    "--out", default="rendered", show_default=True, type=_FOLDER, help="Where to write."
)
@click.option("--blend", is_flag=True, help="Also scene.blend, which Blender opens.")
@click.option("--glb", is_flag=True, help="Also scene.glb, which any 3D viewer opens.")
@click.option(
    "--script", is_flag=True, help="Also scene.py, which rebuilds it in stock Blender."
)
@click.option(
    "--domain",
    type=click.Choice(list(DOMAINS)),
    help="Of the scenes; needed for programs and for labels that do not say it.",
)
@click.option(
    "--rotation-rep",
    type=click.Choice(_REPS),
    help="How programs write rotations, where it is not the domain's own way.",
)
@click.option("--assets", type=_FOLDER, help="Folder of the own 3D models they show.")
@click.option("--count", type=click.IntRange(1), help="The first scenes of each file.")
@click.option("--size", type=click.IntRange(1), help="Longer side in pixels.")
@click.option(
    "--samples", default=32, show_default=True, type=click.IntRange(1), help="A pixel."
)
@click.option("--workers", type=click.IntRange(1), help="Blender processes; all cores.")
def render(
    *,
    files: tuple[Path, ...],
    out: Path,
    blend: bool,
    glb: bool,
    script: bool,
    domain: str | None,
    rotation_rep: str | None,
    assets: Path | None,
    count: int | None,
    size: int | None,
    samples: int,
    workers: int | None,
) -> None:
    """Render scenes: the SCENE of a JSON file, or a program in a text file.

    A JSON file is a scene.json of igllm, or a label file of several scenes, ours or
    official. A program is a .txt or .py file of add(...) lines, which is read and never
    executed. What a file does not say, its camera for example, is the domain's nominal
    one. Each scene gets a folder OUT/<name> with render.png and scene.json.

    \b
    igllm render rendered/CLEVR_val_ID_000000/scene.json --size 512 --blend
    igllm render labels/val_ID.json --count 10 --out pictures
    igllm render program.txt --domain clevr --blend --glb --script

    A program for --domain clevr:

    \b
    add(size='large', color='red', material='metal', shape='cube',
        loc=(0.5, -1.0, 0.7), rotation=0.3)
    add(size='small', shape='sphere', loc=(1.5, 1.5, 0.35))

    Rotations of clevr are radians about the vertical, modulo a quarter turn, less an
    eighth of a turn. It needs no project folder.
    """
    from igllm_pipelines.apps.scene_files import SceneReader
    from igllm_pipelines.render.config import RenderingConfig

    reader = SceneReader(domain, assets, rotation_rep, size)
    found = [scene for path in files for scene in reader.read(path, count)]
    if not found:
        raise click.ClickException("these files hold no scene")
    flags = {"blend": blend, "glb": glb, "script": script}
    kinds = [kind for kind, wanted in flags.items() if wanted]
    rendering = RenderingConfig(workers=workers, samples=samples)
    exports = _export(reader, found, _folders(found, out), kinds, rendering)
    click.echo(table(found, exports))
    if any(export.problem for export in exports):
        raise click.exceptions.Exit(1)


def _folders(found: Sequence["FoundScene"], out: Path) -> list[Path]:
    """One a scene; a name that comes again is numbered."""
    folders: list[Path] = []
    times: Counter[str] = Counter()
    for scene in found:
        name = scene.name
        while name in times:
            times[scene.name] += 1
            name = f"{scene.name}-{times[scene.name]}"
        times[name] += 1
        folders.append(out / name)
    return folders


def _export(
    reader: "SceneReader",
    found: Sequence["FoundScene"],
    folders: Sequence[Path],
    kinds: Sequence[str],
    rendering: Any,
) -> list["ExportedScene"]:
    """Exports every scene by its domain, under one progress bar."""
    from tqdm import tqdm

    from igllm_pipelines.render.export import export_each

    made: dict[int, ExportedScene] = {}
    with tqdm(total=len(found), desc="render", unit=" scenes") as bar:
        for domain in sorted({scene.domain for scene in found}):
            chosen = [i for i, scene in enumerate(found) if scene.domain == domain]
            source: Any = reader.source(domain)
            exports = export_each(
                [found[i].scene for i in chosen],
                source,
                rendering,
                [folders[i] for i in chosen],
                kinds=kinds,
            )
            for place, export in exports:
                made[chosen[place]] = export
                bar.update()
    return [made[index] for index in range(len(found))]


def table(found: Sequence["FoundScene"], exports: Sequence["ExportedScene"]) -> str:
    """What was written where, and what was filled in or went wrong."""
    width = max(len(str(export.folder)) for export in exports)
    lines = [f"{'folder':<{width}}  files"]
    for scene, export in zip(found, exports, strict=True):
        files = "  ".join(path.name for path in export.files.values())
        lines.append(f"{export.folder!s:<{width}}  {files}")
        lines += [f"  {note}" for note in scene.notes]
        if export.problem:
            lines.append(f"  not rendered: {export.problem}")
    return "\n".join(lines)
