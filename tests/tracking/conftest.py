"""A database of the test's own."""

import shutil

import pytest


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """Made once: that takes seconds."""
    from igllm_pipelines.tracking.server import check_store

    file = tmp_path_factory.mktemp("mlruns") / "mlflow.db"
    check_store(f"sqlite:///{file}")
    return file


@pytest.fixture
def client(empty_database, tmp_path):
    import mlflow

    before = mlflow.get_tracking_uri()
    shutil.copy(empty_database, tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("test", artifact_location=str(tmp_path / "artifacts"))
    mlflow.set_experiment("test")
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)
