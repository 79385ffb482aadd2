"""Where a model package lies: a folder, or a model that MLflow keeps."""

import os
from pathlib import Path

_SCHEMES = ("models:/", "runs:/")
_DATABASE = Path("mlruns") / "mlflow.db"
# in a package itself, in the folder of an encoding, in a model of MLflow
_PLACES = ("package.json", "package/package.json", "data/*/package.json")


def package_folder(uri_or_path: str) -> Path:
    """The folder of a model package; what MLflow keeps elsewhere is downloaded.

    Args:
        uri_or_path: a package, a folder that holds one, ``models:/<id or name>`` or
            ``runs:/<run>/model``. The tracking server is the one of
            ``IGLLM_MLFLOW_URI``, of ``MLFLOW_TRACKING_URI``, or the project's here.

    Raises:
        ModelFolderError: there is no package.
    """
    from igllm_pipelines.model.storage import ModelFolderError

    is_uri = uri_or_path.startswith(_SCHEMES)
    folder = _download(uri_or_path) if is_uri else Path(uri_or_path).expanduser()
    for place in _PLACES:
        for file in folder.glob(place):
            return file.parent
    raise ModelFolderError(
        f"{uri_or_path}: there is no model package. A model is a folder that "
        "training writes, <data>/06_models/<domain>/<encoding>/package, or what it "
        "logged to MLflow, models:/<id> or runs:/<run>/model"
    )


def _download(uri: str) -> Path:
    from igllm_pipelines.model.storage import ModelFolderError
    from igllm_pipelines.quiet import be_quiet

    be_quiet()
    import mlflow

    if server := _tracking_uri():
        mlflow.set_tracking_uri(server)
    try:
        return Path(mlflow.artifacts.download_artifacts(_stored(uri)))
    except (mlflow.MlflowException, OSError) as error:
        raise ModelFolderError(f"{uri}: MLflow cannot load it: {error}") from error


def _stored(uri: str) -> str:
    """``models:/<id>`` for a run's model: one on this disk is then not copied."""
    import mlflow

    run_id, _, name = uri.removeprefix("runs:/").partition("/")
    if not uri.startswith("runs:/"):
        return uri
    outputs = mlflow.get_run(run_id).outputs
    for output in outputs.model_outputs if outputs else ():
        if mlflow.get_logged_model(output.model_id).name == name:
            return f"models:/{output.model_id}"
    return uri


def _tracking_uri() -> str | None:
    """Where the project logs to; None leaves the choice to MLflow."""
    if own := os.environ.get("IGLLM_MLFLOW_URI"):
        return own
    if "MLFLOW_TRACKING_URI" in os.environ or not _DATABASE.is_file():
        return None
    return f"sqlite:///{_DATABASE.resolve().as_posix()}"
