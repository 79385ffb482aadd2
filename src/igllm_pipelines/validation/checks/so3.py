"""What holds of SO(3) scenes."""

from igllm_pipelines.domains.so3 import HELD_OUT_SPLITS, So3Config
from igllm_pipelines.validation.checks.assets import asset_checks, fixed_camera
from igllm_pipelines.validation.checks.kinds import ROUNDING, Check, between, in_set


def so3_checks(config: So3Config) -> list[Check]:
    """The checks of SO(3) labels; no held-out orientation leaks into training."""
    words = ("shape", config.asset), ("color", config.color)
    return [
        *asset_checks(config, (1, 1)),
        *(
            between(f"it is at the origin: {axis}", "objects", axis, (0.0, 0.0))
            for axis in "xyz"
        ),
        *(
            in_set(f"{name} is that of all images", "objects", name, (word,))
            for name, word in (*words, ("material", config.material))
        ),
        fixed_camera(),
        *(_region(config, split) for split in config.num_scenes),
    ]


def _region(config: So3Config, split: str) -> Check:
    """On which side of the edge of the held-out cone a split lies."""
    edge, held_out = config.held_out_half_angle_deg, split in HELD_OUT_SPLITS
    return between(
        f"the orientation lies {'in' if held_out else 'outside'} the held-out region",
        "objects",
        "forward_angle_deg",
        (0.0, edge + ROUNDING) if held_out else (edge - ROUNDING, 180.0),
        split=split,
    )
