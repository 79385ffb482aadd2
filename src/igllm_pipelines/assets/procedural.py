"""Assets without a download: sofas, chairs, tables and toy airplanes from numbers."""

import re
from collections.abc import Callable
from functools import lru_cache

from igllm_pipelines.assets.airplanes import airplane
from igllm_pipelines.assets.catalog import (
    Asset,
    AssetError,
    AssetsConfig,
    Catalog,
    hold_out,
)
from igllm_pipelines.assets.chairs import chair
from igllm_pipelines.assets.design import MAX_INSTANCES
from igllm_pipelines.assets.mesh import Mesh, normalized
from igllm_pipelines.assets.sofas import sofa
from igllm_pipelines.assets.tables import table, table_symmetry

MAKERS: dict[str, Callable[[int], Mesh]] = {
    "sofa": sofa,
    "chair": chair,
    "table": table,
    "airplane": airplane,
}


def procedural_catalog(config: AssetsConfig) -> Catalog:
    """The catalog of procedural assets, numbered from 0 in each category.

    Raises:
        AssetError: a category is unknown, or too many instances are asked for.
    """
    assets: list[Asset] = []
    for category in config.categories:
        ids = [f"{category}_{i:04d}" for i in range(config.per_category or 0)]
        assets += hold_out([_asset(asset_id) for asset_id in ids], config.held_out)
    return Catalog(tuple(sorted(assets, key=lambda asset: asset.id)))


@lru_cache(maxsize=512)
def procedural_mesh(asset_id: str) -> Mesh:
    """The mesh of this id in the object frame; the same one whenever it is asked.

    Raises:
        AssetError: there is no such procedural asset.
    """
    category, index = _parse_id(asset_id)
    return normalized(MAKERS[category](index))


def _asset(asset_id: str) -> Asset:
    category, index = _parse_id(asset_id)
    x, y, z = procedural_mesh(asset_id).extents().tolist()
    symmetry = table_symmetry(index) if category == "table" else 1
    return Asset(asset_id, category, (x, y, z), symmetry)


def _parse_id(asset_id: str) -> tuple[str, int]:
    found = re.fullmatch(r"([a-z]+)_(\d{4})", asset_id)
    if not found or found[1] not in MAKERS:
        raise AssetError(
            f"no procedural asset {asset_id!r}: the categories are "
            f"{', '.join(MAKERS)}, an id is like chair_0007"
        )
    if int(found[2]) >= MAX_INSTANCES:
        raise AssetError(
            f"no procedural asset {asset_id!r}: there are {MAX_INSTANCES} of each "
            f"category, set assets.per_category to at most {MAX_INSTANCES}"
        )
    return found[1], int(found[2])
