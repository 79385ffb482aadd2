from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.assets import AssetError, AssetsConfig, load_catalog
from igllm_pipelines.assets.folder import SYNSETS, THINNEST, folder_catalog
from igllm_pipelines.assets.mesh import load_mesh, normalized
from igllm_pipelines.assets.solids import box
from tests.assets.shapes import L_SHAPE, in_file_axes, write_glb, write_obj


def chair(name="good", **more):
    return {"id": name, "category": "chair", "path": "good.obj"} | more


def surface(mesh):
    """The corners of a mesh, each once, in one order."""
    return np.unique(mesh.vertices.round(6) + 0.0, axis=0)


def assert_is_the_l_shape(asset):
    expected = normalized(L_SHAPE)
    mesh = load_mesh(asset)
    np.testing.assert_allclose(surface(mesh), surface(expected), atol=2e-6)
    np.testing.assert_allclose(asset.extents, expected.extents(), atol=1e-6)


@pytest.mark.parametrize("suffix", ["obj", "glb"])
@pytest.mark.parametrize(
    "axes", ["+x-z+y", "-x+z+y", "+x+y+z", "-y-z+x", "+z+x+y", "+y-z-x"]
)
def test_any_axes_give_the_same_object(tmp_path, write_manifest, axes, suffix):
    right, forward, up = axes[:2], axes[2:4], axes[4:]
    write = {"obj": write_obj, "glb": write_glb}[suffix]
    write(tmp_path / f"l.{suffix}", in_file_axes(L_SHAPE, right, forward, up))
    config = write_manifest(chair(path=f"l.{suffix}", forward=forward, up=up))
    assert_is_the_l_shape(folder_catalog(config)["chair_good"])


def test_axes_where_none_are_given(tmp_path, write_manifest, good_obj):
    write_glb(tmp_path / "good.glb", in_file_axes(L_SHAPE, "-x", "+z", "+y"))
    config = write_manifest(chair("a"), chair("b", path="good.glb"))
    for asset in folder_catalog(config).assets:
        assert_is_the_l_shape(asset)


def test_a_common_scale_changes_nothing(write_manifest, good_obj):
    config = write_manifest(chair(scale=0.01))
    assert_is_the_l_shape(folder_catalog(config)["chair_good"])


def test_three_scales_stretch_along_the_axes_of_the_file(tmp_path, write_manifest):
    write_obj(tmp_path / "good.obj", box((1, 1, 1)))
    config = write_manifest(chair(scale=[1, 2, 3]))
    # the file's y is up, its z is backward
    expected = np.array([1, 3, 2]) / np.sqrt(14)
    (asset,) = folder_catalog(config).assets
    np.testing.assert_allclose(asset.extents, expected)
    np.testing.assert_allclose(load_mesh(asset).extents(), expected)


def test_load_catalog_reads_the_folder(write_manifest, good_obj):
    catalog = load_catalog(write_manifest(chair()))
    asset = catalog["chair_good"]
    assert (asset.category, asset.symmetry, asset.held_out) == ("chair", 1, False)
    assert asset.path == str(good_obj)
    assert catalog.problems == ()


def test_last_models_are_held_out(write_manifest, good_obj):
    config = write_manifest(*[chair(f"m{i}") for i in range(5)], held_out=0.3)
    held_out = [asset.id for asset in folder_catalog(config).held_out()]
    assert held_out == ["chair_m3", "chair_m4"]


def test_limit_takes_the_first_usable_models(tmp_path, write_manifest, good_obj):
    (tmp_path / "bad.obj").touch()
    config = write_manifest(
        chair("d"), chair("c"), chair("b"), chair("a", path="bad.obj"), per_category=2
    )
    catalog = folder_catalog(config)
    assert [asset.id for asset in catalog.assets] == ["chair_b", "chair_c"]
    assert [problem.id for problem in catalog.problems] == ["chair_a"]


