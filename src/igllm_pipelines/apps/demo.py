"""``igllm demo``: a page in the browser that reconstructs images."""

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from igllm_pipelines.apps.project import Project

if TYPE_CHECKING:
    import gradio

    from igllm_pipelines.infer.package import ModelPackage

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NUM_EXAMPLES = 8
MAX_UPLOAD = "64mb"


@click.command()
@click.option(
    "--model",
    required=True,
    metavar="FOLDER_OR_URI",
    help="A model package, or models:/... or runs:/... of MLflow.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Of the page; the first free one from 7860 on where not given.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 lets the whole network in.",
)
@click.option(
    "--examples",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of images to try; without it images of the domain's test split, where "
    "the project's data are here.",
)
@click.option(
    "--refine",
    type=click.FloatRange(min=0),
    default=0,
    metavar="SECONDS",
    help="Search around each predicted scene for one that looks more like the image.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Blender processes.",
)
def demo(
    *,
    model: str,
    port: int | None,
    host: str,
    examples: Path | None,
    refine: float,
    workers: int,
) -> None:
    """A page in the browser: drop an image, see its program and its scene.

    The scene can be turned, and downloaded as .blend, .glb, JSON and a script. Nothing
    leaves this machine: no telemetry, no share link, no fonts or scripts from the net.

    \b
    igllm demo --model my_model
    igllm demo --model models:/clevr_float/1 --port 8000
    igllm demo --model my_model --examples my_pictures --refine 10
    """
    from igllm_pipelines.apps.models import package_folder
    from igllm_pipelines.apps.reconstruction import Reconstructor
    from igllm_pipelines.infer.package import load_package

    package = load_package(package_folder(model))
    with tempfile.TemporaryDirectory(prefix="igllm_demo_") as scratch:
        work = Path(scratch)
        keep_to_itself(work / "uploads")
        from igllm_pipelines.apps.demo_page import DemoPage

        shown = example_images(package, examples, work / "examples")
        warm = Reconstructor(package, refine_s=refine, workers=workers)
        with warm as reconstructor:
            page = DemoPage(reconstructor, _about(package), shown, work / "result")
            serve(page.blocks, host, port)


def keep_to_itself(uploads: Path) -> None:
    """Tells gradio, before its import, to call nobody and to keep files in `uploads`.

    Not `setdefault`: a variable left over in the user's shell must not open the page.
    """
    uploads.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_SHARE": "False",
            "GRADIO_TEMP_DIR": str(uploads),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
    )


def example_images(
    package: "ModelPackage", given: Path | None, folder: Path
) -> list[Path]:
    """Up to `NUM_EXAMPLES` images to try.

    Those of the folder `given`; else of the project's data, from the domain's test
    split; else those in the package's folder ``examples/``; else none.

    Args:
        package: of the model.
        given: a folder, or None.
        folder: to write images of the data into.

    Raises:
        PictureError: the folder holds no picture.
    """
    from igllm_pipelines.infer.pictures import find_pictures

    own = package.folder / "examples"
    if given is None and (found := _test_images(package.domain, folder)):
        return found
    if given is None and not own.is_dir():
        return []
    return find_pictures([given or own])[:NUM_EXAMPLES]


def _test_images(domain: str, folder: Path) -> list[Path]:
    """Copies of the first images of the test split; none without project or data."""
    from igllm_pipelines.apps.data import open_data
    from igllm_pipelines.domains import scored_splits
    from igllm_pipelines.scene import LabelError
    from igllm_pipelines.shards.tar import ShardError

    try:
        raw = open_data(Project.here(None, ()), domain)
        split, *_ = scored_splits(domain, raw.splits())
        names = [s.image_filename for s in raw.scenes(split)[:NUM_EXAMPLES]]
        files = {Path(name).name: raw.image_file(split, name) for name in names}
    except (click.ClickException, ShardError, LabelError, ValueError, OSError):
        return []
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def serve(page: "gradio.Blocks", host: str, port: int | None) -> None:
    """Shows the page until Ctrl-C, or until the process is told to end.

    Raises:
        OSError: the port is taken.
    """
    from igllm_pipelines.apps.demo_page import STYLE, theme

    _, url, _ = page.queue(default_concurrency_limit=1, max_size=20).launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        css=STYLE,
        max_file_size=MAX_UPLOAD,
        share=False,
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        ssr_mode=False,
        pwa=False,
        footer_links=[],
        quiet=True,
        prevent_thread_lock=True,
    )
    if host not in LOOPBACK:
        click.echo(f"Whoever reaches {host} can use the page: it asks no password.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # uploads go then too
    click.echo(f"{url} (Ctrl-C ends it)")
    page.block_thread()


def _about(package: "ModelPackage") -> str:
    said = ", ".join(package.syntax.attributes)
    return f"Model {package.domain}.{package.encoding}; of each object it says {said}."
