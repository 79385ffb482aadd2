"""What must hold of a domain's tables, as data; `suites` runs it.

One module a domain, `official` for the downloads, `kinds` for what all have in common.
"""

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.official import OfficialConfig, OfficialDots
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.validation.checks.clevr import clevr_checks
from igllm_pipelines.validation.checks.dots import dot_checks
from igllm_pipelines.validation.checks.kinds import Check, shared_checks, unique_names
from igllm_pipelines.validation.checks.official import official_checks
from igllm_pipelines.validation.checks.shapenet import shapenet_checks
from igllm_pipelines.validation.checks.six_dof import six_dof_checks
from igllm_pipelines.validation.checks.so3 import so3_checks

__all__ = ["Check", "checks_for"]


def checks_for(config: SceneConfig) -> list[Check]:
    """Everything that the scenes of `config` must fulfil."""
    match config:
        case OfficialConfig():
            return official_checks(config.domain, config.splits)
        case OfficialDots():
            return official_checks("2d", tuple(config.num_scenes))
        case DotsConfig():
            own = dot_checks(config)
        case ClevrConfig():
            own = clevr_checks(config)
        case So3Config():
            own = so3_checks(config)
        case SixDofConfig():
            own = six_dof_checks(config)
        case ShapeNetConfig():
            own = shapenet_checks(config)
    names = (unique_names(split) for split in config.num_scenes)
    return [*shared_checks(), *own, *names]
