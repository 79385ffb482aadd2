"""Hostile programs, label files, predictions and scenes: declared errors, no code."""

import json
import pickle
import shutil
import time

import pytest

from igllm_pipelines.apps.scene_files import SceneFileError, SceneReader
from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.metrics.answers import PredictionsError, read_answers
from igllm_pipelines.metrics.labels import read_label_table
from igllm_pipelines.metrics.programs import parse_programs
from igllm_pipelines.scene import (
    LabelError,
    ProgramError,
    ProgramSyntax,
    parse_program,
    read_labels,
)
from igllm_pipelines.scene.program import MAX_CHARACTERS

CLEVR = DOMAINS["clevr"].syntax
BEYOND_FLOATS = 10**400


def test_the_canary_sings(canary):
    pickle.loads(canary.pickled)
    assert canary.folder.exists()
    canary.folder.rmdir()
    eval(canary.code)  # so that the other tests could fail
    assert canary.folder.exists()
    shutil.rmtree(canary.folder)


PROGRAMS = {
    "call": "{code}",
    "call_behind": "add(size='large')\n{code}",
    "call_as_value": "add(size={code})",
    "lambda": "add(loc=(lambda: {code})())",
    "comprehension": "add(loc=[{code} for _ in (1, 2, 3)])",
    "generator": "add(*({code} for _ in (1,)))",
    "f_string": "add(size=f'{{{code}}}')",
    "string": "add(size='{{{code}}}')",
    "walrus": "add(x := {code})",
    "keywords": "add(**{{'size': {code}}})",
    "statement": "add(size='large'); {code}",
    "decorator": "@{code}\ndef add(): pass",
    "fence": "```python\n{code}\n```",
    "import": "import os\nadd(size='large')",
    "dunder": "add(__class__='cube')",
    "null_bytes": "add(\0size='large')",
    "digits_of_arabic": "add(loc=(\u0661, \u0662, \u0663))",
    "cyrillic_add": "\u0430dd(size='large')",
    "cyrillic_word": "add(size='l\u0430rge')",
    "turned_around": "add(size=\u202e'large')",
    "underscore": "add(loc=(1_0, 0, 0))",
    "infinite": "add(loc=(1e999, 0, 0))",
    "many_digits": "add(loc=(" + "9" * 5000 + ", 0, 0))",
    "deep": "add(loc=" + "(" * 100_000,
    "deep_pairs": "add(loc=" + "(" * 50_000 + ")" * 50_000 + ")",
    "backticks": "`" * 300_000,
    "quotes": "add(size=" + "'" * 300_001,
    "long_word": "add(size='" + "a" * 900_000 + "')",
    "long_line": "add(size='large')" * 600_000,  # 10 MB
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_hostile_program(canary, name):
    text = PROGRAMS[name].replace("{code}", canary.code).replace("{{", "{")
    started = time.process_time()
    with pytest.raises(ProgramError, match=r"^line \d+, column \d+: ") as caught:
        parse_program(text, CLEVR)
    assert len(str(caught.value)) < 400
    assert time.process_time() - started < 5
    if len(text) < MAX_CHARACTERS:
        assert not parse_programs([text], CLEVR).parsed[0]


@pytest.mark.parametrize("rep", ["aa", "6d", "quat"])
def test_numbers_beyond_all_squares_name_no_rotation(rep):
    syntax = ProgramSyntax(("rotation",), rotation_rep=rep)
    numbers = ", ".join(["1e308"] * syntax.num_components("rotation"))
    (obj,) = parse_program(f"add(rotation=({numbers}))", syntax).objects
    assert obj.rotation is None


OBJECTS = {
    "huge_integer": {"3d_coords": [BEYOND_FLOATS, 0, 0]},
    "huge_angle": {"rotation": BEYOND_FLOATS},
    "huge_quaternion": {"rotation_quat": [1e308] * 4},
    "nan": {"3d_coords": [float("nan"), 0, 0]},
    "infinity": {"extents": [float("inf"), 1, 1]},
    "deep_list": {"3d_coords": json.loads("[" * 500 + "]" * 500)},
    "long_list": {"3d_coords": [0.0] * 100_000},
    "code": {"3d_coords": "{code}"},
    "word_of_another_kind": {"shape": ["cube"]},
    "pixels_that_are_text": {"visible_pixels": "{code}"},
    "pixels_without_end": {"visible_pixels": float("inf")},
}
CAMERA = {
    "world_from_camera": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 9], [0, 0, 0, 1]],
    **{"lens_mm": 35.0, "sensor_width_mm": 32.0, "width_px": 64, "height_px": 48},
}
LIGHT = {
    **{"name": "Key", "kind": "AREA", "location": [0, 0, 1], "rotation": [1, 0, 0, 0]},
    **{"energy": 10.0, "size": 1.0, "color": [1, 1, 1]},
}
SCENES = {
    "seed_without_end": {"seed": [float("inf")]},
    "seed_of_text": {"seed": ["{code}"]},
    "camera_matrix": {"camera": {**CAMERA, "world_from_camera": [[1e308] * 4] * 4}},
    "camera_size": {"camera": {**CAMERA, "width_px": BEYOND_FLOATS}},
    "camera_field": {"camera": {**CAMERA, "__class__": "{code}"}},
    "light_energy": {"lights": [{**LIGHT, "energy": float("nan")}]},
    "light_name": {"lights": [{**LIGHT, "name": {"a": 1}}]},
    "lights": {"lights": {"{code}": 1}},
    "objects": {"objects": {"{code}": 1}},
    "no_name": {"image_filename": None},
}
TEXTS = {
    "deep": "[" * 100_000,
    "deep_objects": '{"a":' * 100_000,
    "many_digits": '[{"image_filename": "a", "objects": [' + "9" * 10_000 + "]}]",
    "python": "{code}",
    "null_bytes": "[]\0",
    "two_values": "[][]",
    "nothing": "",
    "comment": "[] // {code}",
    "number": "1e999",
}


