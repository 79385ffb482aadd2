"""Mesh files that the tests write: an L-shape that looks different from every side."""

import json
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from igllm_pipelines.assets.mesh import Mesh, merge
from igllm_pipelines.assets.solids import box

# object frame: a long bar along x, a tall post at its right end, a foot forward of it
L_SHAPE = merge(
    [
        box((4, 1, 1), (0, 0, 0.5)),
        box((1, 1, 3), (1.5, 0, 1.5)),
        box((0.5, 2, 0.5), (1.5, 1, 0.25)),
    ]
)


def signed_volume(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.vertices[mesh.triangles()], 1, 0)
    return float(np.sum(a * np.cross(b, c)) / 6)


def is_manifold(mesh: Mesh) -> bool:
    """Each edge lies in two faces, which run along it in opposite directions."""
    edges = Counter(
        (start, end)
        for face in mesh.faces
        for start, end in zip(face, (*face[1:], face[0]), strict=True)
    )
    return set(edges.values()) == {1} and all((b, a) in edges for a, b in edges)


def obj_text(mesh: Mesh, material: str = "") -> str:
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in mesh.vertices.tolist()]
    lines += ["f " + " ".join(str(i + 1) for i in face) for face in mesh.faces]
    return "\n".join([*([f"mtllib {material}"] if material else []), *lines, ""])


def write_obj(path: Path, mesh: Mesh, material: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(obj_text(mesh, material))
    return path


def write_glb(path: Path, mesh: Mesh, node: np.ndarray | None = None) -> Path:
    """Writes one mesh below a node with this 4x4 transform."""
    import trimesh

    solid = trimesh.Trimesh(mesh.vertices, mesh.triangles(), process=False)
    scene = trimesh.Scene()
    scene.add_geometry(solid, transform=np.eye(4) if node is None else node)
    path.write_bytes(scene.export(file_type="glb"))
    return path


def edit_glb(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the JSON of a GLB file in place."""
    data = path.read_bytes()
    (length,) = struct.unpack("<I", data[12:16])
    header = json.loads(data[20 : 20 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + data[20 + length :]
    path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks)


def in_file_axes(mesh: Mesh, right: str, forward: str, up: str) -> Mesh:
    """A mesh of the object frame in the coordinates of a file with these axes."""
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for column, axis in enumerate((right, forward, up)):
        matrix["xyz".index(axis[1]), column] = 1 if axis[0] == "+" else -1
    return mesh.transformed(matrix)
