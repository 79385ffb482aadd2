import subprocess
import sys
from dataclasses import replace

import pytest

from igllm_pipelines.assets import (
    Asset,
    AssetError,
    AssetsConfig,
    Catalog,
    load_catalog,
)
from igllm_pipelines.assets.catalog import hold_out

EYE = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))


def chairs(count):
    return [Asset(f"chair_{i:04d}", "chair", (1, 0, 0)) for i in range(count)]


@pytest.mark.parametrize(
    ("count", "share", "held_out"), [(40, 0.2, 8), (30, 0.1, 3), (3, 0.1, 1), (5, 0, 0)]
)
def test_hold_out_takes_the_last_ones_rounded_up(count, share, held_out):
    marked = hold_out(chairs(count)[::-1], share)
    expected = [asset.id for asset in chairs(count)][count - held_out :]
    assert [asset.id for asset in marked if asset.held_out] == expected


def test_hold_out_leaves_something_for_training():
    with pytest.raises(AssetError, match="no chair for training"):
        hold_out(chairs(1), 0.2)


def test_same_configuration_gives_the_same_catalog():
    config = AssetsConfig(per_category=2, held_out=0)
    assert load_catalog(config) is load_catalog(
        AssetsConfig(per_category=2, held_out=0)
    )


def test_digest_tells_catalogs_apart():
    small = AssetsConfig(per_category=3, held_out=0)
    others = [replace(small, per_category=2), replace(small, held_out=0.3)]
    digests = {load_catalog(config).digest for config in (small, *others)}
    assert len(digests) == 3


def test_digest_knows_what_a_file_holds_and_not_where_it_lies():
    asset = Asset("chair_a", "chair", (0.6, 0.8, 0), path="x.obj", object_from_file=EYE)
    moved = replace(asset, path="y/x.obj")
    scaled = replace(asset, object_from_file=((2, 0, 0, 0), *EYE[1:]))
    base, same, other = (Catalog((a,)).digest for a in (asset, moved, scaled))
    assert base == same
    assert base != other


def test_unknown_id_is_named():
    catalog = load_catalog(AssetsConfig(per_category=2, held_out=0))
    with pytest.raises(AssetError, match="no asset 'chair_0009' among 6"):
        catalog["chair_0009"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"categories": ()},
        {"categories": ("chair", "chair")},
        {"per_category": 0},
        {"per_category": None},
        {"held_out": 1.0},
    ],
)
def test_wrong_configurations(wrong):
    with pytest.raises(ValueError, match=r"assets\."):
        AssetsConfig(**wrong)


@pytest.mark.parametrize("module", ["bpy", "torch", "trimesh", "scipy"])
def test_the_catalog_is_numpy_only(module):
    code = (
        "import sys\n"
        "from igllm_pipelines.assets import AssetsConfig, load_catalog\n"
        "load_catalog(AssetsConfig(per_category=2, held_out=0))\n"
        f"sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
