"""A model package as a model of MLflow, loaded and served as a user would."""

import base64
import json
import logging
import os
import sys
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from igllm_pipelines import serving  # before mlflow.pyfunc, which warns
from igllm_pipelines.apps.models import package_folder
from igllm_pipelines.infer.package import load_package
from igllm_pipelines.infer.pictures import read_picture
from igllm_pipelines.model.storage import ModelFolderError
from tests.apps.packages import random_package
from tests.servers import Server, free_port

COLUMNS = ["program", "log_probability", "number_stds", "seconds"]


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoding") / "package"
    return random_package(folder, "clevr", numeric_head="mixture")


@pytest.fixture(scope="module")
def logged(package, tmp_path_factory):
    """The model's URI, its run's, and what MLflow said; it keeps them elsewhere."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlruns")
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("IGLLM_MLFLOW_URI", f"sqlite:///{folder / 'mlflow.db'}")
        mlflow.set_tracking_uri(os.environ["IGLLM_MLFLOW_URI"])
        mlflow.create_experiment("test", artifact_location=str(folder / "artifacts"))
        mlflow.set_experiment("test")
        with mlflow.start_run() as run:
            info = serving.log_package(package.folder)
        yield info.model_uri, f"runs:/{run.info.run_id}/model", info
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def model(logged):
    import mlflow

    return mlflow.pyfunc.load_model(logged[0])


@pytest.fixture(scope="module")
def expected(package):
    """Programs of two images, as the package itself makes them."""
    pictures = {str(seed): read_picture(png(seed)) for seed in (0, 1)}
    records = package.predictor().predict_pictures(pictures)
    programs = [record["program"] for record in records]
    assert programs[0] != programs[1]
    return programs


def test_model_takes_bytes_base64_and_paths_in_one_column(
    model, expected, package, tmp_path
):
    (tmp_path / "1.png").write_bytes(png(1))
    text = base64.encodebytes(png(0)).decode()  # with line breaks
    images = [png(0), text, str(tmp_path / "1.png"), tmp_path / "1.png"]
    answers = model.predict(pd.DataFrame({"image": images}, index=list("abcd")))
    assert answers["program"].tolist() == [expected[i] for i in (0, 0, 1, 1)]
    assert answers.columns.tolist() == COLUMNS
    assert answers.index.tolist() == list("abcd")
    assert (answers["log_probability"] < 0).all()
    assert min(min(stds) for stds in answers["number_stds"]) > 0


def test_model_takes_lists_and_one_image(model, expected, tmp_path):
    (tmp_path / "0.png").write_bytes(png(0))
    assert model.predict([tmp_path / "0.png", png(1)])["program"].tolist() == expected
    assert model.predict(png(1))["program"].tolist() == expected[1:]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (b"nothing", "image 1: .* it is no picture"),
        ("nowhere.png", "image 1: it is no bytes or base64 text or a file"),
        (None, "image 1: it is no bytes"),
    ],
)
def test_model_names_the_image_that_cannot_be_read(model, image, reason):
    import mlflow

    with pytest.raises(mlflow.MlflowException, match=reason):
        model.predict(pd.DataFrame({"image": [png(0), image]}))


def test_logged_model_has_signature_example_and_no_code(logged):
    import mlflow

    uri, _, info = logged
    assert info.signature.outputs.input_names() == COLUMNS
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    model = mlflow.pyfunc.load_model(uri)
    assert model.predict(model.input_example)["program"][0].startswith("add(")
    assert not [file for file in folder.rglob("*") if file.suffix in (".py", ".pkl")]
    assert (folder / "requirements.txt").read_text().count("igllm-pipelines") == 1


def test_package_folder_finds_what_mlflow_keeps(logged, package):
    found = load_package(package_folder(logged[0]))
    assert found.syntax == package.syntax
    assert found.folder != package.folder
    assert package_folder(logged[1]) == found.folder
    with pytest.raises(ModelFolderError, match="/other: MLflow cannot load it"):
        package_folder(logged[1].replace("/model", "/other"))
    with pytest.raises(ModelFolderError, match="m-none: MLflow cannot load it"):
        package_folder("models:/m-none")


def test_served_model_reads_no_files_of_the_server(package, tmp_path, monkeypatch):
    (tmp_path / "0.png").write_bytes(png(0))
    monkeypatch.setitem(sys.modules, "mlflow.pyfunc.scoring_server.app", logging)
    served = serving._load_pyfunc(str(package.folder))
    for path in (tmp_path / "0.png", str(tmp_path / "0.png")):
        with pytest.raises(Exception, match="it is no bytes or base64 text$"):
            served.predict(pd.DataFrame({"image": [path]}))


def serve(uri, database, folder):
    """``mlflow models serve`` on a free port, its working directory elsewhere."""
    port = free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [
        *(sys.executable, "-c", "from mlflow.cli import cli; cli()", "models", "serve"),
        *("-m", uri, "--env-manager", "local", "--port", str(port)),
    ]
    env = {"PATH": path, "MLFLOW_TRACKING_URI": database}
    return Server(command, port, folder, cwd=folder, env=env, ready="ping")


def programs(server, body):
    answer = json.loads(server.ask("invocations", json.dumps(body).encode()))
    return [row["program"] for row in answer["predictions"]]


@pytest.mark.slow  # the server imports torch and mlflow anew
def test_served_model_answers_posts(logged, expected, tmp_path):
    (tmp_path / "0.png").write_bytes(png(0))
    images = [base64.b64encode(png(seed)).decode() for seed in (0, 1)]
    rows = {"columns": ["image"], "data": [[image] for image in images]}
    with serve(logged[0], os.environ["IGLLM_MLFLOW_URI"], tmp_path) as server:
        assert programs(server, {"inputs": images}) == expected
        assert programs(server, {"dataframe_split": rows}) == expected
        for kind, body in (
            ("application/json", json.dumps({"inputs": [str(tmp_path / "0.png")]})),
            ("text/csv", f"image\n{tmp_path / '0.png'}\n"),
        ):
            with pytest.raises(urllib.error.HTTPError) as refused:
                server.ask("invocations", body.encode(), kind)
            with refused.value as answer:
                assert "image 0: it is no bytes or base64 text" in str(answer.read())
