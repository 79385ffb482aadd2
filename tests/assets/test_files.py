import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.assets import AssetError
from igllm_pipelines.assets.files import check_file, named_files, read_mesh
from igllm_pipelines.assets.mesh import Mesh
from igllm_pipelines.assets.solids import box
from tests.assets.shapes import L_SHAPE, edit_glb, signed_volume, write_glb, write_obj

TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


@pytest.fixture
def textured(tmp_path):
    """An OBJ with a material file and a texture, all of them there."""
    path = write_obj(tmp_path / "models" / "box.obj", box((1, 2, 3)), "box.mtl")
    path.with_name("box.mtl").write_text(
        "newmtl wood\nKd 1 1 1\nmap_Kd -s 2 2 1 ../images/wood.png\n"
        "newmtl nail\nmap_Bump ../images/two words.png\n"
    )
    for name in ("wood.png", "two words.png"):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "images" / name)
    return path


def test_a_good_obj_has_no_problems(textured):
    check = check_file(textured)
    assert (check.errors, check.warnings) == ((), ())
    np.testing.assert_allclose(check.low, (-0.5, -1, -1.5))
    np.testing.assert_allclose(check.high, (0.5, 1, 1.5))


def test_a_good_glb_has_no_problems(tmp_path):
    check = check_file(write_glb(tmp_path / "box.glb", box((1, 2, 3))))
    assert (check.errors, check.warnings) == ((), ())
    np.testing.assert_allclose(check.high, (0.5, 1, 1.5))


def test_nodes_of_a_glb_are_applied(tmp_path):
    node = np.array([[0, -2, 0, 5], [2, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    path = write_glb(tmp_path / "l.glb", L_SHAPE, node)
    low, high = L_SHAPE.transformed(node).bounds()
    check = check_file(path)
    np.testing.assert_allclose([check.low, check.high], [low, high], atol=1e-6)
    np.testing.assert_allclose(read_mesh(str(path)).bounds(), [low, high], atol=1e-6)


def test_read_mesh_keeps_the_surface(tmp_path):
    mesh = read_mesh(str(write_obj(tmp_path / "l.obj", L_SHAPE)))
    assert signed_volume(mesh) == pytest.approx(signed_volume(L_SHAPE))
    assert len(mesh.triangles()) == len(L_SHAPE.triangles())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("this is no mesh\n", "is empty"),
        (TRIANGLE, "is empty: it has no faces"),
        (TRIANGLE + "f 1 2 9\n", "cannot be read"),
        (TRIANGLE + "v nan 0 0\nf 1 2 4\n", "not finite"),
        (TRIANGLE + "v inf 0 0\nf 1 2 4\n", "not finite"),
        (TRIANGLE + "f 1 1 1\n", "is empty: it has no faces"),
        (TRIANGLE + "v 0 0 0\nv 0 0 0\nf 1 4 5\n", "no extent"),
        (TRIANGLE + "v 2 0 0\nf 1 2 4\n", "no extent"),
    ],
)
def test_what_cannot_be_used(tmp_path, text, reason):
    path = tmp_path / "broken.obj"
    path.write_text(text)
    (error,) = check_file(path).errors
    assert reason in error
    assert check_file(path).low is None


def test_vertices_of_no_face_do_not_count(tmp_path):
    path = tmp_path / "loose.obj"
    path.write_text(TRIANGLE + "v 9 9 9\nv 0 0 1\nf 1 2 3\nf 1 2 5\n")
    np.testing.assert_allclose(check_file(path).high, (1, 1, 1))


def test_faces_that_name_a_vertex_twice_do_not_count(tmp_path):
    path = tmp_path / "twice.obj"
    path.write_text(TRIANGLE + "v 9 9 9\nv 0 0 1\nf 1 2 3\nf 1 2 5\nf 4 4 1\n")
    np.testing.assert_allclose(check_file(path).high, (1, 1, 1))


@pytest.mark.parametrize(
    ("size", "move", "usable"),
    [
        *((1, 0, True), (1, 1e3, True), (1e-30, 0, True), (1e30, 0, True)),
        *((1, 1e6, False), (1e-46, 0, False), (1e39, 0, False), (1e200, 0, False)),
    ],
)
def test_coordinates_must_suit_single_precision(tmp_path, size, move, usable):
    solid = box((1, 2, 3))
    moved = Mesh(size * solid.vertices + move, solid.faces)
    errors = check_file(write_obj(tmp_path / "far.obj", moved)).errors
    assert [error.startswith("its coordinates are too") for error in errors] == (
        [] if usable else [True]
    )


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"scenes": [{"nodes": [0]}, {}]}, "it has several scenes and says not"),
        ({"extensionsRequired": ["A_a", "KHR_materials_ior"]}, "it requires A_a, not"),
        ({"extensionsRequired": ["KHR_materials_ior"]}, None),
    ],
)
def test_what_a_glb_asks_for_is_checked(tmp_path, header, reason):
    path = write_glb(tmp_path / "box.glb", box((1, 2, 3)))
    edit_glb(path, lambda known: [known.update(header), known.pop("scene")])
    errors = check_file(path).errors
    assert [error[: len(reason or "")] for error in errors] == ([reason] * bool(reason))


