"""Wiring of the inference node."""

from kedro.pipeline import Node, Pipeline

from igllm_pipelines.pipelines.inference import nodes


def create_pipeline() -> Pipeline:
    """Predictions of the held-out splits, once a domain and encoding."""
    return Pipeline(
        [
            Node(
                nodes.predict,
                {
                    "model": "model",
                    "tokenizer": "tokenizer",
                    "syntax": "syntax",
                    "raw": "raw",
                    "features": "features",
                    "domain": "params:domain",
                    "encoding": "params:encoding",
                    "inference": "params:inference",
                    "variants": "params:variants",
                    "chunks": "prediction_chunks",
                    "ray": "params:ray",
                },
                "predictions",
                name="predict",
                tags="infer",
            )
        ]
    )
