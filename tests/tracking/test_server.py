"""A remote server whose clients see no folder of it, a database made twice at once."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from igllm_pipelines.apps.models import package_folder
from igllm_pipelines.datasets.model import PackageDataset
from igllm_pipelines.infer.package import load_package
from igllm_pipelines.tracking import server
from tests.apps.packages import package_contents
from tests.servers import Server, free_port
from tests.tracking.sessions import HISTORY, below, experiment_of, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def remote(tmp_path_factory, empty_database):
    """``mlflow server`` that keeps artifacts for its clients."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    database = folder / "server.db"
    database.write_bytes(empty_database.read_bytes())
    command = [
        *(sys.executable, "-c", "from mlflow.cli import cli; cli()", "server"),
        *("--backend-store-uri", f"sqlite:///{database}", "--port", str(port)),
        *("--artifacts-destination", str(folder / "kept"), "--workers", "1"),
    ]
    with Server(command, port, folder, cwd=ROOT) as started:
        yield started


@pytest.mark.slow  # the server imports mlflow anew
def test_a_remote_server_takes_runs_artifacts_and_models(remote, tmp_path, monkeypatch):
    import mlflow

    before = mlflow.get_tracking_uri()
    monkeypatch.setenv("IGLLM_MLFLOW_URI", remote.uri)
    uri = server.tracking_uri(tmp_path)
    assert uri == remote.uri
    assert server.artifact_root(uri) is None
    server.check_store(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("test")
    try:
        package = str(tmp_path / "package")
        dataset = PackageDataset(filepath=package, model=str(tmp_path / "none"))
        nodes = [
            Node(lambda: HISTORY, None, "history", name="train"),
            Node(lambda: package_contents("2d"), None, "package", name="package"),
            Node(lambda: {"val_ID": {"mse": 0.5}}, None, "metrics", name="evaluate"),
            Node(lambda: {"val_ID": {}}, None, "intervals", name="sure"),
        ]
        pipeline = Pipeline(nodes, namespace="2d.float")
        data = {"2d.float.package": dataset}
        client = mlflow.MlflowClient()
        parent = run(pipeline, catalog=DataCatalog(data))
        child = below(client, parent)["2d.float"]
        assert child.info.artifact_uri.startswith("mlflow-artifacts:/")
        assert experiment_of(client, child) == "test-2d"
        (file,) = client.list_artifacts(child.info.run_id)
        assert file.path == "intervals.json"
        assert not (tmp_path / "mlruns").exists()
        found = load_package(package_folder("models:/test-2d-float@champion"))
        assert found.syntax == load_package(Path(package)).syntax
        assert found.folder.resolve() != Path(package)
    finally:
        mlflow.set_tracking_uri(before)


def test_a_server_that_is_not_there_is_named_at_once():
    uri = f"http://127.0.0.1:{free_port()}"
    start = time.monotonic()
    with pytest.raises(server.TrackingError) as error:
        server.check_store(uri)
    assert time.monotonic() - start < 60
    assert uri in str(error.value)
    assert "IGLLM_MLFLOW_URI" in str(error.value)


def test_a_broken_database_is_named(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database" * 1000)
    with pytest.raises(server.TrackingError, match=r"mlflow\.db failed: .*database"):
        server.check_store(f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.mark.slow  # two processes import mlflow and make a database
def test_two_processes_make_one_database(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}"
    code = (
        "import sys; from igllm_pipelines.tracking.server import *\n"
        "from mlflow import MlflowClient\n"
        "check_store(sys.argv[1]); client = MlflowClient(sys.argv[1])\n"
        "for name in ('2d', 'clevr'):\n"
        "    beside = client.get_experiment('0')\n"
        "    place = experiment_id(client, name, beside=beside)\n"
        "    client.create_run(place)"
    )

    def process(_):
        return subprocess.run(
            [sys.executable, "-c", code, uri],
            check=False,
            capture_output=True,
            text=True,
        )

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(process, range(2)):
            assert done.returncode == 0, done.stderr[-3000:]
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    for name in ("2d", "clevr"):
        place = client.get_experiment_by_name(name).experiment_id
        assert len(client.search_runs([place])) == 2
