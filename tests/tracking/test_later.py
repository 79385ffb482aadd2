"""A later process goes on in the training's run; the best model is the champion."""

from dataclasses import dataclass

import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from igllm_pipelines.datasets.folder import FolderDataset
from igllm_pipelines.datasets.model import PackageDataset
from igllm_pipelines.infer.package import load_package
from igllm_pipelines.tracking import champion
from tests.apps.packages import package_contents
from tests.tracking.sessions import HISTORY, below, experiment_of, load_table, run

NAME = "test-clevr-float"


@dataclass(frozen=True)
class Inference:
    batch_size: int = 8
    beams: int = 1


class Project:
    """A training whose model lies on the disk, and what comes after it."""

    def __init__(self, folder):
        self.folder = folder

    def catalog(self, f1, inference):
        place = self.folder
        datasets = {
            "model": WeightsDataset(filepath=str(place / "model")),
            "history": JSONDataset(filepath=str(place / "history.json")),
            "package": PackageDataset(
                filepath=str(place / "package"), model=str(place / "none")
            ),
            "intervals": MemoryDataset(),
            "predictions": MemoryDataset(),
        }
        named = {f"clevr.float.{name}": found for name, found in datasets.items()}
        named["params:inference"] = MemoryDataset(inference)
        named["f1"] = MemoryDataset(f1)
        return DataCatalog(named)

    def run(self, *tasks, f1=50.0, weight=1.0, inference=None):
        """Runs some of train, package and evaluate; the id of the session's run."""
        nodes = {
            "train": Node(
                lambda: (model_of(weight), HISTORY),
                None,
                ["model", "history"],
                name="train",
            ),
            "package": Node(
                lambda model: package_contents("clevr"),
                "model",
                "package",
                name="package",
            ),
            "evaluate": Node(
                intervals_of,
                ["f1", "params:inference"],
                ["intervals", "predictions"],
                name="evaluate",
            ),
        }
        pipeline = Pipeline(
            [nodes[task] for task in tasks],
            namespace="clevr.float",
            inputs={"f1"} if "evaluate" in tasks else None,
            parameters={"params:inference"} if "evaluate" in tasks else None,
        )
        catalog = self.catalog(f1, inference or Inference())
        return run(pipeline, catalog=catalog)


class WeightsDataset(FolderDataset):
    """A folder with a file, as a stored model is."""

    def save(self, data):
        self._filepath.mkdir(parents=True, exist_ok=True)
        (self._filepath / "model.safetensors").write_text(str(data.state_dict()))


def model_of(weight):
    model = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(model.weight, weight)
    torch.nn.init.zeros_(model.bias)
    return model


def intervals_of(f1, inference):
    found = {"f1@0.25": {"value": f1, "low": 0.0, "high": 100.0}}
    return {"val_ID": found}, {"val_ID": [{"image": f"{f1}.png", "program": "add()"}]}


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "06_models")


def only(runs):
    (found,) = runs.values()
    return found


def champion_run(client):
    version = client.get_model_version_by_alias(NAME, "champion")
    return version.run_id, version.tags


def test_an_evaluation_goes_into_the_run_of_its_training(client, project):
    training = only(below(client, project.run("train", "package")))
    assert client.get_registered_model(NAME).aliases == {}
    session = project.run("evaluate", f1=60.0)
    assert below(client, session) == {}
    again = client.get_run(training.info.run_id)
    assert client.get_run(session).data.tags["run.clevr.float"] == again.info.run_id
    assert again.data.metrics["val_ID/f1_at_0.25m"] == 60.0
    assert again.data.metrics["loss"] == 0.25
    assert again.data.params["inference.batch_size"] == "8"
    assert again.info.status == "FINISHED"
    assert champion_run(client)[0] == training.info.run_id
    project.run("evaluate", f1=40.0)  # and its table is not longer than that
    assert load_table(client, again)["image"].tolist() == ["40.0.png"]
    assert "run_id" not in (project.folder / "history.json").read_text()


def test_an_evaluation_with_other_parameters_is_a_run_below_the_training(
    client, project
):
    training = only(below(client, project.run("train", "package", "evaluate", f1=60.0)))
    beams = Inference(beams=4)
    assert below(client, project.run("evaluate", f1=70.0, inference=beams)) == {}
    other = only(below(client, training.info.run_id))
    assert other.data.params["inference.beams"] == "4"
    assert other.data.metrics["val_ID/f1_at_0.25m"] == 70.0
    assert experiment_of(client, other) == "test-clevr"
    again = client.get_run(training.info.run_id)
    assert again.data.metrics["val_ID/f1_at_0.25m"] == 60.0
    assert champion_run(client)[1]["score"] == "60.0"
    project.run("evaluate", f1=65.0)  # the training is still found
    assert champion_run(client)[1]["score"] == "65.0"


def test_an_evaluation_of_an_unknown_model_has_a_run_that_is_found_again(
    client, project
):
    WeightsDataset(filepath=str(project.folder / "model")).save(model_of(9.0))
    first = only(below(client, project.run("evaluate", f1=60.0)))
    project.run("evaluate", f1=61.0)
    again = client.get_run(first.info.run_id)
    assert again.data.metrics["val_ID/f1_at_0.25m"] == 61.0


def test_a_failed_evaluation_leaves_its_training_finished(client, project, monkeypatch):
    training = only(below(client, project.run("train")))
    monkeypatch.setitem(globals(), "intervals_of", lambda *_: 1 / 0)
    project.run("evaluate")
    assert client.get_run(training.info.run_id).info.status == "FINISHED"


def test_only_a_better_model_becomes_the_champion(client, project):
    runs = []
    for weight, f1 in ((1.0, 50.0), (2.0, 40.0), (3.0, 50.0), (4.0, 55.0)):
        session = project.run("train", "package", "evaluate", f1=f1, weight=weight)
        runs.append(only(below(client, session)).info.run_id)
        assert champion_run(client)[0] == runs[-1 if f1 == 55.0 else 0]
    versions = {v.run_id: v for v in client.search_model_versions(f"name='{NAME}'")}
    assert set(versions) == set(runs)
    for run_id, version in versions.items():
        tags = client.get_run(run_id).data.tags
        assert version.tags["model_digest"] == tags["model_digest"]
        assert version.tags["encoding"] == "float"
        assert version.tags["score_metric"] == "val_ID/f1_at_0.25m"


def test_the_champion_is_loaded_by_its_name(client, project):
    from mlflow.models import get_model_info

    from igllm_pipelines.apps.models import package_folder

    training = only(below(client, project.run("train", "package", "evaluate")))
    uri = f"models:/{NAME}@champion"
    for name in (uri, f"runs:/{training.info.run_id}/model"):
        found = load_package(package_folder(name))
        assert found.syntax == load_package(project.folder / "package").syntax
    info = get_model_info(uri)
    assert "program" in info.signature.outputs.input_names()
    assert info.saved_input_example_info


def test_where_programs_say_no_place_the_error_decides():
    assert champion.score_of("2d") == ("val_ID/mse", False)
    assert champion.score_of("so3") == ("val_ID/geodesic", False)
    assert champion.score_of("clevr") == ("val_ID/f1_at_0.25m", True)
