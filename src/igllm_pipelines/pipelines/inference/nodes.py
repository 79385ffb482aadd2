"""The node that turns held-out images into programs."""

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
) -> dict[str, list[dict[str, Any]]]:
    """Prediction records of every split but the training split."""
    from igllm_pipelines.infer.predict import Predictor
    from igllm_pipelines.model.vision import vision_source
    from igllm_pipelines.train.threads import torch_threads

    inference = with_variant(inference, variants, encoding, "inference")
    vision = vision_source(raw, features, model.tower.settings)
    written = encoding_syntax(syntax, encoding)
    predictor = Predictor(model, tokenizer, written, inference)
    predictions = {}
    with torch_threads(inference.num_threads):
        for split in scored_splits(domain, raw.splits()):
            scenes = raw.scenes(split)[: inference.num_samples]
            names = [scene.image_filename for scene in scenes]
            predictions[split] = predictor.predict(vision, split, names)
    return predictions
