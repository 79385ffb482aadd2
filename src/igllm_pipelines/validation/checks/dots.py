"""What holds of 2D scenes."""

from igllm_pipelines.domains.dots import EVERYWHERE, DotsConfig
from igllm_pipelines.validation.checks.kinds import Check, between, in_set, present


def dot_checks(config: DotsConfig) -> list[Check]:
    """The checks of 2D labels."""
    inside = (config.radius, 1 - config.radius)
    name = "the dot lies in a training cell"
    cells = [
        in_set(
            name, "objects", "in_training_cell", (True,), split=split, show=("x", "y")
        )
        for split in config.num_scenes
        if split != EVERYWHERE
    ]
    return [
        *present("x", "y", "u", "v"),
        between("the dot lies in the image: x", "objects", "x", inside),
        between("the dot lies in the image: y", "objects", "y", inside),
        in_set("one dot an image", "scenes", "objects", (1,)),
        *cells,
    ]
