"""``igllm data``: plan, look at and export the data of a domain."""

import click


@click.group()
def data() -> None:
    """What a domain's data will cost, what they look like, and their export.

    \b
    igllm data plan shapenet --params scenes.shapenet.num_scenes.train=1000000
    igllm data preview clevr val_OOD --count 12 --out clevr.png
    igllm data export clevr --out exported
    """
