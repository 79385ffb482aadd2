"""Nodes that train variants of a model alike and put their errors side by side."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from igllm_pipelines.domains.variants import base_of
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.pipelines.evaluation.nodes import evaluate
from igllm_pipelines.pipelines.inference.nodes import predict
from igllm_pipelines.pipelines.training.nodes import train_model
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.study.config import AblationConfig
from igllm_pipelines.train.config import TrainingConfig, WarmUpConfig


def run_ablation(
    *,
    raw: Any,
    features: Any,
    tower: Any,
    tokenizer: Any,
    syntax: ProgramSyntax,
    folder: Path,
    domain: str,
    ablation: AblationConfig,
    model: ModelConfig,
    training: TrainingConfig,
    inference: InferenceConfig,
    variants: dict[str, Any],
    warm_up: WarmUpConfig,
    scenes: dict[str, Any],
) -> list[dict[str, Any]]:
    """Every encoding from every seed, as JSON records of `AblationRun`."""
    from igllm_pipelines.study import ablation as study

    training = replace(training, **ablation.training)
    setting = study.Setting(
        line=study.Line(train_model, predict, evaluate),
        raw=raw,
        features=features,
        tower=tower,
        tokenizer=tokenizer,
        syntax=syntax,
        domain=domain,
        model=model,
        training=training,
        inference=replace(
            inference,
            num_samples=ablation.test_images,
            num_threads=training.num_threads,
        ),
        variants=variants,
        warm_up=warm_up,
        scenes=scenes,
        folder=folder,
    )
    return [asdict(run) for run in study.run_ablation(setting, ablation)]


def tabulate_ablation(
    *,
    runs: list[dict[str, Any]],
    domain: str,
    ablation: AblationConfig,
    syntax: ProgramSyntax,
) -> tuple[list[dict[str, Any]], str]:
    """The rows of the table, and the table for the terminal."""
    from igllm_pipelines.metrics.evaluate import main_error
    from igllm_pipelines.report.ablation import (
        AblationRun,
        ablation_rows,
        ablation_text,
    )

    bases = {encoding: base_of(encoding) for encoding in ablation.encodings}
    rows = ablation_rows([AblationRun(**r) for r in runs], bases, main_error(syntax))
    return rows, ablation_text(domain, rows)
