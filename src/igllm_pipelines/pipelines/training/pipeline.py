"""Wiring of the training nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.training import nodes


def create_tower_pipeline(*, frozen: bool) -> Pipeline:
    """The tower, once a domain; a frozen one is warmed up and its features cached."""
    if not frozen:
        make = Node(
            nodes.make_tower,
            ["params:tower", "params:seed"],
            "tower",
            name="make_tower",
            tags="data",
        )
        return Pipeline([make])
    return Pipeline(
        [
            Node(
                nodes.warm_up_tower,
                {
                    "raw": "raw",
                    "syntax": "syntax",
                    "checkpoints": "tower_checkpoints",
                    "domain": "params:domain",
                    "tower": "params:tower",
                    "warm_up": "params:warm_up",
                    "seed": "params:seed",
                },
                "tower",
                name="warm_up_tower",
                tags="data",
            ),
            Node(
                nodes.cache_features,
                ["raw", "tower", "params:warm_up"],
                "features",
                name="cache_features",
                tags="data",
            ),
        ]
    )


def create_pipeline() -> Pipeline:
    """The model, once a domain and encoding."""
    return Pipeline(
        [
            Node(
                nodes.train_model,
                {
                    "raw": "raw",
                    "vision": "vision",
                    "tower": "tower",
                    "tokenizer": "tokenizer",
                    "syntax": "syntax",
                    "tokens": "tokens",
                    "checkpoints": "checkpoints",
                    "domain": "params:domain",
                    "encoding": "params:encoding",
                    "model": "params:model",
                    "training": "params:training",
                    "inference": "params:inference",
                    "variants": "params:variants",
                    "seed": "params:seed",
                },
                ["model", "history"],
                name="train_model",
                tags="train",
            )
        ]
    )