def test_a_broken_glb_is_named(tmp_path):
    path = tmp_path / "broken.glb"
    path.write_bytes(b"glTF and then nothing")
    (error,) = check_file(path).errors
    assert error.startswith("it cannot be read")
    with pytest.raises(AssetError, match=r"broken\.glb: it cannot be read"):
        read_mesh(str(path))


def test_a_missing_file_is_named(tmp_path):
    assert check_file(tmp_path / "none.obj").errors == ("there is no such file",)


def test_flat_is_a_warning(tmp_path):
    path = tmp_path / "flat.obj"
    path.write_text(TRIANGLE + "f 1 2 3\n")
    assert check_file(path).warnings == ("the mesh is flat: no extent along z",)


def test_flipped_normals_are_a_warning(tmp_path):
    solid = box((1, 1, 1))
    inside_out = Mesh(solid.vertices, tuple(face[::-1] for face in solid.faces))
    (warning,) = check_file(write_obj(tmp_path / "in.obj", inside_out)).warnings
    assert "normals are flipped" in warning
    half = Mesh(solid.vertices, (solid.faces[0][::-1], *solid.faces[1:]))
    (warning,) = check_file(write_obj(tmp_path / "half.obj", half)).warnings
    assert warning.startswith("some faces point inwards")


def test_an_open_surface_has_no_inside(tmp_path):
    solid = box((1, 1, 1))
    opened = Mesh(solid.vertices, tuple(face[::-1] for face in solid.faces[1:]))
    assert check_file(write_obj(tmp_path / "open.obj", opened)).warnings == ()


def test_missing_textures_are_named(textured):
    (textured.parent.parent / "images" / "wood.png").unlink()
    (warning,) = check_file(textured).warnings
    assert warning.startswith("the texture ../images/wood.png that it names is missing")


def test_textures_may_be_named_with_backslashes(textured):
    materials = textured.with_name("box.mtl")
    materials.write_text(materials.read_text().replace("/", "\\"))
    assert check_file(textured).warnings == ()


def test_missing_material_file_is_named(textured):
    textured.with_name("box.mtl").unlink()
    (warning,) = check_file(textured).warnings
    assert "the material file box.mtl that it names is missing" in warning


def test_named_files_of_an_obj(textured):
    names = [path.name for path in named_files(textured)]
    assert names == ["box.mtl", "wood.png", "two words.png"]


def test_missing_images_of_a_glb_are_named(tmp_path):
    path = write_glb(tmp_path / "box.glb", box((1, 2, 3)))
    uris = "dark%20wood.png", "data:image/png;base64,"
    images = [*({"uri": uri} for uri in uris), {"bufferView": 0}]
    edit_glb(path, lambda header: header.update(images=images))
    (warning,) = check_file(path).warnings
    assert "the texture dark wood.png that it names is missing" in warning
