"""Kedro project settings.

Telemetry and analytics of every library are switched off here, before it is imported.
"""

import os
import warnings
from pathlib import Path

_QUIET = {
    "KEDRO_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)
# from the pyfunc class inside kedro-mlflow, at every command
warnings.filterwarnings("ignore", message=".*type hints to the `predict`.*")

from igllm_pipelines.hooks import ExperimentRunHook, ProgressHook  # noqa: E402

PROJECT_ROOT = Path(__file__).resolve().parents[2]


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


HOOKS = (ExperimentRunHook(), ProgressHook())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "custom_resolvers": {"mlflow_uri": _mlflow_uri, "artifacts": _artifacts},
}
