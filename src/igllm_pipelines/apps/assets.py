"""``igllm assets``: check a folder of 3D models, look at assets."""

import click


@click.group()
def assets() -> None:
    """What of an assets folder can be used, and what assets look like.

    \b
    igllm assets check --root my_models
    igllm assets preview --category chair --out chairs.png
    """
