"""What holds of 6-DoF scenes."""

from igllm_pipelines.assets import load_catalog
from igllm_pipelines.domains import CLEVR_WORDS
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.validation.checks.assets import (
    asset_checks,
    fixed_camera,
    ids_of,
    whole_box,
)
from igllm_pipelines.validation.checks.kinds import Check, between, in_set, present


def six_dof_checks(config: SixDofConfig) -> list[Check]:
    """The checks of 6-DoF labels."""
    shapes = ids_of(load_catalog(config.assets).assets)
    words = {name: CLEVR_WORDS[name] for name in ("color", "material")}
    box = zip("xyz", config.box_min_m, config.box_max_m, strict=True)
    return [
        *asset_checks(config, (1, 1)),
        *present(*words),
        *(
            in_set(f"{name} is a known word", "objects", name, known)
            for name, known in {**words, "shape": shapes}.items()
        ),
        *(
            between(f"it lies in the box: {axis}", "objects", axis, (low, high))
            for axis, low, high in box
        ),
        whole_box(),
        fixed_camera(),
    ]
