import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from igllm_pipelines.infer.package import load_package, save_package
from igllm_pipelines.model.storage import ModelFolderError, save_model
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from tests.apps.packages import package_contents, random_package
from tests.infer.test_predict import CONFIG, setting


def picture(shape=(40, 30), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.fixture
def package(tmp_path):
    return random_package(tmp_path / "package", "clevr")


def change(package, **fields):
    """Writes other fields into ``package.json``; None takes one away."""
    file = package.folder / "package.json"
    record = {**json.loads(file.read_text()), **fields}
    kept = {name: value for name, value in record.items() if value is not None}
    file.write_text(json.dumps(kept))


def written(folder, scenes, domain="clevr", **options):
    contents = {**package_contents(domain), "scenes": scenes}
    save_package(folder, **contents, **options)
    return load_package(folder)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("domain", ["2d", "clevr"])
def test_a_package_predicts_as_its_parts_do(tmp_path, domain, text):
    from igllm_pipelines.infer.predict import Predictor

    package = random_package(tmp_path / "package", domain, text=text)
    pictures = {"wide": picture((28, 50)), "small": picture((9, 9), seed=1)}
    found = package.predictor().predict_pictures(pictures)
    expected = Predictor(*setting(domain, text=text), CONFIG).predict_pictures(pictures)
    assert [record["image"] for record in found] == ["wide", "small"]
    assert [r["program"] for r in found] == [r["program"] for r in expected]
    assert package.inference == CONFIG


def test_a_predictor_takes_another_way_to_decode(package):
    short = replace(CONFIG, max_objects=1)
    (record,) = package.predictor(short).predict_pictures({"a": picture()})
    assert record["program"].count("\n") == 1


def test_stored_weights_are_linked_and_outlive_the_next_training(tmp_path):
    model, *_ = setting("clevr")
    stored = tmp_path / "model"
    save_model(model, stored)
    package = written(tmp_path / "package", {}, stored=stored)
    linked = package.folder / "model" / "model.safetensors"
    assert os.path.samefile(linked, stored / "model.safetensors")
    before = linked.read_bytes()
    save_model(setting("2d")[0], stored)
    assert linked.read_bytes() == before
    package.predictor()


def test_weights_are_copied_where_the_file_system_has_no_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError("not here")

    save_model(setting("clevr")[0], tmp_path / "model")
    monkeypatch.setattr(os, "link", no_links)
    package = written(tmp_path / "package", {}, stored=tmp_path / "model")
    assert (package.folder / "model" / "model.safetensors").stat().st_nlink == 1
    package.predictor()


def test_save_replaces_a_package_whole(package):
    (package.folder / "left_over.txt").write_text("old")
    random_package(package.folder, "2d")
    names = sorted(path.name for path in package.folder.iterdir())
    assert names == ["model", "package.json", "tokenizer"]
    assert not list(package.folder.parent.glob(".*"))


def test_scenes_of_a_download_need_no_download(tmp_path):
    official = {"source": "official", "root": "nowhere", "num_scenes": {"train": 5}}
    assert written(tmp_path / "p", {**official, "lens_mm": 35}).scenes == {
        "lens_mm": 35
    }


def test_own_assets_are_named_by_their_whole_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assets = {"root": "my_models", "categories": ["chair"]}
    package = written(tmp_path / "p", {"assets": assets}, domain="6dof")
    assert package.scenes["assets"] == {**assets, "root": str(tmp_path / "my_models")}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"format": 2}, "has format 2, this version reads 1"),
        ({"format": None}, "describes no model package"),
        ({"domain": None}, "'domain' is missing"),
        ({"more": 1}, "'more' is unknown"),
        ({"domain": "3d"}, "unknown domain '3d'"),
        ({"domain": ["2d"]}, "does not fit"),
        ({"encoding": "morse"}, "unknown encoding 'morse'"),
        ({"encoding": 3}, "does not fit"),
        ({"syntax": {"attributes": ["loc"]}}, "does not fit"),
        ({"syntax": "loc"}, "does not fit"),
        ({"inference": {"batch_sighs": 1}}, "batch_sighs"),
        ({"inference": {"batch_size": "1"}}, "does not fit"),
        ({"scenes": {"lens": 3}}, "lens"),
        ({"scenes": [3]}, "a mapping is wanted"),
    ],
)
def test_what_does_not_fit_is_named(package, fields, reason):
    change(package, **fields)
    with pytest.raises(ModelFolderError, match=reason):
        load_package(package.folder)


