"""Nodes that train models alike and put their errors side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.model.config import ModelConfig
from igllm_pipelines.pipelines.evaluation.nodes import evaluate
from igllm_pipelines.pipelines.inference.nodes import predict
from igllm_pipelines.pipelines.training.nodes import train_model
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.study.config import StudyConfig
from igllm_pipelines.train.config import TrainingConfig, WarmUpConfig

Rows = list[dict[str, Any]]
Plot = Callable[[str, Sequence[Mapping[str, Any]]], bytes]


def run_study(
    *,
    raw: Any,
    features: Any,
    tower: Any,
    tokenizer: Any,
    syntax: ProgramSyntax,
    folder: Path,
    domain: str,
    study: StudyConfig,
    model: ModelConfig,
    training: TrainingConfig,
    inference: InferenceConfig,
    variants: dict[str, Any],
    warm_up: WarmUpConfig,
    scenes: dict[str, Any],
) -> Rows:
    """Every encoding from every seed, as JSON records of `StudyRun`."""
    from igllm_pipelines.study import runs

    training = replace(training, **study.training)
    setting = runs.Setting(
        line=runs.Line(train_model, predict, evaluate),
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
            num_samples=study.test_images,
            num_threads=training.num_threads,
        ),
        variants={**variants, **study.variants},
        warm_up=warm_up,
        scenes=scenes,
        folder=folder,
    )
    return [asdict(run) for run in runs.run_study(setting, study)]


def tabulate_ablation(
    *, runs: Rows, domain: str, study: StudyConfig, syntax: ProgramSyntax
) -> tuple[Rows, dict[str, bytes], str]:
    """The rows of the table, its files, and the table for the terminal."""
    return _tabulate(runs, domain, study, syntax)


def tabulate_efficiency(
    *, runs: Rows, domain: str, study: StudyConfig, syntax: ProgramSyntax
) -> tuple[Rows, dict[str, bytes], str]:
    """As `tabulate_ablation`, with a plot of errors over numbers of images."""
    from igllm_pipelines.report.study_plots import efficiency_plot

    return _tabulate(runs, domain, study, syntax, efficiency_plot)


def tabulate_rotation(
    *, runs: Rows, domain: str, study: StudyConfig, syntax: ProgramSyntax
) -> tuple[Rows, dict[str, bytes], str]:
    """As `tabulate_ablation`, with a plot of errors by representation."""
    from igllm_pipelines.report.study_plots import rotation_plot

    return _tabulate(runs, domain, study, syntax, rotation_plot)


def _tabulate(
    runs: Rows,
    domain: str,
    study: StudyConfig,
    syntax: ProgramSyntax,
    plot: Plot | None = None,
) -> tuple[Rows, dict[str, bytes], str]:
    from igllm_pipelines.metrics.evaluate import main_error
    from igllm_pipelines.report import study as report

    made = [report.StudyRun(**run) for run in runs]
    rows = report.study_rows(made, study.bases, main_error(syntax), study.sizes)
    files = {
        "table.csv": report.study_csv(rows).encode(),
        "table.md": report.study_markdown(domain, rows).encode(),
    }
    if plot:
        files["plot.png"] = plot(domain, rows)
    return rows, files, report.study_text(domain, rows)
