"""The page of ``igllm demo``: its layout, and what happens when something is clicked.

Importing it imports gradio, which reads its environment: see `demo.keep_to_itself`.
"""

import html
import logging
import math
import shutil
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from igllm_pipelines.apps.placing import drawn_source
from igllm_pipelines.apps.reconstruction import Reconstruction, Reconstructor
from igllm_pipelines.infer.pictures import PictureError, read_picture
from igllm_pipelines.render.pool import RenderError
from igllm_pipelines.scene import Scene

logger = logging.getLogger(__name__)
PREVIEW_PX, THUMBNAIL_PX = 768, 128
DAY_S = 86400
TITLE = "Image to scene"
INTRODUCTION = """# Image to scene
Drop an image: the model writes it down as a program, and the program's scene is
rendered again. All of it can be taken home."""
EMPTY = "Nothing reconstructed yet."
BACKGROUND = (0.93, 0.93, 0.95, 1.0)
STYLE = """
.gradio-container { width: 100% !important; max-width: 1200px !important;
  margin: 0 auto !important; }
#input img, #rendered img { width: 100%; height: 100%; object-fit: contain; }
#examples .gallery { display: grid; grid-template-columns: repeat(4, 1fr); }
#examples .gallery-item { aspect-ratio: 1; overflow: hidden; }
#examples .gallery-item * { display: block; width: 100%; height: 100%;
  max-width: none; max-height: none; }
#program { min-height: 360px; }
#program .cm-editor { height: 320px !important; min-height: 0 !important; }
#files .label-clear-button { display: none; }
"""
DOWNLOADS = ("program", "scene", "script", "blend", "glb", "picture")


def theme() -> gr.themes.Base:
    """Fonts of the browser's system: gradio's own themes may fetch theirs."""
    return gr.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


class DemoPage:
    """The page and what it does; one request at a time, see `demo.serve`.

    Args:
        reconstructor: warm.
        about: a sentence on the model.
        examples: images to click on.
        folder: of the files of the last request; those of the one before are deleted,
            since gradio has copied what it shows.
    """

    def __init__(
        self,
        reconstructor: Reconstructor,
        about: str,
        examples: Sequence[Path],
        folder: Path,
    ) -> None:
        self._reconstructor = reconstructor
        self._examples = examples
        self._folder = folder
        self._solid = drawn_source(reconstructor.package).picture == "blender"
        with gr.Blocks(
            title=TITLE, analytics_enabled=False, delete_cache=(DAY_S, DAY_S)
        ) as self.blocks:
            gr.Markdown(f"{INTRODUCTION}\n\n{about}")
            self._chosen = gr.State()
            with gr.Row():
                self._lay_out_pictures()
            with gr.Row():
                self._lay_out_scene()
            with gr.Row():
                self._lay_out_files()
            self._connect()

    def _lay_out_pictures(self) -> None:
        with gr.Column(min_width=280):
            self._upload = gr.File(
                label="Image", file_types=["image"], height=150, elem_id="upload"
            )
            self._gallery = gr.Dataset(
                label="Or one of these",
                components=[gr.Image(visible=False, format="png")],
                samples=[[small(path, THUMBNAIL_PX)] for path in self._examples],
                type="index",
                visible=bool(self._examples),
                elem_id="examples",
            )
            self._start = gr.Button(
                "Reconstruct", variant="primary", interactive=False, elem_id="start"
            )
        self._input = _picture("Input", "input")
        self._rendered = _picture("Rendered again", "rendered")

    def _lay_out_scene(self) -> None:
        with gr.Column(min_width=280):
            self._program = gr.Code(
                label="Program",
                language="python",
                interactive=False,
                lines=15,
                max_lines=15,
                wrap_lines=True,
                buttons=["copy"],
                elem_id="program",
            )
        with gr.Column(min_width=280, visible=self._solid):
            self._scene = gr.Model3D(
                label="Scene: drag to turn it, scroll to zoom",
                interactive=False,
                height=360,
                clear_color=BACKGROUND,
                elem_id="scene",
            )

    def _lay_out_files(self) -> None:
        with gr.Column(min_width=280):
            self._notes = gr.Markdown(EMPTY, container=True, elem_id="notes")
            self._zip = gr.DownloadButton(
                "Download all (zip)", interactive=False, elem_id="zip"
            )
        with gr.Column(min_width=280):
            self._files = gr.File(
                label="Files", file_count="multiple", interactive=False, elem_id="files"
            )

    def _connect(self) -> None:
        made = [self._rendered, self._program, self._scene]
        made += [self._notes, self._files, self._zip]
        choose: dict[str, Any] = {
            "outputs": [self._chosen, self._upload, self._input, self._start, *made],
            "api_visibility": "private",
            "show_progress_on": self._input,
        }
        self._upload.upload(self._choose, self._upload, **choose)
        self._gallery.click(self._choose_example, self._gallery, **choose)
        self._start.click(
            self._reconstruct,
            self._chosen,
            made,
            api_visibility="private",
            show_progress_on=self._rendered,
        )

    def _choose_example(self, index: int) -> dict[Any, Any]:
        return self._choose(str(self._examples[index]))

    def _choose(self, path: str) -> dict[Any, Any]:
        """Shows an image; what was made of the one before goes."""
        name = Path(path).name
        try:
            shown = small(Path(path), PREVIEW_PX)
        except PictureError as error:
            reason = str(error).replace(path, name)
            _say(f"{reason}. Choose another file, or save it as PNG or JPEG.")
            return {self._upload: None}
        return {
            self._chosen: path,
            self._upload: None,
            self._input: gr.Image(shown, label=f"Input: {name}"),
            self._start: gr.Button(interactive=True),
            **self._nothing_made(),
        }

    def _nothing_made(self) -> dict[Any, Any]:
        made = self._rendered, self._program, self._scene, self._files
        return {
            **dict.fromkeys(made),
            self._notes: EMPTY,
            self._zip: gr.DownloadButton(interactive=False),
        }

    def _reconstruct(self, path: str) -> dict[Any, Any]:
        """Program, scene, picture and files of the chosen image."""
        shutil.rmtree(self._folder, ignore_errors=True)
        started = time.monotonic()
        try:
            name = Path(path).stem.lstrip(".") or "image"
            pictures = {name: read_picture(Path(path))}
            [found] = self._reconstructor.reconstruct(pictures, self._folder)
        except RenderError as error:
            logger.exception("%s could not be rendered", path)
            _say(f"Blender does not render: {error}")
            return self._nothing_made()
        files = [found.files[key] for key in DOWNLOADS if key in found.files]
        glb = str(found.files["glb"]) if "glb" in found.files else None
        return {
            self._rendered: found.files.get("picture"),
            self._program: found.program,
            self._scene: gr.Model3D(glb, camera_position=viewpoint(found.scene)),
            self._notes: describe(found, time.monotonic() - started),
            self._files: [str(file) for file in files],
            self._zip: gr.DownloadButton(
                value=zip_files(found, files), interactive=True
            ),
        }


