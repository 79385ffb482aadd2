"""The command line ``igllm``: ``igllm --help``.

Starting it imports click alone; what a command needs is imported when it runs.
"""

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


def _explained() -> tuple[type[Exception], ...]:
    from igllm_pipelines.apps.scene_files import SceneFileError
    from igllm_pipelines.assets import AssetError
    from igllm_pipelines.infer.pictures import PictureError
    from igllm_pipelines.metrics.answers import PredictionsError
    from igllm_pipelines.model.storage import ModelFolderError
    from igllm_pipelines.render.blender import BlenderUnavailableError
    from igllm_pipelines.render.pool import RenderError
    from igllm_pipelines.scene import LabelError
    from igllm_pipelines.shards.tar import ShardError

    errors = AssetError, BlenderUnavailableError, LabelError, RenderError, ShardError
    more = ModelFolderError, PictureError, PredictionsError, SceneFileError, OSError
    return *errors, *more


@click.group(cls=Shell, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="igllm-pipelines")
def main() -> None:
    """Look at the data, hand it on, and see what an assets folder holds.

    Run it in the project's folder: it reads the same configuration as `kedro run`.

    \b
    igllm data plan shapenet                what rendering will cost
    igllm data preview clevr val_OOD        pictures with boxes, axes, programs
    igllm data export clevr --out exported  the official layout
    igllm assets check --root my_models     what of a folder can be used
    igllm assets preview                    pictures of all assets
    igllm plan --env=paper --pipeline=2d    what training will cost
    igllm reconstruct photos --model FOLDER --out scenes    images into scenes
    igllm render scene.json --size 512 --blend --glb --script
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
