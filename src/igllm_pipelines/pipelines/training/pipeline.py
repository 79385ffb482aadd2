"""Wiring of the training nodes."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.training import nodes, tower_nodes


def create_tower_pipeline() -> Pipeline:
    """The tower and its features, once a domain; the parameters say which they are."""
    return Pipeline(
        [
            Node(
                tower_nodes.make_tower,
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
                name="make_tower",
                tags="data",
            ),
            Node(
                tower_nodes.cache_features,
                ["raw", "tower", "params:features"],
                "features",
                name="cache_features",
                tags="data",
            ),
        ]
    )


def create_pipeline() -> Pipeline:
    """The model and its package, once a domain and encoding."""
    return Pipeline(
        [
            Node(
                nodes.train_model,
                {
                    "raw": "raw",
                    "features": "features",
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
            ),
            Node(
                nodes.package_model,
                {
                    "model": "model",
                    "tokenizer": "tokenizer",
                    "syntax": "syntax",
                    "domain": "params:domain",
                    "encoding": "params:encoding",
                    "scenes": "params:scenes",
                    "inference": "params:inference",
                    "variants": "params:variants",
                },
                "package",
                name="package_model",
                tags="train",
            ),
        ]
    )
