from pathlib import Path

import pytest

from igllm_pipelines.apps.models import package_folder
from igllm_pipelines.model.storage import ModelFolderError


@pytest.mark.parametrize("place", [".", "package", "data/package"])
def test_a_package_is_found_in_a_folder_that_holds_it(tmp_path, place):
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").touch()
    assert package_folder(str(tmp_path)) == folder


def test_home_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "package.json").touch()
    assert package_folder("~") == Path(tmp_path)


@pytest.mark.parametrize("path", ["nowhere", "empty", "s3://bucket/model"])
def test_what_holds_no_package_is_named(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match=f"{path}: there is no model package"):
        package_folder(path)
