r"""A model package as a model of MLflow: images in, programs out.

Every training logs one to its run. MLflow stores the package's files and the name of
this module, no pickle and no code. ::

    mlflow models serve -m models:/m-... --env-manager local --port 5001
    curl 127.0.0.1:5001/invocations -H "Content-Type: application/json" \
        -d '{"inputs": ["<base64 of a picture>"]}'
"""

import base64
import sys
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array

from igllm_pipelines import __version__
from igllm_pipelines.infer.package import ModelPackage, load_package
from igllm_pipelines.infer.pictures import PictureError, Pixels, read_picture

with warnings.catch_warnings():  # MLflow 3.17 warns about its own type hints
    warnings.simplefilter("ignore")
    import mlflow.pyfunc

NAME = "model"  # in its run: runs:/<run>/model
# what a server has imported before it loads the model
_SERVERS = ("mlflow.pyfunc.scoring_server.app", "mlserver")


class ProgramModel:
    """What `mlflow.pyfunc.load_model` wraps.

    Args:
        package: of the model; its weights are loaded here.
        reads_files: text may be the path of a file. Servers read none, for their
            clients could then see every picture of the machine.
    """

    def __init__(self, package: ModelPackage, *, reads_files: bool) -> None:
        self._predictor = package.predictor()
        self._reads_files = reads_files

    def predict(self, data: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """The program of each image.

        Args:
            data: its first column holds images: the bytes of a file, base64 text of
                them, or where `reads_files` a path.
            params: MLflow's, there are none.

        Returns:
            For each row: ``program``; ``log_probability`` of its tokens;
            ``number_stds``, how unsure each number is, empty where the model does not
            say; ``seconds``.

        Raises:
            MlflowException: an image cannot be read.
        """
        pictures = {
            str(row): self._picture(row, cell)
            for row, cell in enumerate(data.iloc[:, 0].tolist())
        }
        records = self._predictor.predict_pictures(pictures)
        columns = signature().outputs.input_names()
        rows = [{"number_stds": [], **record} for record in records]
        return pd.DataFrame(rows, columns=columns, index=data.index)

    def _picture(self, row: int, cell: Any) -> Pixels:
        try:
            return read_picture(self._source(cell))
        except PictureError as error:
            raise mlflow.MlflowException.invalid_parameter_value(
                f"image {row}: {error}"
            ) from error

    def _source(self, cell: Any) -> Path | bytes:
        if isinstance(cell, bytes):
            return cell
        if self._reads_files and isinstance(cell, str | Path) and _is_file(cell):
            return Path(cell)
        expected = "bytes or base64 text" + (" or a file" if self._reads_files else "")
        if not isinstance(cell, str):
            raise PictureError(f"it is no {expected}")
        try:
            return base64.b64decode("".join(cell.split()), validate=True)
        except ValueError as error:
            raise PictureError(f"it is no {expected}") from error


def _is_file(path: str | Path) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # base64 text may be too long for a path
        return False


def _load_pyfunc(path: str) -> ProgramModel:
    """MLflow calls it to load the model from the package's folder."""
    served = any(module in sys.modules for module in _SERVERS)
    return ProgramModel(load_package(Path(path)), reads_files=not served)


def signature() -> ModelSignature:
    """One image a row; the column has no name, so that lists are taken as well.

    The type is text, for MLflow turns base64 into bytes in some requests and not in
    others; bytes pass as well.
    """
    double = DataType.double
    outputs = [
        ColSpec(DataType.string, "program"),
        ColSpec(double, "log_probability"),
        ColSpec(Array(double), "number_stds"),
        ColSpec(double, "seconds"),
    ]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string)]), outputs=Schema([*outputs])
    )


def log_package(
    folder: Path, run_id: str | None = None, tags: Mapping[str, str] | None = None
) -> Any:
    """Logs a package to a run as the model `NAME`.

    Args:
        folder: of the package.
        run_id: of the run, None for the active one.
        tags: of the model.

    Returns:
        MLflow's `ModelInfo`.
    """
    return Model.log(
        None,
        flavor=sys.modules[__name__],
        name=NAME,
        run_id=run_id,
        tags=dict(tags or {}),
        package=folder,
        validate_serving_input=False,  # it would load all the weights
    )


def save_model(
    path: str, mlflow_model: Model, package: Path, validate_serving_input: bool
) -> None:
    """Writes a package as a model folder; `Model.log` calls it.

    Args:
        path: of the folder.
        mlflow_model: what is known of the model.
        package: the package's folder.
        validate_serving_input: of `Model.log`.
    """
    mlflow.pyfunc.save_model(
        path=path,
        mlflow_model=mlflow_model,
        loader_module=__name__,
        data_path=str(package),
        signature=signature(),
        input_example=pd.DataFrame({"image": [_white_picture()]}),
        pip_requirements=[f"igllm-pipelines=={__version__}"],
    )


def _white_picture() -> str:
    """A PNG as base64 text."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(np.full((16, 16, 3), 255, np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
