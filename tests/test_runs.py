"""The whole line through the command that a user types, at the smallest scale."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from igllm_pipelines.domains import DOMAINS
from tests.test_notebooks import NOTEBOOKS, execute

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.blender]


class Project:
    """A configuration of its own, whose data and MLflow runs lie in `folder`."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.database = folder / "mlruns" / "mlflow.db"
        self.conf = folder / "conf"
        shutil.copytree(ROOT / "conf", self.conf)
        text = f"data: {self.data.as_posix()}\nexperiment: test\n"
        (self.conf / "test" / "globals.yml").write_text(text)
        self.env = {
            **os.environ,
            "IGLLM_MLFLOW_URI": f"sqlite:///{self.database}",
            "KEDRO_LOGGING_CONFIG": str(self.conf / "logging.yml"),
        }

    def start(self, *arguments):
        command = [sys.executable, "-m", "kedro", "run", "--env=test"]
        return subprocess.Popen(
            [*command, f"--conf-source={self.conf}", *arguments],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments, code=0):
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=600)
        assert process.returncode == code, output[-5000:]
        return output

    def kill_when(self, condition, *arguments):
        """Kills the run and all its workers as soon as `condition` holds."""
        process = self.start(*arguments)
        deadline = time.monotonic() + 300
        while not condition():
            assert process.poll() is None, process.stdout.read()[-5000:]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def json(self, path):
        return json.loads((self.data / path).read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """All domains, run to the end."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.output = project.run(f"--pipelines={','.join(DOMAINS)}")
    return project


@pytest.mark.parametrize(
    ("domain", "metric"),
    [
        ("2d", "mse"),
        ("clevr", "l2"),
        ("so3", "geodesic"),
        ("6dof", "l2"),
        ("shapenet", "l2"),
    ],
)
def test_metrics_of_both_encodings(finished, domain, metric):
    metrics = finished.json(f"08_reporting/{domain}/metrics.json")
    assert set(metrics) == {"char", "float"}
    for encoding in metrics.values():
        assert set(encoding) == set(DOMAINS[domain].splits[1:])
        for values in encoding.values():
            assert values["parse_rate"] == 100
            assert values[metric] >= 0


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_metrics_have_intervals_and_encodings_are_compared(finished, domain):
    metrics = finished.json(f"08_reporting/{domain}/metrics.json")
    compared = finished.json(f"08_reporting/{domain}/comparison.json")
    for encoding, of_splits in metrics.items():
        path = f"08_reporting/{domain}/{encoding}/intervals.json"
        intervals = finished.json(path)
        for split, values in of_splits.items():
            assert set(values) - {"images"} <= set(intervals[split])
            assert compared[split]["parse_rate"]["difference"] == 0


@pytest.mark.parametrize("domain", sorted(DOMAINS))
def test_report_and_its_path_are_there(finished, domain):
    page = finished.data / "08_reporting" / domain / "report" / "index.html"
    assert "<html" in page.read_text()
    assert str(page.relative_to(finished.data)) in finished.output


def test_one_mlflow_run_for_each_domain_and_encoding(finished):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished.database}")
    (session,) = runs_of(client, "test")
    for domain, metric in (("2d", "val_ID/mse"), ("clevr", "val_ID/f1_at_0.25m")):
        runs = {r.info.run_name: r for r in runs_of(client, f"test-{domain}")}
        assert set(runs) == {f"{domain}.char", f"{domain}.float"}
        char, float_ = (runs[f"{domain}.{e}"].data for e in ("char", "float"))
        assert metric in char.metrics
        assert set(char.metrics) - set(float_.metrics) <= {"number_mse"}
        assert set(char.params) == set(float_.params)
        assert char.params["training.steps"] == float_.params["training.steps"]
        assert char.tags["data_digest"] == float_.tags["data_digest"]
        assert char.tags["mlflow.parentRunId"] == session.info.run_id
        folder = finished.data / "01_raw" / domain
        (used,) = runs[f"{domain}.char"].inputs.dataset_inputs
        assert used.dataset.name == f"{domain}.raw"
        assert str(folder) in used.dataset.source
    for domain in DOMAINS:
        for run in runs_of(client, f"test-{domain}"):
            name = f"test-{run.info.run_name.replace('.', '-')}"
            version = client.get_model_version_by_alias(name, "champion")
            assert version.run_id == run.info.run_id
            assert version.tags["rotation_representation"]


def runs_of(client, experiment):
    place = client.get_experiment_by_name(experiment).experiment_id
    return client.search_runs([place])


def test_an_evaluation_in_a_later_process_goes_into_its_trainings_run(finished):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished.database}")
    before = {run.info.run_id for run in runs_of(client, "test-so3")}
    finished.run("--pipelines=so3.float", "--from-nodes=so3.float.predict")
    assert {run.info.run_id for run in runs_of(client, "test-so3")} == before
    session = runs_of(client, "test")[0].data
    trained = client.get_run(session.tags["run.so3.float"])
    points = client.get_metric_history(trained.info.run_id, "val_ID/geodesic")
    assert len(points) == 2
    assert points[0].value == points[1].value


def test_every_model_is_a_package(finished):
    from igllm_pipelines.infer.package import load_package

    for domain in DOMAINS:
        for encoding in ("char", "float"):
            folder = finished.data / "06_models" / domain / encoding / "package"
            package = load_package(folder)
            assert (package.domain, package.encoding) == (domain, encoding)
            assert package.predictor()


def test_same_command_again_changes_nothing(finished):
    before = finished.json("08_reporting/2d/metrics.json")
    labels = (finished.data / "01_raw/2d/labels/train.json").read_bytes()
    finished.run("--pipelines=2d")
    assert finished.json("08_reporting/2d/metrics.json") == before
    assert (finished.data / "01_raw/2d/labels/train.json").read_bytes() == labels


def test_a_run_killed_in_training_goes_on(finished, tmp_path):
    project = Project(tmp_path)
    shutil.copytree(finished.data, project.data)
    models = project.data / "06_models" / "2d" / "float"
    shutil.rmtree(models)
    project.kill_when(
        lambda: any((models / "checkpoints").glob("checkpoint-*/manifest.json")),
        "--pipelines=2d.float",
    )
    assert not (models / "model").exists()
    project.run("--pipelines=2d.float")
    for file in (
        "06_models/2d/float/model/model.safetensors",
        "08_reporting/2d/float/history.json",
    ):
        assert (project.data / file).read_bytes() == (finished.data / file).read_bytes()


def test_an_encoding_takes_another_representation(finished, tmp_path):
    project = Project(tmp_path)
    shutil.copytree(finished.data, project.data)
    project.run(
        "--pipelines=so3.float,so3.report", "--params=encodings.float=float_quat"
    )
    records = project.json("07_model_output/so3/float/predictions.json")["val_ID"]
    assert {len(record["numbers"]) for record in records} == {4}
    page = project.data / "08_reporting" / "so3" / "report" / "index.html"
    assert "does not parse" not in page.read_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_top_to_bottom(finished, path):
    short = {"REFINE_S": 1} if path.stem.startswith("03") else {}
    outputs = execute(path, finished.conf.parent, ENV="test", **short)
    assert not [o["text"] for o in outputs if o.get("name") == "stderr"]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 5


def test_studies_make_one_table_each(finished, tmp_path):
    from mlflow import MlflowClient

    project = Project(tmp_path)
    shutil.copytree(finished.data, project.data)
    studies = {
        "2d.ablation": "char_hot",
        "2d.efficiency": "float_n40",
        "clevr.ablation": "float_tuned_tower",
        "so3.rotation": "float_quat",
    }
    output = project.run(f"--pipelines={','.join(studies)}")
    client = MlflowClient(f"sqlite:///{project.database}")
    (run,) = runs_of(client, "test")
    for study, encoding in studies.items():
        domain, name = study.split(".")
        folder = project.data / "08_reporting" / domain / name
        rows = project.json(f"08_reporting/{domain}/{name}/table.json")
        row = next(row for row in rows if row["encoding"] == encoding)
        assert row["seeds"] == 2
        assert row["ratio"]["low"] <= row["ratio"]["high"]
        assert (folder / "summary.txt").read_text() in output
        plotted = {"plot.png"} if name != "ablation" else set()
        files = {"table.csv", "table.md", *plotted}
        assert {file.name for file in (folder / "files").iterdir()} == files
        logged = {file.path for file in client.list_artifacts(run.info.run_id, domain)}
        assert {f"{study}.json", f"{study}_table.json"} <= {
            path.replace("/", ".", 1) for path in logged
        }
        beside = {file.path for file in client.list_artifacts(run.info.run_id, study)}
        assert beside == {f"{study}/{file}" for file in {*files, "summary.txt"}}


def test_nsvqa_stands_beside_the_encodings(finished, tmp_path):
    from mlflow import MlflowClient

    project = Project(tmp_path)
    shutil.copytree(finished.data, project.data)
    project.run("--pipelines=clevr.nsvqa")
    baseline = project.json("08_reporting/clevr/nsvqa/metrics.json")
    encoding = project.json("08_reporting/clevr/float/metrics.json")
    assert set(baseline) == set(encoding)
    for split, values in baseline.items():
        assert values["parse_rate"] == 100
        assert values["images"] == encoding[split]["images"]
    client = MlflowClient(f"sqlite:///{project.database}")
    (child,) = runs_of(client, "test-clevr")
    assert child.info.run_name == "clevr.nsvqa"
    assert {"val_OOD/count", "describer_loss"} <= set(child.data.metrics)


def test_a_variant_by_the_name_of_an_encoding(finished, tmp_path):
    project = Project(tmp_path)
    shutil.copytree(finished.data, project.data)
    project.run("--pipelines=2d.float", "--params=encodings.float=float_mixture_seed3")
    records = project.json("07_model_output/2d/float/predictions.json")["val_ID"]
    assert {len(record["number_stds"]) for record in records} == {2}
    output = project.run(
        "--pipelines=2d.float", "--params=encodings.float=float_wide", code=1
    )
    assert "no variant 'wide'" in output


def test_broken_data_stop_the_line_by_name(finished, tmp_path):
    project = Project(tmp_path)
    shutil.copytree(finished.data / "01_raw", project.data / "01_raw")
    labels = project.data / "01_raw" / "clevr" / "labels" / "train.json"
    text = labels.read_text()
    labels.write_text(text.replace('"shape": "cube"', '"shape": "teapot"', 1))
    output = project.run(
        "--pipelines=clevr.data", "--from-nodes=clevr.validate", code=1
    )
    assert "teapot" in output
    assert "train" in output
    assert not (project.data / "02_intermediate" / "clevr" / "data_card.json").exists()


def test_unknown_parameter_is_named(finished):
    output = finished.run(
        "--pipelines=2d.float", "--params=training.2d.stepz=3", code=1
    )
    assert "stepz" in output
