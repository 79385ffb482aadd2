"""``igllm plan``: what a training costs, and what this machine lacks for it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from igllm_pipelines.apps.plan_text import (
    Experiment,
    describe,
    describe_missing,
    total_hours,
)
from igllm_pipelines.apps.project import Project, explained, project_options
from igllm_pipelines.domains import DOMAINS, parse_encoding

if TYPE_CHECKING:
    from igllm_pipelines.apps.machine import FoundGpu, Missing
    from igllm_pipelines.model.config import ModelConfig
    from igllm_pipelines.scene import ProgramSyntax, Scene
    from igllm_pipelines.train.cost import Gpu
    from igllm_pipelines.train.plan import Lengths

DRAWN_SCENES = 48  # programs whose length is measured
_TRAINS = "train_model"  # name of the node that trains a model
_OF_DOWNLOADS = ("source", "root", "yaw")


@click.command()
@click.option(
    "--pipeline",
    "--pipelines",
    "pipelines",
    default="__default__",
    help="As in kedro run: 2d, shapenet.float ...; several with commas.",
)
@click.option("--gpus", type=click.IntRange(1), help="GPUs; training.workers.")
@click.option("--gpu", "gpu_name", help="a100, h100, rtx4090 ...; this machine's.")
@click.option(
    "--utilisation",
    default=0.4,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the GPU's peak that is reached.",
)
@project_options
def plan(
    *,
    pipelines: str,
    gpus: int | None,
    gpu_name: str | None,
    utilisation: float,
    env: str | None,
    params: tuple[str, ...],
) -> None:
    """What a training costs before it starts, and what is missing for it here.

    Parameters, tokens, memory of a GPU, samples, GPU-hours: arithmetic on shapes, in
    seconds, without weights and without a network.

    \b
    igllm plan --env=paper --pipeline=shapenet
    igllm plan --env=paper --pipeline=clevr.float --gpus 8 --gpu h100
    igllm plan --env=small --params training.clevr.batch_size=64
    """
    from igllm_pipelines.apps.machine import found_gpus

    project, found = Project.here(env, params), found_gpus()
    gpu, reason = _chosen_gpu(gpu_name, found)
    with explained():
        experiments = [
            _experiment(project, domain, encoding, gpus)
            for domain, encoding in trained_by(pipelines)
        ]
    for domain in dict.fromkeys(e.domain for e in experiments):
        of_domain = [e for e in experiments if e.domain == domain]
        click.echo(describe(of_domain, gpu, utilisation))
    click.echo(total_hours(experiments, gpu, utilisation, reason))
    click.echo(describe_missing(_missing(project, experiments, found), env))


def trained_by(pipelines: str) -> list[tuple[str, str]]:
    """``(domain, encoding)`` of the models that pipelines train, each once.

    Raises:
        ClickException: a pipeline is unknown, or none of them trains a model.
    """
    from igllm_pipelines.pipeline_registry import register_pipelines

    registered = register_pipelines()
    names = [name.strip() for name in pipelines.split(",")]
    unknown = [name for name in names if name not in registered]
    if unknown:
        raise click.ClickException(
            f"no pipeline {', '.join(unknown)}; there are {', '.join(registered)}"
        )
    spaces = [
        node.namespace
        for name in names
        for node in registered[name].nodes
        if node.short_name.endswith(_TRAINS) and node.namespace
    ]
    if not spaces:
        raise click.ClickException(f"{pipelines} trains no model")
    order = {name: place for place, name in enumerate(DOMAINS)}
    found = [tuple(space.split(".", 1)) for space in dict.fromkeys(spaces)]
    return sorted(((d, e) for d, e in found), key=lambda pair: (order[pair[0]], pair))


def _chosen_gpu(name: str | None, found: Sequence["FoundGpu"]) -> tuple["Gpu", str]:
    """The GPU that is counted with, and why."""
    from igllm_pipelines.train.cost import GPUS

    if name is not None:
        if name not in GPUS:
            raise click.ClickException(f"--gpu {name}: known are {', '.join(GPUS)}")
        return GPUS[name], "asked for"
    for gpu in found:
        for known in GPUS.values():
            label = known.name.split()[1 if "RTX" in known.name else 0]
            if label in gpu.name.replace("-", " ").split():
                return known._replace(gib=round(gpu.gib)), "found here"
    return GPUS["a100"], "none found here"


def _experiment(
    project: Project, domain: str, encoding: str, gpus: int | None
) -> Experiment:
    """The plan of one model, from the parameters."""
    from igllm_pipelines.apps.machine import model_folder
    from igllm_pipelines.domains.variants import with_variant
    from igllm_pipelines.model.config import ModelConfig, TowerConfig
    from igllm_pipelines.train.config import FeatureConfig, TrainingConfig
    from igllm_pipelines.train.cost import feature_bytes
    from igllm_pipelines.train.plan import TrainingPlan
    from igllm_pipelines.train.shapes import language_shape, tower_shape

    def varied(config: Any, part: str) -> Any:
        given = config(**project.of_domain(part, domain))
        variants = project.parameters.get("variants") or {}
        return with_variant(given, variants, encoding, part)

    tower, model = varied(TowerConfig, "tower"), varied(ModelConfig, "model")
    training = varied(TrainingConfig, "training")
    numbers = parse_encoding(encoding).numbers
    if numbers == "char":
        model = replace(model, numeric_head="none")
    folder = model_folder(model.pretrained) if model.pretrained else None
    scenes, syntax = training_programs(project, domain, encoding)
    lengths, vocab_size = _lengths(scenes, syntax, numbers, model)
    shape, images = tower_shape(tower), num_images(project, domain)
    budget_gb = FeatureConfig(**project.parameters.get("features") or {}).budget_gb
    fits = images is not None and feature_bytes(shape, images) <= budget_gb * 1e9
    return Experiment(
        domain,
        encoding,
        TrainingPlan(
            tower=shape,
            language=language_shape(model, vocab_size, folder),
            tower_config=tower,
            model=model,
            training=training,
            lengths=lengths,
            gpus=gpus or training.workers,
            features_cached=tower.frozen and fits,
        ),
        images,
        budget_gb,
    )


def num_images(project: Project, domain: str) -> int | None:
    """Images of all splits; None of a download, which may not be here."""
    from igllm_pipelines.domains.sources import scene_config

    given = project.of_domain("scenes", domain)
    if given.get("source") == "official":
        return None
    return sum(scene_config(domain, given).num_scenes.values())


def training_programs(
    project: Project, domain: str, encoding: str
) -> tuple[list["Scene"], "ProgramSyntax"]:
    """Some training scenes, drawn as the parameters say, and how they are written.

    Scenes of a download are drawn too: it may not be here.
    """
    from igllm_pipelines.domains import encoding_syntax, program_syntax
    from igllm_pipelines.domains.sources import scene_config

    given: dict[str, Any] = dict(project.of_domain("scenes", domain))
    if given.get("source") == "official":
        given = {k: v for k, v in given.items() if k not in _OF_DOWNLOADS}
        if given.get("num_scenes") is None:
            given.pop("num_scenes", None)
    source: Any = scene_config(domain, given)
    seed, split = project.parameters["seed"], DOMAINS[domain].splits[0]
    scenes = [source.draw(seed, split, index, 0) for index in range(DRAWN_SCENES)]
    return scenes, encoding_syntax(program_syntax(domain, scenes), encoding)


def _lengths(
    scenes: list["Scene"], syntax: "ProgramSyntax", numbers: str, model: "ModelConfig"
) -> tuple["Lengths", int]:
    """Lengths of the texts, and the size of the vocabulary (0: the model's own)."""
    from igllm_pipelines.train.lengths import count_lengths, estimate_lengths

    if model.pretrained is not None:
        return estimate_lengths(scenes, syntax, numbers, model.template), 0
    from igllm_pipelines.tokens.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(syntax)
    return count_lengths(scenes, syntax, numbers, tokenizer), len(tokenizer)


def _missing(
    project: Project, experiments: Sequence[Experiment], found: Sequence["FoundGpu"]
) -> Iterator["Missing"]:
    """What this machine lacks, each thing once."""
    from igllm_pipelines.apps import machine

    for domain in dict.fromkeys(e.domain for e in experiments):
        scenes = project.of_domain("scenes", domain)
        if scenes.get("source") == "official":
            yield from machine.missing_data(domain, str(scenes.get("root")))
    for plan in (e.plan for e in experiments):
        yield from machine.missing_language_model(plan.model)
        yield from machine.missing_tower(plan.tower_config)
        yield from machine.missing_packages(plan.model, plan.training)
    wanted = [e.plan.gpus for e in experiments if e.plan.model.pretrained is not None]
    yield from machine.missing_gpus(max(wanted, default=0), found)
