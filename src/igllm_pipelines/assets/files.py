"""Mesh files: reading them, and what is wrong with them."""

import numpy as np

from igllm_pipelines.assets.catalog import AssetError
from igllm_pipelines.assets.mesh import Mesh


def read_mesh(path: str) -> Mesh:
    """The triangles of an OBJ or GLB file, in the file's coordinates.

    The nodes of a GLB are placed as its scene says. It is shaded flat: what the file
    says of shading is for the renderer to read.

    Raises:
        AssetError: the file cannot be read.
    """
    import trimesh

    try:
        loaded = trimesh.load_scene(path, process=False, skip_materials=True).to_mesh()
    except Exception as error:  # each format of trimesh raises errors of its own
        raise AssetError(f"{path} cannot be read: {error}") from error
    faces = np.asarray(loaded.faces, dtype=np.int64)
    return Mesh(np.asarray(loaded.vertices), tuple(map(tuple, faces.tolist())))
