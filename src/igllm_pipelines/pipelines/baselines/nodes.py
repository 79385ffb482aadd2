"""Nodes that train the scene parser of NS-VQA and let it predict."""

from pathlib import Path
from typing import Any

from igllm_pipelines.baselines.ns_vqa.config import NsvqaConfig
from igllm_pipelines.domains import DOMAINS, scored_splits
from igllm_pipelines.scene import ProgramSyntax


def train_parser(
    *,
    raw: Any,
    syntax: ProgramSyntax,
    checkpoints: Path,
    domain: str,
    nsvqa: NsvqaConfig,
    seed: int,
) -> tuple[Any, list[dict[str, float]]]:
    """The parser, and the losses of both of its networks."""
    from igllm_pipelines.baselines.ns_vqa import training

    split = DOMAINS[domain].splits[0]
    return training.train_parser(
        raw.scenes(split),
        raw,
        split,
        vocabulary=syntax.words,
        config=nsvqa,
        folder=checkpoints,
        seed=seed,
    )


def predict(
    *, parser: Any, raw: Any, syntax: ProgramSyntax, domain: str, nsvqa: NsvqaConfig
) -> dict[str, list[dict[str, Any]]]:
    """Prediction records of every split but the training split."""
    from igllm_pipelines.baselines.ns_vqa import training

    return {
        split: training.predict(
            parser,
            raw,
            split,
            [scene.image_filename for scene in raw.scenes(split)],
            syntax=syntax,
            num_threads=nsvqa.num_threads,
        )
        for split in scored_splits(domain, raw.splits())
    }