def small(path: Path, side_px: int) -> Image.Image:
    """A picture in a format that every browser shows, of at most so many pixels.

    Raises:
        PictureError: it cannot be read.
    """
    picture = Image.fromarray(read_picture(path))
    picture.thumbnail((side_px, side_px))
    return picture


def _say(message: str) -> None:
    """A message that goes by itself; gradio shows HTML, and files have odd names.

    A raised `gradio.Error` would write "Error" over every part of the page as well.
    """
    gr.Warning(html.escape(message), duration=20)


def _picture(label: str, name: str) -> gr.Image:
    return gr.Image(
        label=label,
        interactive=False,
        format="png",
        height=420,
        buttons=["fullscreen"],
        min_width=280,
        elem_id=name,
    )


def viewpoint(scene: Scene | None) -> tuple[float | None, float | None, None]:
    """Where the 3D view looks from: the side that the scene's camera is on.

    Returns:
        azimuth and inclination in degrees, in glTF's axes (y up), and no distance: the
        view then shows all objects.
    """
    if scene is None or scene.camera is None:
        return None, None, None
    x, y, z = np.asarray(scene.camera.world_from_camera)[:3, 2]  # it looks along -z
    azimuth_deg = math.degrees(math.atan2(-y, x))
    return azimuth_deg, math.degrees(math.acos(np.clip(z, -1, 1))), None


def zip_files(found: Reconstruction, files: Sequence[Path]) -> Path:
    """One zip of `files`, in a folder of the image's name."""
    path = found.folder / f"{found.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"{found.name}/{file.name}")
    return path


def describe(found: Reconstruction, seconds: float) -> str:
    """What is known of a reconstruction, as Markdown."""
    count = len(found.scene.objects) if found.scene else 0
    lines = [
        f"{count} object{'s' if count != 1 else ''} in {seconds:.1f} s; "
        f"log-probability of the program {found.log_probability:.1f}"
    ]
    if stds := found.number_stds:
        mean = sum(stds) / len(stds)
        lines.append(
            f"numbers: the model is unsure of them by {mean:.2g} in the mean, "
            f"{max(stds):.2g} at most"
        )
    if (before := found.score_before) is not None and found.score_after is not None:
        better = f"differed from the image by {before:.3g}, now {found.score_after:.3g}"
        found_one = found.score_after < before
        lines.append(f"refined: {better if found_one else 'nothing better was found'}")
    return "\n".join(f"- {line}" for line in [*lines, *found.notes])
