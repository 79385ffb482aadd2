import numpy as np
import pytest

from igllm_pipelines.assets.catalog import Asset
from igllm_pipelines.assets.mesh import Mesh, load_mesh, merge, normalized
from igllm_pipelines.assets.procedural import procedural_mesh
from igllm_pipelines.assets.solids import box, lathe
from tests.assets.shapes import L_SHAPE, is_manifold, signed_volume

SQUARE = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), ((0, 1, 2, 3),))


def test_triangles_of_a_square():
    assert SQUARE.triangles().tolist() == [[0, 1, 2], [0, 2, 3]]


def test_triangles_of_no_faces():
    assert Mesh(np.zeros((3, 3)), ()).triangles().shape == (0, 3)


def test_vertices_are_checked_and_cannot_be_written_to():
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        Mesh(np.zeros((4, 2)), ())
    with pytest.raises(ValueError, match="read-only"):
        SQUARE.vertices[0] = 1


def test_merge_keeps_each_face_where_it_was():
    parts = [box((1, 1, 1)), lathe([(1, 0), (0.5, 1)])]
    whole = merge(parts)
    corners = [part.vertices[list(face)] for part in parts for face in part.faces]
    for face, expected in zip(whole.faces, corners, strict=True):
        np.testing.assert_array_equal(whole.vertices[list(face)], expected)
    assert whole.smooth
    assert not merge(parts[:1]).smooth


def test_normalized_is_centred_with_diagonal_one():
    low, high = normalized(L_SHAPE).bounds()
    np.testing.assert_allclose(low, -high, atol=1e-15)
    assert np.linalg.norm(high - low) == pytest.approx(1)


def test_normalized_keeps_the_shape():
    ratio = normalized(L_SHAPE).extents() / L_SHAPE.extents()
    np.testing.assert_allclose(ratio, ratio[0])


def test_transformed_turns_and_moves():
    matrix = np.array([[0, -2, 0, 1], [2, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    moved = SQUARE.transformed(matrix)
    assert moved.vertices.tolist() == [[1, 0, 0], [1, 2, 0], [-1, 2, 0], [-1, 0, 0]]


def test_mirror_image_stays_turned_outwards():
    mirrored = L_SHAPE.transformed(np.diag([-1, 1, 1, 1]))
    assert signed_volume(mirrored) == pytest.approx(signed_volume(L_SHAPE))
    assert is_manifold(mirrored)


def test_load_mesh_of_a_procedural_asset():
    asset = Asset("chair_0003", "chair", (0.5, 0.5, 0.7))
    assert load_mesh(asset) is procedural_mesh("chair_0003")
