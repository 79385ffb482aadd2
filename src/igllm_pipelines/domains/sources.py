"""What a domain's scenes are drawn from, by the name of the domain."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from igllm_pipelines.assets import AssetsConfig, load_catalog
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.domains.dots import DotsConfig
from igllm_pipelines.domains.fields import check_numbers
from igllm_pipelines.domains.official import (
    OfficialConfig,
    OfficialDots,
    official_source,
)
from igllm_pipelines.domains.shapenet import ShapeNetConfig
from igllm_pipelines.domains.six_dof import SixDofConfig
from igllm_pipelines.domains.so3 import So3Config

DrawnConfig = ClevrConfig | DotsConfig | So3Config | SixDofConfig | ShapeNetConfig
SceneConfig = DrawnConfig | OfficialConfig | OfficialDots
CONFIGS: Mapping[str, type[DrawnConfig]] = {
    "2d": DotsConfig,
    "clevr": ClevrConfig,
    "so3": So3Config,
    "6dof": SixDofConfig,
    "shapenet": ShapeNetConfig,
}


def scene_config(domain: str, parameters: Mapping[str, Any]) -> SceneConfig:
    """The scene configuration of `domain`, checked.

    Args:
        domain: its name.
        parameters: fields of its configuration; ``assets`` is a mapping of fields of
            `AssetsConfig`. With ``source: official``: see `official.official_source`.

    Raises:
        ValueError: the domain or a key of `parameters` is unknown, or a value is out
            of range.
    """
    if domain not in CONFIGS:
        raise ValueError(f"unknown domain {domain!r}, known: {', '.join(CONFIGS)}")
    if not isinstance(parameters, Mapping):
        raise ValueError(f"scenes of {domain}: a mapping is wanted, not {parameters!r}")
    given = dict(parameters)
    source = given.pop("source", "drawn")
    if source not in ("drawn", "official"):
        raise ValueError(f"scenes of {domain}: source must be official, not {source!r}")
    check_numbers(CONFIGS[domain], given)
    try:
        if source == "official":
            drawn = {field.name for field in fields(CONFIGS[domain])}
            return official_source(domain, given, drawn)
        return CONFIGS[domain](**_with_assets(domain, given))
    except TypeError as error:
        raise ValueError(f"scenes of {domain}: {error}") from error


def _with_assets(domain: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Reads ``assets``; what is not given there stays as the domain has it."""
    given = parameters.get("assets")
    if "assets" not in parameters or isinstance(given, AssetsConfig):
        return dict(parameters)
    default = getattr(CONFIGS[domain], "assets", None)
    if default is None:
        raise ValueError(f"scenes of {domain} take no assets")
    if not isinstance(given, Mapping):
        raise ValueError(f"scenes of {domain}: assets must be a mapping, not {given!r}")
    return {**parameters, "assets": replace(default, **given)}


def symmetries(config: SceneConfig) -> dict[str, int]:
    """Order of the symmetry about the z axis of each asset, by the asset's id."""
    if config.assets is None:
        return {}
    return {asset.id: asset.symmetry for asset in load_catalog(config.assets).assets}
