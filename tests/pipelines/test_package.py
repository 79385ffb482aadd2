"""The node that packages a model, through the catalog's dataset."""

import os

from igllm_pipelines.datasets.model import ModelDataset, PackageDataset
from igllm_pipelines.pipelines.training.nodes import package_model
from tests.apps.packages import package_contents


def package(encoding, **changes):
    variants = {"hot": {"inference": {"temperature": 1.5}}}
    contents = package_contents("6dof", **changes)
    return package_model(**{**contents, "encoding": encoding}, variants=variants)


def test_a_package_holds_the_encodings_syntax_and_decoding(tmp_path):
    model = ModelDataset(filepath=str(tmp_path / "model"))
    dataset = PackageDataset(
        filepath=str(tmp_path / "package"), model=str(tmp_path / "model")
    )
    contents = package("float_quat_hot")
    model.save(contents["model"])
    assert not dataset.exists()
    dataset.save(contents)
    assert dataset.exists()
    found = dataset.load()
    assert (found.domain, found.encoding) == ("6dof", "float_quat_hot")
    assert found.syntax.rotation_rep == "quat"
    assert found.inference.temperature == 1.5
    weights = "model/model.safetensors"
    assert os.path.samefile(tmp_path / weights, tmp_path / "package" / weights)


def test_a_model_that_is_not_stored_is_written_into_its_package(tmp_path):
    dataset = PackageDataset(
        filepath=str(tmp_path / "package"), model=str(tmp_path / "model")
    )
    dataset.save(package("char", text=True))
    assert dataset.load().predictor()