def label_file(folder, changes, where):
    obj = {"3d_coords": [1, 2, 3], **(changes if where == "object" else {})}
    scene = {"image_filename": "a.png", "objects": [obj]}
    scene |= changes if where == "scene" else {}
    file = folder / "train.json"
    file.write_text(json.dumps({"scenes": [scene]}))
    return file


CASES = [
    *(("object", name, changes) for name, changes in OBJECTS.items()),
    *(("scene", name, changes) for name, changes in SCENES.items()),
    *(("text", name, text) for name, text in TEXTS.items()),
]


@pytest.mark.parametrize(("where", "name", "changes"), CASES)
def test_hostile_labels(tmp_path, canary, where, name, changes):
    file = label_file(tmp_path, {} if where == "text" else changes, where)
    text = changes if where == "text" else file.read_text()
    file.write_text(text.replace("{code}", canary.code.replace('"', "'")))
    with pytest.raises(LabelError) as caught:
        read_labels(file)
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 2000
    if where == "text":
        with pytest.raises(LabelError):
            read_label_table(file)
    with pytest.raises((LabelError, SceneFileError)):
        SceneReader(domain="clevr").read(file)


def test_of_two_equal_keys_the_last_counts_in_both_readers(tmp_path):
    file = tmp_path / "train.json"
    scene = '{"image_filename": "a.png", "objects": [{"3d_coords": [9, 9, 9], '
    file.write_text(f'[{scene}"3d_coords": [1, 2, 3]}}], "image_filename": "b.png"}}]')
    (read,) = read_labels(file)
    assert (read.image_filename, read.objects[0].location) == ("b.png", (1, 2, 3))
    table = read_label_table(file)
    assert (*table.images, table.objects.location.tolist()) == ("b.png", [[1, 2, 3]])


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_predictions(tmp_path, canary, name):
    file = tmp_path / "predictions.json"
    file.write_text(TEXTS[name].replace("{code}", canary.code))
    with pytest.raises(PredictionsError, match=r"predictions\.json"):
        read_answers(file, "val_ID")


@pytest.mark.parametrize("suffix", [".py", ".txt"])
def test_a_program_with_the_name_of_a_script_is_read_not_run(tmp_path, canary, suffix):
    file = tmp_path / f"scene{suffix}"
    file.write_text(f"{canary.code}\n")
    with pytest.raises(SceneFileError, match="line 1, column"):
        SceneReader(domain="clevr").read(file)


@pytest.mark.parametrize("word", ["it's", "a\nb", "", "```", "[NUM]"])
def test_words_that_would_end_their_quotes_are_refused(word):
    with pytest.raises(ValueError, match="cannot stand in a program"):
        ProgramSyntax(("shape",), {"shape": (word,)})
