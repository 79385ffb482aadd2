"""Wiring of the ablation nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.ablation import nodes


def create_pipeline() -> Pipeline:
    """``raw, features, tower, tokenizer, syntax -> ablation, ablation_summary``."""
    parameters = (
        *("domain", "ablation", "model", "training", "inference"),
        *("variants", "warm_up", "scenes"),
    )
    data = ("raw", "features", "tower", "tokenizer", "syntax")
    return Pipeline(
        [
            Node(
                nodes.run_ablation,
                {
                    **{name: name for name in data},
                    **{name: f"params:{name}" for name in parameters},
                    "folder": "ablation_folder",
                },
                "ablation_runs",
                name="run_ablation",
                tags="ablation",
            ),
            Node(
                nodes.tabulate_ablation,
                {
                    "runs": "ablation_runs",
                    "domain": "params:domain",
                    "ablation": "params:ablation",
                    "syntax": "syntax",
                },
                ["ablation", "ablation_summary"],
                name="tabulate_ablation",
                tags="ablation",
            ),
        ]
    )
