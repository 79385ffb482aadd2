import json
import os

import numpy as np
import pytest

from igllm_pipelines.assets import index
from igllm_pipelines.assets.index import INDEX_NAME, FileIndex
from igllm_pipelines.assets.solids import box
from tests.assets.shapes import write_obj


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that are read."""
    names = []
    original = index.check_file
    monkeypatch.setattr(
        index, "check_file", lambda path: names.append(path.name) or original(path)
    )
    return names


def check(root, path="a.obj"):
    files = FileIndex(root)
    found = files.check(path)
    files.save()
    return found


def test_a_file_is_read_once(tmp_path, reads):
    write_obj(tmp_path / "a.obj", box((1, 2, 3)))
    first, second = check(tmp_path), check(tmp_path)
    assert first == second
    assert reads == ["a.obj"]


def test_a_changed_file_is_read_again(tmp_path, reads):
    path = write_obj(tmp_path / "a.obj", box((1, 2, 3)))
    check(tmp_path)
    write_obj(path, box((2, 2, 3)))
    np.testing.assert_allclose(check(tmp_path).high, (1, 1, 1.5))
    assert reads == ["a.obj"] * 2


def test_a_touched_file_is_read_again(tmp_path, reads):
    path = write_obj(tmp_path / "a.obj", box((1, 2, 3)))
    check(tmp_path)
    os.utime(path, ns=(1, 1))
    check(tmp_path)
    assert reads == ["a.obj"] * 2


def test_an_error_is_remembered_until_the_file_is_mended(tmp_path, reads):
    path = tmp_path / "a.obj"
    assert check(tmp_path).errors == check(tmp_path).errors
    assert reads == ["a.obj"]
    write_obj(path, box((1, 2, 3)))
    assert check(tmp_path).errors == ()


def test_a_texture_that_comes_or_goes_is_noticed(tmp_path):
    write_obj(tmp_path / "a.obj", box((1, 2, 3)), "a.mtl")
    assert len(check(tmp_path).warnings) == 1
    (tmp_path / "a.mtl").write_text("map_Kd wood.png\n")
    assert "wood.png" in check(tmp_path).warnings[0]
    (tmp_path / "wood.png").touch()
    assert check(tmp_path).warnings == ()
    (tmp_path / "wood.png").unlink()
    assert len(check(tmp_path).warnings) == 1


def test_other_files_stay_in_the_index(tmp_path, reads):
    for name in ("a.obj", "b.obj"):
        write_obj(tmp_path / name, box((1, 2, 3)))
        check(tmp_path, name)
    check(tmp_path)
    assert reads == ["a.obj", "b.obj"]


@pytest.mark.parametrize("text", ["", "[]", '{"version": 0, "files": {}}', "{}"])
def test_a_broken_index_is_written_anew(tmp_path, text):
    write_obj(tmp_path / "a.obj", box((1, 2, 3)))
    (tmp_path / INDEX_NAME).write_text(text)
    assert check(tmp_path).errors == ()
    assert "a.obj" in json.loads((tmp_path / INDEX_NAME).read_text())["files"]


def test_a_folder_that_cannot_be_written_to_goes_without(tmp_path):
    write_obj(tmp_path / "a.obj", box((1, 2, 3)))
    # a folder in the place of the index: nobody can write there, not even root
    (tmp_path / INDEX_NAME).mkdir()
    assert check(tmp_path).errors == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == [INDEX_NAME, "a.obj"]
