"""Several processes train in one Kedro run: they make one MLflow run together."""

import os
import subprocess
import sys

import pytest

from igllm_pipelines.model.storage import load_model
from igllm_pipelines.train.zero import find_spec
from tests.test_runs import ROOT, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("deepspeed") is None, reason="DeepSpeed is not installed"
    ),
]
TRAINING = ("--pipelines=2d.float", "--nodes=2d.float.train_model")


@pytest.fixture
def project(tmp_path):
    """All that a training needs."""
    project = Project(tmp_path)
    project.env["OMP_NUM_THREADS"] = "1"
    project.run(
        "--pipelines=2d", "--to-outputs=2d.features,2d.float.tokens,2d.tokenizer"
    )
    return project


def torchrun(project, *arguments):
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    command = [sys.executable, "-m", *launcher, "-m", "kedro", "run", "--env=test"]
    return subprocess.run(
        [*command, f"--conf-source={project.conf}", *arguments],
        cwd=ROOT,
        env=project.env,
        timeout=600,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def mlflow_runs(project):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project.database}")
    places = [experiment.experiment_id for experiment in client.search_experiments()]
    return {run.info.run_id: run for run in client.search_runs(places, max_results=100)}


def split(runs):
    """The sessions' runs, and those of trainings in them."""
    inner = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return [run for run in runs if run not in inner], inner


def assert_trained_and_logged_once(project, before):
    """One session and one training in it, which hold losses, weights and their end."""
    model = load_model(project.data / "06_models/2d/float/model")
    history = project.json("08_reporting/2d/float/history.json")
    new = {k: run for k, run in mlflow_runs(project).items() if k not in before}
    (session,), (training,) = split(list(new.values()))
    assert training.data.params["encoding"] == "float"
    assert training.data.tags["mlflow.parentRunId"] == session.info.run_id
    assert {run.info.status for run in new.values()} == {"FINISHED"}
    assert training.data.metrics["loss"] == pytest.approx(
        [row["loss"] for row in history if "loss" in row][-1]
    )
    assert int(training.data.params["num_weights"]) == sum(
        weight.numel() for weight in model.parameters()
    )
    return history


def test_ray_workers_and_torchrun_make_one_mlflow_run_each(project):
    before = mlflow_runs(project)
    project.run(*TRAINING, "--params=training.2d.workers=2,training.2d.deepspeed=zero2")
    of_ray = assert_trained_and_logged_once(project, before)

    models = project.data / "06_models/2d/float"
    os.rename(models, models.with_name("by_ray"))
    before = mlflow_runs(project)
    refused = torchrun(project, "--pipelines=2d.float")
    assert refused.returncode
    assert "run the other nodes first, by one process" in refused.stdout
    assert mlflow_runs(project).keys() == before.keys()

    process = torchrun(project, *TRAINING)
    assert process.returncode == 0, process.stdout[-5000:]
    of_torchrun = assert_trained_and_logged_once(project, before)
    losses = [[r["loss"] for r in h if "loss" in r] for h in (of_ray, of_torchrun)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
