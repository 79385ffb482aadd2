"""Nodes that make the image tower and cache its features."""

import logging
from pathlib import Path
from typing import Any

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.model.config import TowerConfig
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.train.config import FeatureConfig, WarmUpConfig

logger = logging.getLogger(__name__)


def make_tower(
    *,
    raw: Any,
    syntax: ProgramSyntax,
    checkpoints: Path,
    domain: str,
    tower: TowerConfig,
    warm_up: WarmUpConfig,
    seed: int,
) -> Any:
    """The tower: pretrained; from scratch; or from scratch and warmed up."""
    from igllm_pipelines.model.build import build_tower

    split = DOMAINS[domain].splits[0]
    if tower.fit == "exact":
        _check_size(raw, split, tower.image_px)
    module = build_tower(tower, seed)
    if tower.pretrained is None and warm_up.steps:
        _warm_up(
            module,
            raw,
            split,
            syntax=syntax,
            checkpoints=checkpoints,
            config=warm_up,
            seed=seed,
        )
    elif tower.pretrained is None and tower.frozen:
        logger.warning(
            "the tower of %s is frozen with random weights: no pretrained ones are "
            "named, and warm_up.%s.steps is 0",
            domain,
            domain,
        )
    return module


def _warm_up(
    module: Any,
    raw: Any,
    split: str,
    *,
    syntax: ProgramSyntax,
    checkpoints: Path,
    config: WarmUpConfig,
    seed: int,
) -> None:
    """Trains the tower on dense labels of the training images."""
    from igllm_pipelines.model.vision import fitted
    from igllm_pipelines.train.fitting import FittedScenes
    from igllm_pipelines.train.warm_up import warm_up_tower

    fit, side = module.settings["fit"], module.settings["image_px"]
    place = None if fit == "exact" else FittedScenes(raw, split, fit, side)
    warm_up_tower(
        module,
        raw.scenes(split),
        fitted(raw, module.settings),
        split,
        syntax=syntax,
        config=config,
        folder=checkpoints,
        image_px=side,
        seed=seed,
        place=place,
    )


def _check_size(raw: Any, split: str, image_px: int) -> None:
    """Says early that pictures have another size than the tower takes."""
    width, height = raw.image_size(split, raw.filenames(split)[0])
    if (width, height) != (image_px, image_px):
        raise ValueError(
            f"{raw.root}: pictures of {width} x {height} pixels, the tower takes "
            f"{image_px} x {image_px}; set tower.fit to pad or square, or "
            "tower.image_px to their size"
        )


def cache_features(raw: Any, tower: Any, features: FeatureConfig) -> dict[str, Any]:
    """Features of all splits: ``{split: (filenames, batches)}``, made when saved.

    Nothing where the tower is trained, or where they exceed the budget.
    """
    from igllm_pipelines.model.vision import fitted
    from igllm_pipelines.train.features import is_cached, tower_features

    names = {s: [x.image_filename for x in raw.scenes(s)] for s in raw.splits()}
    count = sum(len(files) for files in names.values())
    if not is_cached(tower, count, features.budget_gb):
        return {}
    images, threads = fitted(raw, tower.settings), features.num_threads
    return {
        split: (
            files,
            tower_features(tower, images, split, files, num_threads=threads),
        )
        for split, files in names.items()
    }
