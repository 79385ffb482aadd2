"""3D assets: procedural furniture and airplanes, own folders, the catalog of both.

The object frame of an asset: right-handed, z up, +y forward, +x to the object's right;
the origin is the centre of its bounding box, whose diagonal has length 1.
"""

from igllm_pipelines.assets.catalog import (
    Asset,
    AssetError,
    AssetsConfig,
    Catalog,
    Problem,
    load_catalog,
)

__all__ = [
    "Asset",
    "AssetError",
    "AssetsConfig",
    "Catalog",
    "Problem",
    "load_catalog",
]
