"""The pages of Great Expectations on valid and broken scenes."""

import re
import tempfile
from html import unescape
from pathlib import Path

import pytest

from igllm_pipelines.domains.so3 import So3Config
from igllm_pipelines.validation.report import validate_scenes
from igllm_pipelines.validation.suites import data_docs
from tests.validation.drawn import draw, images_of, with_object

SO3 = So3Config(num_scenes={"train": 3, "val_ID": 2, "val_OOD": 2})


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """The pages of a data set with a held-out orientation in training, as text."""
    scenes = draw(SO3)
    leak = scenes["val_OOD"][0].objects[0].rotation
    scenes = with_object(scenes, "train", 1, rotation=leak)
    files = data_docs(validate_scenes(scenes, images_of(scenes), SO3).context)
    return {
        name: unescape(re.sub("<[^>]+>", " ", content.decode()))
        for name, content in files.items()
        if name.endswith(".html")
    }


def test_every_suite_has_its_pages(pages: dict[str, str]) -> None:
    assert "index.html" in pages
    suites = {name.split("/")[1] for name in pages if name.startswith("validations/")}
    splits = ("train", "val_ID", "val_OOD")
    own = {f"{split}_{table}" for split in splits for table in ("scenes", "objects")}
    assert suites == {"all_scenes", "all_objects", *own}


def test_checks_are_named_in_plain_words(pages: dict[str, str]) -> None:
    (page,) = [t for n, t in pages.items() if n.startswith("validations/all_objects/")]
    assert "the extents are those of the shape (low 0.0, high 1e-06)" in page
    assert "the rotation is given (words (True,))" in page


def test_failed_check_is_seen(pages: dict[str, str]) -> None:
    status = {
        name.split("/")[1]: re.search(r"Status:\s+(\w+)", text)[1]
        for name, text in pages.items()
        if name.startswith("validations/")
    }
    failed = {name for name, word in status.items() if word == "Failed"}
    assert failed == {"train_objects", "all_scenes"}  # the scene is a copy, too


def test_pages_are_small_and_stay_in_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scenes = draw(SO3)
    files = data_docs(validate_scenes(scenes, images_of(scenes), SO3).context)
    assert sum(map(len, files.values())) < 2e6
    assert not any(name.startswith(("/", "..")) for name in files)
    assert not list(tmp_path.iterdir())  # no copy is left behind
