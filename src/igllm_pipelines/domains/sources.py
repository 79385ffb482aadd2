"""What a domain's scenes are drawn from, by the name of the domain."""

from collections.abc import Mapping
from typing import Any

from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig

SceneConfig = ClevrConfig | DotsConfig
CONFIGS: Mapping[str, type[SceneConfig]] = {"2d": DotsConfig, "clevr": ClevrConfig}


def scene_config(domain: str, parameters: Mapping[str, Any]) -> SceneConfig:
    """The scene configuration of `domain`, checked.

    Raises:
        ValueError: the domain or a key of `parameters` is unknown, or a value is out
            of range.
    """
    if domain not in CONFIGS:
        raise ValueError(f"unknown domain {domain!r}, known: {', '.join(CONFIGS)}")
    try:
        return CONFIGS[domain](**parameters)
    except TypeError as error:
        raise ValueError(f"scenes of {domain}: {error}") from error
