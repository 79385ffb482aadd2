"""Kedro project settings."""

from pathlib import Path

from kedro.utils import find_kedro_project

from igllm_pipelines.guards import GroupHook, NeedsHook
from igllm_pipelines.hooks import FrontPageHook, ProgressHook
from igllm_pipelines.quiet import be_quiet
from igllm_pipelines.tracking.hook import TrackingHook
from igllm_pipelines.tracking.server import artifact_root, tracking_uri
from igllm_pipelines.train import group

be_quiet()

# not where this file lies: it may be installed from a wheel
PROJECT_ROOT = find_kedro_project(Path.cwd()) or Path.cwd()


def _mlflow_uri() -> str:
    return tracking_uri(PROJECT_ROOT)


def _artifacts() -> str | None:
    return artifact_root(_mlflow_uri())


_FIRST = group.rank() == 0  # of the processes that torchrun started: it logs for all
HOOKS = (
    GroupHook(),
    NeedsHook(),
    *((TrackingHook(), FrontPageHook(), ProgressHook()) if _FIRST else ()),
)
# distributions spell the name in both ways
_MLFLOW = () if _FIRST else ("kedro-mlflow", "kedro_mlflow")
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", *_MLFLOW)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    # an environment names only what differs
    "merge_strategy": {"parameters": "soft"},
    "default_run_env": "local",
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**", "**/mlflow*"]},
    "custom_resolvers": {"mlflow_uri": _mlflow_uri, "artifacts": _artifacts},
}
