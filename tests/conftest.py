"""Shape checks for the modules that annotate tensors, and shared scenes."""

import os

for _name, _value in {
    "KEDRO_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("igllm_pipelines.model", "beartype.beartype")
