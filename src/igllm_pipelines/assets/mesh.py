"""Meshes: vertices and faces, as numbers; those of an asset in its object frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from igllm_pipelines.assets.catalog import Asset

Array = NDArray[np.float64]
Face = tuple[int, ...]

SHARP_ANGLE_DEG = 35.0
"""Edges of a smooth mesh whose faces turn by more than this are shaded sharp."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of convex faces, flat or nearly so.

    Attributes:
        vertices: (n, 3), cannot be written to.
        faces: indices of each face's vertices, counter-clockwise seen from outside.
        smooth: some of it is curved: shade it smoothly but for the edges sharper than
            `SHARP_ANGLE_DEG`; else each face is flat.
    """

    vertices: Array
    faces: tuple[Face, ...]
    smooth: bool = False

    def __post_init__(self) -> None:
        vertices = np.array(self.vertices, dtype=np.float64)
        if vertices.ndim != 2 or vertices.shape[1] != 3:
            raise ValueError(f"vertices must be (n, 3), they are {vertices.shape}")
        vertices.setflags(write=False)
        object.__setattr__(self, "vertices", vertices)

    def triangles(self) -> NDArray[np.int64]:
        """Indices ``(m, 3)``: each face as a fan about its first vertex."""
        fans = [
            (face[0], second, third)
            for face in self.faces
            for second, third in zip(face[1:-1], face[2:], strict=True)
        ]
        return np.array(fans, dtype=np.int64).reshape(-1, 3)

    def bounds(self) -> tuple[Array, Array]:
        """Lowest and highest x, y, z."""
        return self.vertices.min(axis=0), self.vertices.max(axis=0)

    def extents(self) -> Array:
        """Size of the bounding box along x, y, z."""
        low, high = self.bounds()
        return high - low

    def transformed(self, matrix: ArrayLike) -> "Mesh":
        """Moved by a 4x4 matrix; a mirror image keeps its faces turned outwards."""
        m = np.asarray(matrix, dtype=np.float64)
        mirrored = np.linalg.det(m[:3, :3]) < 0
        faces = tuple(face[::-1] for face in self.faces) if mirrored else self.faces
        return Mesh(self.vertices @ m[:3, :3].T + m[:3, 3], faces, self.smooth)


def merge(parts: Iterable[Mesh]) -> Mesh:
    """One mesh of several; they may overlap, nothing is cut away."""
    parts = list(parts)
    faces: list[Face] = []
    start = 0
    for part in parts:
        faces += [tuple(index + start for index in face) for face in part.faces]
        start += len(part.vertices)
    vertices = np.concatenate([part.vertices for part in parts])
    return Mesh(vertices, tuple(faces), any(part.smooth for part in parts))


def normalizing_matrix(low: Sequence[float], high: Sequence[float]) -> Array:
    """4x4: the box between `low` and `high` centred on the origin, its diagonal 1."""
    corner, opposite = np.asarray(low, float), np.asarray(high, float)
    scale = 1 / np.linalg.norm(opposite - corner)
    matrix = np.diag([scale, scale, scale, 1.0])
    matrix[:3, 3] = -scale * (corner + opposite) / 2
    return matrix


def normalized(mesh: Mesh) -> Mesh:
    """The mesh with its bounding box centred on the origin, the box's diagonal 1."""
    low, high = mesh.bounds()
    return mesh.transformed(normalizing_matrix(low.tolist(), high.tolist()))


def load_mesh(asset: "Asset") -> Mesh:
    """The mesh of an asset in its object frame.

    Raises:
        AssetError: its file cannot be read any more.
    """
    from igllm_pipelines.assets.files import read_mesh
    from igllm_pipelines.assets.procedural import procedural_mesh

    if asset.path is None or asset.object_from_file is None:
        return procedural_mesh(asset.id)
    return read_mesh(asset.path).transformed(asset.object_from_file)