BROKEN = {
    "twice": (chair(), "its id is there twice"),
    "letters": (chair("a b"), "may hold only [A-Za-z0-9_-]"),
    "category": (chair("x", category="arm_chair"), "category 'arm_chair' may hold"),
    "absolute": (chair("x", path="/good.obj"), "leaves the folder"),
    "outside": (chair("x", path="a/../../good.obj"), "leaves the folder"),
    "suffix": (chair("x", path="good.stl"), "ends in none of .obj, .glb"),
    "missing": (chair("x", path="none.obj"), "there is no such file"),
    "axis": (chair("x", up="y"), "up must be an axis like +y or -z, it is 'y'"),
    "number": (chair("x", forward=1), "forward must be an axis"),
    "parallel": (chair("x", up="+z", forward="-z"), "must be perpendicular"),
    "default": (chair("x", up="+z"), "must be perpendicular"),
    "zero": (chair("x", scale=0), "scale must be a positive number"),
    "negative": (chair("x", scale=[1, -1, 1]), "scale must be a positive number"),
    "two": (chair("x", scale=[1, 1]), "scale must be a positive number"),
    "word": (chair("x", scale="big"), "scale must be a positive number"),
    "infinite": (chair("x", scale=1e999), "scale must be a positive number"),
    "lacks": ({"id": "x", "path": "good.obj"}, "lacks ['category']"),
    "unknown": (chair("x", colour="red"), "has ['colour']"),
    "text": ("good.obj", "must be an object"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_entry_is_named_and_left_out(write_manifest, good_obj, case):
    entry, reason = BROKEN[case]
    catalog = folder_catalog(write_manifest(chair(), entry))
    assert [asset.id for asset in catalog.assets] == ["chair_good"]
    (problem,) = catalog.problems
    assert reason in problem.reason
    assert problem.fatal


def test_a_broken_file_is_named_and_left_out(tmp_path, write_manifest, good_obj):
    (tmp_path / "bad.obj").touch()
    catalog = folder_catalog(write_manifest(chair(), chair("bad", path="bad.obj")))
    assert [asset.id for asset in catalog.assets] == ["chair_good"]
    (problem,) = catalog.problems
    assert (problem.id, problem.path, problem.fatal) == ("chair_bad", "bad.obj", True)


def test_a_warning_leaves_the_model_in(tmp_path, write_manifest):
    (tmp_path / "flat.obj").write_text("v 0 0 0\nv 3 0 0\nv 0 4 0\nf 1 2 3\n")
    catalog = folder_catalog(write_manifest(chair(path="flat.obj")))
    (problem,) = catalog.problems
    assert not problem.fatal
    # a scene's box needs a volume
    np.testing.assert_allclose(
        catalog["chair_good"].extents, (0.6, THINNEST, 0.8), atol=1e-9
    )


def test_an_empty_category_is_an_error(write_manifest, good_obj):
    config = write_manifest(
        chair(), chair("x", path="none.obj"), categories=("chair", "table")
    )
    with pytest.raises(AssetError, match=r"no usable table.*\n.*there is no such file"):
        folder_catalog(config)


def test_what_is_no_folder_of_assets(tmp_path):
    with pytest.raises(AssetError, match="is no folder"):
        folder_catalog(AssetsConfig(str(tmp_path / "none")))
    with pytest.raises(AssetError, match=r"no manifest\.json, and none of ShapeNet's"):
        folder_catalog(AssetsConfig(str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "reason"), [("[{]", "no valid JSON"), ("{}", "must be a list")]
)
def test_a_manifest_that_cannot_be_read(tmp_path, text, reason):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(AssetError, match=reason):
        folder_catalog(AssetsConfig(str(tmp_path)))


@pytest.fixture
def shapenet(tmp_path):
    """A tree with two models of each category, and one broken chair."""
    mesh = in_file_axes(L_SHAPE, "+x", "-z", "+y")
    for synset in SYNSETS:
        for model in ("1a2b", "ff00"):
            folder = tmp_path / synset / model / "models"
            write_obj(folder / "model_normalized.obj", mesh, "model_normalized.mtl")
            (folder / "model_normalized.mtl").write_text("newmtl a\nKd 1 0 0\n")
    (tmp_path / "03001627" / "0000" / "models").mkdir(parents=True)
    (tmp_path / "taxonomy.json").write_text("[]")
    return AssetsConfig(
        str(tmp_path), tuple(SYNSETS.values()), per_category=None, held_out=0.5
    )


def test_shapenet_tree(shapenet):
    catalog = folder_catalog(shapenet)
    assert [a.id for a in catalog.training()] == [
        "airplane_1a2b", "chair_1a2b", "sofa_1a2b", "table_1a2b"
    ]  # fmt: skip
    assert [a.id for a in catalog.held_out()] == [
        "airplane_ff00", "chair_ff00", "sofa_ff00", "table_ff00"
    ]  # fmt: skip
    for asset in catalog.assets:
        assert_is_the_l_shape(asset)
    (problem,) = catalog.problems
    assert problem.path == "03001627/0000/models/model_normalized.obj"
    assert problem.id == "chair_0000"


def test_a_model_whose_name_no_program_can_hold_is_left_out(shapenet, tmp_path):
    chairs = tmp_path / "03001627"
    (chairs / "1a2b").rename(chairs / "o'brien")
    (chairs / "readme.txt").touch()
    catalog = folder_catalog(replace(shapenet, held_out=0.0))
    first, _ = catalog.problems
    assert first.id == "chair_o'brien"
    assert first.fatal
    assert "may hold only [A-Za-z0-9_-]" in first.reason
    assert [a.id for a in catalog.assets if a.category == "chair"] == ["chair_ff00"]


def test_shapenet_tree_is_indexed(shapenet, tmp_path):
    first = folder_catalog(shapenet)
    assert (tmp_path / ".igllm-assets.json").is_file()
    assert folder_catalog(shapenet) == first