def test_a_number_format_that_would_write_gigabytes_is_refused(package):
    syntax = json.loads((package.folder / "package.json").read_text())["syntax"]
    change(package, syntax={**syntax, "number_format": "999999999.3f"})
    with pytest.raises(ModelFolderError, match="number_format '999999999.3f'"):
        load_package(package.folder)


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 100_000, "\0", '{"format": 1}'])
def test_a_broken_description_is_refused(package, text):
    (package.folder / "package.json").write_text(text)
    with pytest.raises(ModelFolderError, match=r"package\.json"):
        load_package(package.folder)


@pytest.mark.parametrize(
    "name",
    [
        "package.json",
        "model/config.json",
        "model/model.safetensors",
        "tokenizer/tokenizer.json",
        "tokenizer/program_tokenizer.json",
    ],
)
def test_a_missing_file_is_named(package, name):
    (package.folder / name).unlink()
    with pytest.raises(ModelFolderError, match=name.rpartition("/")[2]):
        load_package(package.folder)


@pytest.mark.parametrize("name", ["package.json", "model", "tokenizer"])
def test_a_link_out_of_the_package_is_refused(package, tmp_path, name):
    inside, outside = package.folder / name, tmp_path / "outside"
    shutil.move(inside, outside)
    inside.symlink_to(outside)
    with pytest.raises(ModelFolderError, match="a link that leaves the package"):
        load_package(package.folder)


def test_the_folder_itself_may_be_a_link(package, tmp_path):
    (tmp_path / "link").symlink_to(package.folder)
    load_package(tmp_path / "link").predictor()


def test_a_link_among_the_tokenizers_files_is_refused(package, tmp_path):
    (package.folder / "tokenizer" / "more.json").symlink_to("/etc/hostname")
    with pytest.raises(ModelFolderError, match="a link that leaves the package"):
        package.predictor()


@pytest.mark.parametrize("name", ["tokenizer.json", "program_tokenizer.json"])
def test_a_broken_tokenizer_is_refused(package, name):
    (package.folder / "tokenizer" / name).write_text("{")
    with pytest.raises(ModelFolderError, match="the tokenizer cannot be read"):
        package.predictor()


def test_code_beside_the_tokenizer_does_not_run(package, tmp_path):
    folder = package.folder / "tokenizer"
    ran = tmp_path / "ran"
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Evil: ...\n")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["auto_map"] = {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    config["tokenizer_class"] = "Evil"
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match="the tokenizer cannot be read"):
        package.predictor()
    assert not ran.exists()


def test_a_tokenizer_of_another_domain_is_refused(package):
    shutil.rmtree(package.folder / "tokenizer")
    train_tokenizer(setting("2d")[2]).save(package.folder / "tokenizer")
    with pytest.raises(ModelFolderError, match="come from different trainings"):
        package.predictor()


def test_an_encoding_of_another_model_is_refused(package):
    change(package, encoding="char")
    with pytest.raises(ModelFolderError, match="disagree on whether numbers are text"):
        load_package(package.folder).predictor()


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("model/config.json", ("vocab_size",), 1.5),
        ("model/config.json", ("tower", "patch_px"), -1),
        ("model/config.json", ("tower", "pretrained"), []),
        ("tokenizer/program_tokenizer.json", ("prefix_ids",), ["a"]),
        ("tokenizer/program_tokenizer.json", ("conversation", "lead"), 0),
        ("tokenizer/program_tokenizer.json", ("end_id",), ""),
        ("tokenizer/tokenizer_config.json", ("tokenizer_class",), -1),
    ],
)
def test_values_of_a_wrong_kind_are_refused(package, name, place, value):
    file = package.folder / name
    record = json.loads(file.read_text())
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    file.write_text(json.dumps(record))
    with pytest.raises(ModelFolderError, match="does not|cannot be read"):
        package.predictor()


def test_a_package_is_enough_without_the_shell(package, tmp_path):
    """Neither Kedro nor MLflow is imported; the working directory is elsewhere."""
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from igllm_pipelines.infer.package import load_package\n"
        f"package = load_package(Path({str(package.folder)!r}))\n"
        "picture = np.zeros((20, 20, 3), np.uint8)\n"
        "(record,) = package.predictor().predict_pictures({'a': picture})\n"
        "print(record['program'], {'kedro', 'mlflow', 'bpy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        cwd=tmp_path,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("add(")
    assert done.stdout.strip().endswith("set()")
