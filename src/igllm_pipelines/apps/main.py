"""The command line ``igllm``: ``igllm --help``.

Starting it imports click alone; what a command needs is imported when it runs.
"""

import sys
from typing import Any

import click

from igllm_pipelines.apps.assets import assets
from igllm_pipelines.apps.data import data
from igllm_pipelines.apps.demo import demo
from igllm_pipelines.apps.evaluate import evaluate
from igllm_pipelines.apps.plan import plan
from igllm_pipelines.apps.reconstruct import reconstruct
from igllm_pipelines.apps.render import render


class Shell(click.Group):
    """Shows the errors that say what to do as one message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; errors of other kinds keep their traceback."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click ends quietly
            raise
        except (ValueError, RuntimeError, OSError) as error:
            if not isinstance(error, _explained()):
                raise
            raise click.ClickException(str(error)) from error


# errors whose text says what to do, by the module that raises them
EXPLAINED = {
    "AssetError": "assets",
    "BlenderUnavailableError": "render.bpy_module",
    "LabelError": "scene",
    "ModelFolderError": "model.storage",
    "PictureError": "infer.pictures",
    "PredictionsError": "metrics.answers",
    "RenderError": "render.pool",
    "SceneFileError": "apps.scene_files",
    "ShardError": "shards.tar",
}


def _explained() -> tuple[type[Exception], ...]:
    """Classes of such errors: a module that is not loaded has raised none."""
    loaded = (
        getattr(sys.modules.get(f"igllm_pipelines.{module}"), name, None)
        for name, module in EXPLAINED.items()
    )
    return *(found for found in loaded if found), OSError


@click.group(cls=Shell, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="igllm-pipelines")
def main() -> None:
    """Turn images into scenes; look at data and models; score predictions.

    reconstruct, render, demo and evaluate work anywhere. The others are run in the
    project's folder: they read the same configuration as `kedro run`.

    \b
    igllm data plan shapenet                what rendering will cost
    igllm data preview clevr val_OOD        pictures with boxes, axes, programs
    igllm data export clevr --out exported  the official layout
    igllm assets check --root my_models     what of a folder can be used
    igllm assets preview                    pictures of all assets
    igllm plan --env=paper --pipeline=2d    what training will cost
    igllm reconstruct photos --model FOLDER --out scenes    images into scenes
    igllm render scene.json --blend         a scene or a program as files of Blender
    igllm demo --model FOLDER               images into scenes, in the browser
    igllm evaluate --labels L --predictions P --rotation-rep 6d
    """


main.add_command(data)
main.add_command(assets)
main.add_command(plan)
main.add_command(reconstruct)
main.add_command(render)
main.add_command(evaluate)
main.add_command(demo)
