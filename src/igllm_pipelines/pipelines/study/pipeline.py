"""Wiring of the nodes of studies."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.study import nodes

_TABULATE = {
    "ablation": nodes.tabulate_ablation,
    "efficiency": nodes.tabulate_efficiency,
    "rotation": nodes.tabulate_rotation,
}


def create_pipeline(study: str) -> Pipeline:
    """``raw, features, tower, tokenizer, syntax -> <study>, <study>_files ...``.

    Args:
        study: ``ablation``, ``efficiency`` or ``rotation``: the name of its parameters
            and of what it makes.
    """
    parameters = (
        *("domain", "model", "training", "inference"),
        *("variants", "warm_up", "scenes"),
    )
    data = ("raw", "features", "tower", "tokenizer", "syntax")
    return Pipeline(
        [
            Node(
                nodes.run_study,
                {
                    **{name: name for name in data},
                    **{name: f"params:{name}" for name in parameters},
                    "study": f"params:{study}",
                    "folder": f"{study}_folder",
                },
                f"{study}_runs",
                name=f"run_{study}",
                tags=study,
            ),
            Node(
                _TABULATE[study],
                {
                    "runs": f"{study}_runs",
                    "domain": "params:domain",
                    "study": f"params:{study}",
                    "syntax": "syntax",
                },
                [study, f"{study}_files", f"{study}_summary"],
                name=f"tabulate_{study}",
                tags=study,
            ),
        ]
    )
