"""The node that turns held-out images into programs."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from igllm_pipelines.domains import encoding_syntax, scored_splits
from igllm_pipelines.domains.variants import with_variant
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.scene import ProgramSyntax


def predict(
    *,
    model: Any,
    tokenizer: Any,
    syntax: ProgramSyntax,
    raw: Any,
    features: Any,
    domain: str,
    encoding: str,
    inference: InferenceConfig,
    variants: dict[str, Any],
    chunks: Path | None = None,
    ray: dict[str, Any] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Prediction records of every split but the training split.

    `chunks` is a folder of finished chunks, with which a killed run goes on; with None
    there is no going on. `ray` holds the address of the cluster that ``workers`` use.
    """
    from igllm_pipelines.infer.many import Asking, best_device, predict_splits
    from igllm_pipelines.model.vision import vision_source
    from igllm_pipelines.train.threads import torch_threads

    inference = with_variant(inference, variants, encoding, "inference")
    asking = Asking(
        model.to("cpu" if inference.workers else best_device()),
        tokenizer,
        encoding_syntax(syntax, encoding),
        vision_source(raw, features, model.tower.settings),
        inference,
        title=f"infer {domain}.{encoding}",
    )
    splits = {
        split: [s.image_filename for s in raw.scenes(split)[: inference.num_samples]]
        for split in scored_splits(domain, raw.splits())
    }
    with torch_threads(inference.num_threads), TemporaryDirectory() as scratch:
        return predict_splits(
            asking, splits, chunks or Path(scratch), (ray or {}).get("address")
        )
