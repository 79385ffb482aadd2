"""Kedro project settings."""

import os
from pathlib import Path

from kedro.utils import find_kedro_project

from igllm_pipelines.guards import GroupHook, NeedsHook
from igllm_pipelines.hooks import ExperimentRunHook, FrontPageHook, ProgressHook
from igllm_pipelines.quiet import be_quiet
from igllm_pipelines.train import group

be_quiet()

# not where this file lies: it may be installed from a wheel
PROJECT_ROOT = find_kedro_project(Path.cwd()) or Path.cwd()


def _mlflow_uri() -> str:
    # not MLFLOW_TRACKING_URI: mlflow.set_tracking_uri() exports that name itself, so
    # it would leak from one session to the next in the same process
    default = f"sqlite:///{(PROJECT_ROOT / 'mlruns' / 'mlflow.db').as_posix()}"
    uri = os.environ.get("IGLLM_MLFLOW_URI", default)
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return uri


def _artifacts() -> str | None:
    """Beside the database; a tracking server chooses its own place."""
    uri = _mlflow_uri()
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).parent / "artifacts").as_posix()


_FIRST = group.rank() == 0  # of the processes that torchrun started: it logs for all
HOOKS = (
    GroupHook(),
    NeedsHook(),
    *((ExperimentRunHook(), FrontPageHook(), ProgressHook()) if _FIRST else ()),
)
# distributions spell the name in both ways
_MLFLOW = () if _FIRST else ("kedro-mlflow", "kedro_mlflow")
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", *_MLFLOW)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    # an environment names only what differs
    "merge_strategy": {"parameters": "soft"},
    "default_run_env": "local",
    "custom_resolvers": {"mlflow_uri": _mlflow_uri, "artifacts": _artifacts},
}
