"""Switches off telemetry and chatter of the libraries before they are imported."""

import os
import warnings

_ENVIRONMENT = {
    "KEDRO_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def be_quiet() -> None:
    """Sets environment variables that the user has not set, and filters warnings."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Kedro 1.7 calls OmegaConf 2.4 by an old name
    warnings.filterwarnings("ignore", message=r"register_new_resolver\(\)")
    # tqdm, in a notebook without ipywidgets: its bars are text then, which is fine
    warnings.filterwarnings("ignore", message="IProgress not found")


def start_command_line() -> None:
    """The entry point ``kedro.init``: Kedro calls it before it loads its plugins.

    kedro-mlflow is imported at every command, and its import warns about a class of its
    own through filters that it puts before ours; so the first import is made here, and
    its warnings are recorded instead of shown.
    """
    be_quiet()
    with warnings.catch_warnings(record=True):
        import kedro_mlflow.mlflow  # noqa: F401
