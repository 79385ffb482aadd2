"""Nodes that train the model."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from igllm_pipelines.domains import (
    DOMAINS,
    encoding_syntax,
    parse_encoding,
    scored_splits,
)
from igllm_pipelines.domains.variants import overrides, seed_of, with_variant
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.train.config import TrainingConfig


def varied_tower(tower: Any, changed: Mapping[str, Any]) -> Any:
    """The tower with a variant's settings; itself where there are none.

    Raises:
        ValueError: a variant changes more than whether the tower is frozen.
    """
    if unfit := sorted(set(changed) - {"frozen"}):
        raise ValueError(
            f"a variant cannot change {unfit[0]!r} of a tower that is there, only "
            "whether it is frozen; change params:tower for the whole domain"
        )
    if not changed:
        return tower
    varied = deepcopy(tower)
    varied.settings = {**tower.settings, **changed}
    return varied


def first_model(
    *,
    tower: Any,
    tokenizer: Any,
    tokens: Any,
    encoding: str,
    model: ModelConfig,
    seed: int,
) -> Any:
    """The model before its training; it knows how large the numbers are."""
    import torch

    from igllm_pipelines.model.build import build_model

    as_values = parse_encoding(encoding).numbers == "float"
    config = model if as_values else replace(model, numeric_head="none")
    with_digits = not as_values and model.number_token_weight
    module = build_model(
        tower,
        config,
        vocab_size=len(tokenizer),
        num_id=tokens.num_id,
        seed=seed,
        digit_ids=tokenizer.digit_ids if with_digits else (),
    )
    if module.numeric_head is not None and module.numeric_head.normalised:
        module.numeric_head.fit(torch.from_numpy(tokens.all_numbers()))
    return module


def train_model(
    *,
    raw: Any,
    features: Any,
    tower: Any,
    tokenizer: Any,
    syntax: ProgramSyntax,
    tokens: Mapping[str, Any],
    checkpoints: Path,
    domain: str,
    encoding: str,
    model: ModelConfig,
    training: TrainingConfig,
    inference: InferenceConfig,
    variants: dict[str, Any],
    seed: int,
) -> tuple[Any, list[dict[str, float]]]:
    """The trained model and its history."""
    from igllm_pipelines.model.vision import vision_source
    from igllm_pipelines.train.run import train_on_split

    training = with_variant(training, variants, encoding, "training")
    inference = with_variant(inference, variants, encoding, "inference")
    seed = seed_of(encoding, seed)
    split = DOMAINS[domain].splits[0]
    module = first_model(
        tower=varied_tower(tower, overrides(variants, encoding, "tower")),
        tokenizer=tokenizer,
        tokens=tokens[split],
        encoding=encoding,
        model=with_variant(model, variants, encoding, "model"),
        seed=seed,
    )
    vision = vision_source(raw, features, module.tower.settings)
    history = train_on_split(
        module,
        tokens[split],
        vision,
        split,
        config=training,
        folder=checkpoints,
        seed=seed,
        validate=_validation(
            raw=raw,
            vision=vision,
            tokenizer=tokenizer,
            syntax=encoding_syntax(syntax, encoding),
            domain=domain,
            training=training,
            inference=inference,
        ),
        title=f"train {domain}.{encoding}",
    )
    return module, history


def _validation(
    *,
    raw: Any,
    vision: Any,
    tokenizer: Any,
    syntax: ProgramSyntax,
    domain: str,
    training: TrainingConfig,
    inference: InferenceConfig,
) -> Callable[[Any], dict[str, float]]:
    """Scores a model on the first images of each test split, by `main_error`."""
    from igllm_pipelines.infer.predict import Predictor
    from igllm_pipelines.metrics.evaluate import evaluate_predictions, main_error

    count = training.validation_samples
    names = scored_splits(domain, raw.splits())
    splits = {split: raw.scenes(split)[:count] for split in names}

    def score(model: Any) -> dict[str, float]:
        predictor = Predictor(model, tokenizer, syntax, inference)
        errors = {}
        for split, scenes in splits.items():
            names = [scene.image_filename for scene in scenes]
            records = predictor.predict(vision, split, names, show_progress=False)
            metrics = evaluate_predictions(records, scenes, syntax)
            error = metrics.get(main_error(syntax))
            if error is not None:
                errors[f"{split}_error"] = error
        return errors

    return score


def package_model(
    *,
    model: Any,
    tokenizer: Any,
    syntax: ProgramSyntax,
    domain: str,
    encoding: str,
    scenes: dict[str, Any],
    inference: InferenceConfig,
    variants: dict[str, Any],
) -> dict[str, Any]:
    """What the model's package holds: the arguments of `save_package`."""
    return {
        "model": model,
        "tokenizer": tokenizer,
        "domain": domain,
        "encoding": encoding,
        "syntax": encoding_syntax(syntax, encoding),
        "inference": with_variant(inference, variants, encoding, "inference"),
        "scenes": scenes,
    }
