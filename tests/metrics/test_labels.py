"""Labels as columns are the labels that `scene.labels` reads; answers find them."""

import json

import numpy as np
import pytest

from igllm_pipelines.metrics.answers import PredictionsError, in_order, read_answers
from igllm_pipelines.metrics.labels import Labels, label_table, read_label_table
from igllm_pipelines.metrics.table import as_table
from igllm_pipelines.scene import LabelError, read_labels

OBJECTS = [
    {"3d_coords": [1, 2.5, 3], "color": "red", "rotation": 100.0},
    {"3d_coords": [0, 0, 0], "shape": "chair_1", "rotation": [0.1, -0.2, 3.0]},
    {"3d_coords": [1, 1, 1], "rotation": 5, "rotation_quat": [0.6, 0, 0.8, 0]},
    {"3d_coords": [1, 1, 1], "size": "large"},
]
SCENES = [
    {"image_filename": "a.png", "objects": OBJECTS},
    {"image_filename": "b.png", "objects": []},
    {"image_filename": "c.png", "objects": OBJECTS[:1]},
]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("yaw", ["stated", "rendered"])
@pytest.mark.parametrize("content", [SCENES, {"info": {}, "scenes": SCENES}])
def test_columns_equal_the_scenes(tmp_path, yaw: str, content) -> None:
    path = write(tmp_path / "val.json", content)
    scenes = read_labels(path, yaw=yaw)
    got, expected = read_label_table(path, yaw=yaw), as_table(scenes)
    assert got.images == ("a.png", "b.png", "c.png")
    assert got.objects.starts.tolist() == expected.starts.tolist()
    np.testing.assert_allclose(got.objects.location, expected.location)
    np.testing.assert_allclose(got.objects.rotation, expected.rotation, atol=1e-15)
    for name, words in expected.words.items():
        assert got.objects.words[name].tolist() == words.tolist()


def test_what_labels_have() -> None:
    labels = label_table(SCENES)
    names = ("size", "color", "material", "shape", "category", "rotation")
    assert [labels.has(n) for n in names] == [True, True, False, True, True, True]
    bare = Labels(("a",), label_table(SCENES[2:]).objects)
    assert not bare.has("category")


def test_rotations_are_read_where_they_are_asked_for(tmp_path) -> None:
    path = write(tmp_path / "val.json", SCENES)
    full, bare = (read_label_table(path, rotations=asked) for asked in (True, False))
    assert full.has("rotation")
    assert not bare.has("rotation")
    assert bare.objects.location.tolist() == full.objects.location.tolist()


def test_many_labels_are_read_in_parts() -> None:
    many = [
        {**scene, "image_filename": f"{i}-{scene['image_filename']}"}
        for i in range(400)
        for scene in SCENES
    ]
    got, once = label_table(many).objects, label_table(SCENES).objects
    assert got.counts.tolist() == 400 * once.counts.tolist()
    assert got.words["shape"].tolist() == 400 * once.words["shape"].tolist()
    np.testing.assert_array_equal(got.rotation, np.tile(once.rotation, (400, 1)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"3d_coords": [1, 2]},
        {"3d_coords": [1, 2, None]},
        {"3d_coords": "123"},
        {"color": "red"},
        {"3d_coords": [1, 2, 3], "color": 7},
        {"3d_coords": [1, 2, 3], "rotation": [1, 2]},
        {"3d_coords": [1, 2, 3], "rotation": "x"},
    ],
)
def test_wrong_labels_are_named(tmp_path, wrong) -> None:
    scene = {"image_filename": "a.png", "objects": [OBJECTS[0], wrong]}
    with pytest.raises(LabelError, match=r"scene 0 \(a.png\), object 1"):
        read_label_table(write(tmp_path / "val.json", [scene]))


def test_files_that_are_no_labels(tmp_path) -> None:
    with pytest.raises(LabelError, match="no such label file"):
        read_label_table(tmp_path / "none.json")
    with pytest.raises(LabelError, match="same image"):
        read_label_table(write(tmp_path / "val.json", SCENES[:1] * 2))
    with pytest.raises(LabelError, match="neither a list"):
        read_label_table(write(tmp_path / "val.json", {"scenes": 3}))


RECORD = {"image": "b.png", "program": "add()", "log_probability": -1.5}


@pytest.mark.parametrize(
    "content",
    [
        {"answers": {"x/y/b.png": {"outputs": "add()"}}},
        [RECORD],
        {"val": [RECORD], "test": []},
        {"other": [RECORD]},
    ],
)
def test_every_form_of_answers_is_read(tmp_path, content) -> None:
    answers = read_answers(write(tmp_path / "p.json", content), "val")
    missing, answer = in_order(answers, ["a.png", "b.png"])
    assert missing is None
    assert answer is not None
    assert answer.program == "add()"
    assert answer.log_probability == (None if "answers" in content else -1.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"answers": {"a.png": {}}}, "'outputs' is missing"),
        ({"answers": {"z.png": {"outputs": ""}}}, "'z.png', the labels do not"),
        (
            {"answers": {"1/a.png": {"outputs": ""}, "2/a.png": {"outputs": ""}}},
            "predicted twice",
        ),
        ([{"image": "a.png"}], "record 0: 'image' and 'program'"),
        (
            [{"image": "a.png", "program": ""}] * 2,
            "record 1: 'a.png' is predicted twice",
        ),
        ([7], "must be a JSON object"),
        ({"one": [], "two": []}, "under their split 'val'"),
        (3, "neither"),
    ],
)
def test_wrong_answers_are_named(tmp_path, content, message: str) -> None:
    path = write(tmp_path / "p.json", content)
    with pytest.raises(PredictionsError, match=message):
        in_order(read_answers(path, "val"), ["a.png"])


def test_files_that_are_no_answers(tmp_path) -> None:
    with pytest.raises(PredictionsError, match="no such file"):
        read_answers(tmp_path / "none.json", "val")
    (tmp_path / "p.json").write_text("{")
    with pytest.raises(PredictionsError, match="no valid JSON"):
        read_answers(tmp_path / "p.json", "val")
