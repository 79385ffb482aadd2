"""The catalog: which assets there are, how large they are, which are held out."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil

Vector3 = tuple[float, float, float]
Matrix4 = tuple[tuple[float, float, float, float], ...]


class AssetError(ValueError):
    """An asset that cannot be used: says which, what is wrong, what to do."""


@dataclass(frozen=True)
class AssetsConfig:
    """Which assets a domain draws from.

    Attributes:
        root: None for the procedural assets, else a folder: a ShapeNetCore.v2 tree, or
            OBJ and GLB files with a ``manifest.json``.
        categories: that are used, of ``sofa chair table airplane`` where procedural.
        per_category: procedural instances of each category; at most so many of a
            folder's, None for all of them.
        held_out: share of each category's instances that training never sees, the last
            ones by id.
    """

    root: str | None = None
    categories: tuple[str, ...] = ("sofa", "chair", "table")
    per_category: int | None = 40
    held_out: float = 0.2

    def __post_init__(self) -> None:
        if isinstance(self.categories, str):
            raise ValueError("assets.categories must be a list of names, not one name")
        object.__setattr__(self, "categories", tuple(self.categories))
        if not self.categories or len({*self.categories}) < len(self.categories):
            raise ValueError("assets.categories must name each category once")
        if self.per_category is not None and self.per_category < 1:
            raise ValueError("assets.per_category must be at least 1, or null for all")
        if not 0 <= self.held_out < 1:
            raise ValueError("assets.held_out must lie in [0, 1)")
        if self.root is None and self.per_category is None:
            raise ValueError("assets.per_category must be a number without a root")


@dataclass(frozen=True)
class Asset:
    """One 3D model.

    Attributes:
        id: ``<category>_<nnnn>``, or ``<category>_<name>`` of a folder's model.
        category: ``chair``.
        extents: of its bounding box along x, y, z of the object frame; its diagonal
            is 1.
        symmetry: it looks the same after a turn by ``2 pi / symmetry`` about the z
            axis; 1 for none, 0 for any angle.
        held_out: training does not see it.
        path: of the mesh file, None where it is procedural.
        object_from_file: 4x4 transform from the file's coordinates to the object
            frame, None where it is procedural.
    """

    id: str
    category: str
    extents: Vector3
    symmetry: int = 1
    held_out: bool = False
    path: str | None = None
    object_from_file: Matrix4 | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong with a model of a folder.

    Attributes:
        id: of the asset.
        path: of its file.
        reason: what is wrong and what to do, in plain words.
        fatal: it is left out; else it is used, and this is a warning.
    """

    id: str
    path: str
    reason: str
    fatal: bool = True


@dataclass(frozen=True)
class Catalog:
    """The assets of a configuration, in the order of their ids.

    Attributes:
        assets: all that can be used.
        problems: what the check of a folder found.
    """

    assets: tuple[Asset, ...]
    problems: tuple[Problem, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Of what the assets are, wherever their files lie; textures do not enter."""
        rows = [
            (a.id, _rounded(a.extents), a.symmetry, a.held_out)
            + tuple(_rounded(row) for row in a.object_from_file or ())
            for a in self.assets
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]

    @cached_property
    def by_id(self) -> Mapping[str, Asset]:
        """Each asset by its id."""
        return {asset.id: asset for asset in self.assets}

    def __getitem__(self, asset_id: str) -> Asset:
        """The asset of this id.

        Raises:
            AssetError: there is none.
        """
        try:
            return self.by_id[asset_id]
        except KeyError:
            raise AssetError(
                f"no asset {asset_id!r} among {len(self.assets)}; is assets.root the "
                "folder that the scenes were drawn from?"
            ) from None

    def training(self) -> tuple[Asset, ...]:
        """What training may see."""
        return tuple(asset for asset in self.assets if not asset.held_out)

    def held_out(self) -> tuple[Asset, ...]:
        """What training never sees."""
        return tuple(asset for asset in self.assets if asset.held_out)


def hold_out(assets: Sequence[Asset], share: float) -> list[Asset]:
    """Marks the last `share` of one category's assets, by id, rounded up.

    Raises:
        AssetError: none is left to train on.
    """
    ordered = sorted(assets, key=lambda asset: asset.id)
    # 0.1 * 30 is a little more than 3
    first = len(ordered) - ceil(share * len(ordered) - 1e-9)
    if not first:
        category = ordered[0].category
        raise AssetError(
            f"assets.held_out = {share} of {len(ordered)} leaves no {category} for "
            "training: set it to 0, or take more assets"
        )
    return [replace(a, held_out=i >= first) for i, a in enumerate(ordered)]


def _rounded(values: Iterable[float]) -> list[float]:
    """Nine decimals: the last bits differ between processors."""
    return [round(value, 9) + 0.0 for value in values]


@lru_cache(maxsize=8)
def load_catalog(config: AssetsConfig) -> Catalog:
    """The catalog of a configuration; the same configuration gives the same one.

    Raises:
        AssetError: the folder is missing or has no usable model of a category.
    """
    from igllm_pipelines.assets.folder import folder_catalog
    from igllm_pipelines.assets.procedural import procedural_catalog

    if config.root is None:
        return procedural_catalog(config)
    return folder_catalog(config)
