"""The meshes of a render worker: CLEVR's shapes, and the assets used last."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from igllm_pipelines.assets import Asset, AssetsConfig, load_catalog
from igllm_pipelines.render.assets import build_meshes, is_clevr_shape
from igllm_pipelines.render.importing import import_asset, vertices_of
from igllm_pipelines.render.materials import build_grey
from igllm_pipelines.scene.scene import SceneObject

MAX_BYTES = 200 * 2**20  # of the assets kept; an estimate, see `Body.num_bytes`
_BYTES_PER_FACE = 250


@dataclass(frozen=True, eq=False)
class Body:
    """A mesh in Blender and what rays need of it."""

    mesh: Any

    @cached_property
    def reach(self) -> float:
        """Distance of the vertex farthest from the origin of the object frame."""
        return float(np.linalg.norm(vertices_of(self.mesh), axis=1).max())

    @cached_property
    def diagonal(self) -> float:
        """Of the bounding box."""
        return float(np.linalg.norm(np.ptp(vertices_of(self.mesh), axis=0)))

    @cached_property
    def tree(self) -> Any:
        """Search tree of its triangles, in the object frame."""
        from mathutils.bvhtree import BVHTree

        self.mesh.calc_loop_triangles()
        corners = np.empty(3 * len(self.mesh.loop_triangles), dtype=np.int32)
        self.mesh.loop_triangles.foreach_get("vertices", corners)
        return BVHTree.FromPolygons(
            vertices_of(self.mesh).tolist(),
            corners.reshape(-1, 3).tolist(),
            all_triangles=True,
        )

    @property
    def images(self) -> set[Any]:
        """That its materials show."""
        trees = [m.node_tree for m in self.mesh.materials if m and m.node_tree]
        nodes = [node for tree in trees for node in tree.nodes]
        return {getattr(node, "image", None) for node in nodes} - {None}

    @cached_property
    def num_bytes(self) -> int:
        """Rough size in memory, with the pixels of its images."""
        pixels = sum(image.size[0] * image.size[1] for image in self.images)
        return _BYTES_PER_FACE * len(self.mesh.polygons) + 4 * pixels


class Library:
    """Finds the mesh of an object; loads assets when they are first needed.

    Args:
        bpy: Blender.
        config: which assets there are, None for CLEVR's shapes alone.
        max_bytes: of assets; those that were not used for longest make room.
    """

    def __init__(
        self,
        bpy: ModuleType,
        config: AssetsConfig | None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._bpy = bpy
        self._config = config
        self._max_bytes = max_bytes
        self._shapes = {name: Body(mesh) for name, mesh in build_meshes(bpy).items()}
        self._assets: OrderedDict[str, Body] = OrderedDict()

    def body(self, obj: SceneObject) -> Body:
        """The mesh of an object.

        Raises:
            ValueError: there is none of its shape.
            AssetError: it cannot be loaded.
        """
        if is_clevr_shape(obj):
            return self._shapes[str(obj.shape)]
        if self._config is None:
            known = ", ".join(self._shapes)
            raise ValueError(f"no shape {obj.shape!r}, there are {known}")
        return self._asset(load_catalog(self._config)[str(obj.shape)])

    def trim(self) -> None:
        """Forgets assets beyond the limit; no object may be placed meanwhile."""
        total = sum(body.num_bytes for body in self._assets.values())
        while total > self._max_bytes:
            _, body = self._assets.popitem(last=False)
            total -= body.num_bytes
            self._remove(body)

    def _asset(self, asset: Asset) -> Body:
        if asset.id not in self._assets:
            mesh = import_asset(self._bpy, asset)
            if not mesh.materials:
                mesh.materials.append(self._grey)
            self._assets[asset.id] = Body(mesh)
        self._assets.move_to_end(asset.id)
        return self._assets[asset.id]

    @cached_property
    def _grey(self) -> Any:
        return build_grey(self._bpy)

    def _remove(self, body: Body) -> None:
        materials = {material for material in body.mesh.materials if material}
        images = body.images
        self._bpy.data.meshes.remove(body.mesh)
        for material in materials - {self._grey}:
            self._bpy.data.materials.remove(material)
        for image in images:
            if not image.users:
                self._bpy.data.images.remove(image)
