"""Where runs are logged to: a database in the project, or a server."""

import fcntl
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

VARIABLE = "IGLLM_MLFLOW_URI"
_SQLITE = "sqlite:///"
_PATIENCE_S = 10


class TrackingError(click.ClickException):
    """MLflow cannot be used. Kedro's command line shows it without a traceback."""


def tracking_uri(root: Path) -> str:
    """The address that IGLLM_MLFLOW_URI names, else a database in the project `root`.

    Not MLFLOW_TRACKING_URI: MLflow exports that name itself, so that it would leak from
    one session to the next in the same process.
    """
    own = f"{_SQLITE}{(root / 'mlruns' / 'mlflow.db').as_posix()}"
    return os.environ.get(VARIABLE) or own


def database(uri: str) -> Path | None:
    """The file of an SQLite database; None for a server."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def artifact_root(uri: str) -> str | None:
    """The folder of artifacts beside a database; a server chooses its own place."""
    file = database(uri)
    return (file.parent / "artifacts").as_posix() if file else None


def check_store(uri: str) -> None:
    """Makes sure that runs can be logged, before anything is computed.

    A new database is made by one process at a time: two at once would spoil it.

    Raises:
        TrackingError: the server does not answer or refuses, or the database cannot
            be opened.
    """
    if uri.startswith(("http://", "https://")):
        _knock(uri)
    from mlflow import MlflowClient

    with explained(uri), _alone(database(uri)):
        MlflowClient(uri).search_experiments(max_results=1)


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turns failures of MLflow into an error that says what to do.

    Raises:
        TrackingError: MLflow failed.
    """
    from mlflow import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise TrackingError(
            f"MLflow at {uri} failed: {reason}\nWhat nodes have made is on the disk. "
            f"Look at the server or database, or let {VARIABLE} name another, and "
            "start the same command again"
        ) from error


def _knock(uri: str) -> None:
    """Waits seconds, not MLflow's minutes, for a server that is not there."""
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_PATIENCE_S):
            return
    except urllib.error.HTTPError:
        return  # it answers; MLflow will say what it refuses
    except (OSError, ValueError) as error:
        raise TrackingError(
            f"no MLflow server answers at {uri}, which {VARIABLE} names "
            f"({getattr(error, 'reason', error)}). Start it, or unset {VARIABLE}: runs "
            "then go to the database in mlruns/"
        ) from error


@contextmanager
def _alone(file: Path | None) -> Iterator[None]:
    """While no other process makes the database."""
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f".{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def experiment_id(client: Any, name: str, *, beside: Any) -> str:
    """The experiment `name`, made where it is missing.

    Args:
        client: of MLflow.
        name: of the experiment.
        beside: an experiment whose tags it shares and, where artifacts lie in a folder
            of ours, their place.
    """
    from mlflow import MlflowException

    for _ in range(2):
        found = client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        ours = database(client.tracking_uri) is not None
        try:
            client.create_experiment(
                name, beside.artifact_location if ours else None, dict(beside.tags)
            )
        except MlflowException as error:  # another process was faster
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
    return str(client.get_experiment_by_name(name).experiment_id)
