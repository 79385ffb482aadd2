"""A training's plan as text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from igllm_pipelines.apps.machine import Missing
from igllm_pipelines.train.cost import (
    GIB,
    STAGES,
    Gpu,
    feature_bytes,
    flops_per_sample,
    gpu_hours,
    memory,
)
from igllm_pipelines.train.plan import TrainingPlan

_SMALL_STEP_FLOPS = 1e12


@dataclass(frozen=True)
class Experiment:
    """A model that a pipeline trains, ``<domain>.<encoding>``.

    Attributes:
        domain, encoding: its name.
        plan: its training.
        images: of all splits; None where only the data tell.
        budget_gb: of the features on disk.
    """

    domain: str
    encoding: str
    plan: TrainingPlan
    images: int | None
    budget_gb: float

    @property
    def name(self) -> str:
        """``<domain>.<encoding>``."""
        return f"{self.domain}.{self.encoding}"


def describe(experiments: Sequence[Experiment], gpu: Gpu, utilisation: float) -> str:
    """The models of one domain: what they are, what each takes."""
    first = experiments[0]
    parts = [
        f"{first.domain}: {_model(first.plan)}",
        _training(first.plan),
        "",
        *_parameters(experiments),
        "",
        *_costs(experiments, gpu, utilisation),
        "",
        *_memory(experiments, gpu),
        "",
        _features(first),
        "",
    ]
    return "\n".join(parts)


def _model(plan: TrainingPlan) -> str:
    model, tower = plan.model, plan.tower_config
    language = model.pretrained or "a Llama from scratch"
    details = [model.dtype]
    if model.quantization != "none":
        details.append(f"loaded in {model.quantization}")
    details.append(f"LoRA r {model.lora_r}" if model.lora_r else "all of it trained")
    eyes = tower.pretrained or f"{tower.kind} tower from scratch"
    state = "frozen" if tower.frozen else "trained"
    return (
        f"{language} ({', '.join(details)}), {eyes} ({tower.image_px} px, {state}), "
        f"{model.projector} projector"
    )


def _training(plan: TrainingPlan) -> str:
    training = plan.training
    how = [training.precision, f"DeepSpeed {training.deepspeed or 'off'}"]
    if training.gradient_checkpointing:
        how.append("gradient checkpointing")
    if training.gradient_accumulation > 1:
        how.append(f"accumulation over {training.gradient_accumulation}")
    return (
        f"{training.steps:,} steps x {training.batch_size} images = "
        f"{plan.samples:,} samples; {', '.join(how)}; "
        f"{_count(plan.gpus, 'GPU')} with {plan.micro_batch:g} images at once"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _parameters(experiments: Sequence[Experiment]) -> list[str]:
    """A row for each part; a head that only one encoding has stands there once."""
    rows = dict.fromkeys(part for e in experiments for part in e.plan.parts)
    return _table(
        ["parameters", "number", ""],
        [[p.name, f"{p.parameters:,}", "trained" if p.trained else ""] for p in rows],
    )


def _costs(experiments: Sequence[Experiment], gpu: Gpu, share: float) -> list[str]:
    heads = ["training", "trained", "frozen", "tokens", "(image, prompt, answer)"]
    rows = [
        [
            e.name,
            f"{e.plan.trained:,}",
            f"{e.plan.frozen:,}",
            _about(e.plan.tokens, e.plan.lengths.exact),
            f"({e.plan.tower.num_tokens}, {e.plan.lengths.prompt}, "
            f"{e.plan.lengths.answer:.0f})",
            f"{flops_per_sample(e.plan) / 1e12:.3g}",
            f"{gpu_hours(e.plan, gpu, share):,.3g}",
        ]
        for e in experiments
    ]
    return _table([*heads, "TFLOP a sample", "GPU-hours"], rows)


def _about(value: float, exact: bool) -> str:
    return f"{value:.0f}" if exact else f"about {value:.0f}"


def _memory(experiments: Sequence[Experiment], gpu: Gpu) -> list[str]:
    """GiB by ZeRO stage of the largest training; * where the GPU has less."""
    largest = max((e.plan for e in experiments), key=lambda plan: plan.tokens)
    heads = ["GiB of each GPU", "total", "weights", "states", "activations", "host"]
    rows = []
    for stage in STAGES:
        found = memory(largest, stage)
        much = "" if found.total <= gpu.gib * GIB else " *"
        sizes = (found.weights, found.states, found.activations, found.host)
        gibs = [f"{size / GIB:.2f}" for size in sizes]
        rows.append([stage.title, f"{found.total / GIB:.1f}{much}", *gibs])
    lines = _table(heads, rows)
    if any("*" in row[1] for row in rows):
        lines.append(f"* more than the {gpu.gib} GiB of a {gpu.name}")
    return lines


def _features(experiment: Experiment) -> str:
    """Whether the tower's features are kept on disk, and what that changes."""
    plan, budget, images = experiment.plan, experiment.budget_gb, experiment.images
    if not plan.tower_config.frozen:
        return "The tower is trained with the model: no features are cached."
    each = feature_bytes(plan.tower, 1)
    lines = [
        f"Features of the frozen tower: {each / 1024:,.0f} KiB an image; "
        f"features.budget_gb {budget:g} holds {int(budget * 1e9 / each):,} images."
    ]
    if images is None:
        lines.append(
            "How many there are is known once the data are here: GPU-hours and memory "
            "are without that cache."
        )
    elif plan.features_cached:
        lines.append(
            f"The {images:,} images take {images * each / 1e9:.3g} GB: cached. "
            "GPU-hours and memory are with that cache, and without making it."
        )
    else:
        lines.append(
            f"The {images:,} images take {images * each / 1e9:.3g} GB: not cached, the "
            "tower runs in every batch."
        )
    return "\n".join(lines)


def total_hours(
    experiments: Sequence[Experiment], gpu: Gpu, utilisation: float, reason: str
) -> str:
    """All GPU-hours, and what they are reckoned with."""
    hours = sum(gpu_hours(e.plan, gpu, utilisation) for e in experiments)
    lines = [
        f"{hours:,.3g} GPU-hours in all on {gpu.name} ({reason}): samples x FLOP / "
        f"({gpu.tflops:g} TFLOP/s x {utilisation:.0%}). Validation, decoding and "
        "rendering are not in it."
    ]
    steps = (flops_per_sample(e.plan) * e.plan.training.batch_size for e in experiments)
    if min(steps) < _SMALL_STEP_FLOPS:
        lines.append(
            "A step of less than 1 TFLOP waits for kernels to start, not for "
            "arithmetic: expect many times these hours."
        )
    return "\n".join(lines)


def describe_missing(missing: Iterable[Missing], env: str | None) -> str:
    """What is not here and how to get it."""
    rows = list(dict.fromkeys(missing))
    run = f"kedro run{f' --env={env}' if env else ''} --pipelines=..."
    if not rows:
        return f"Nothing is missing on this machine: {run}"
    lines = ["Missing on this machine:"]
    for row in rows:
        lines += [f"  {row.what}", f"      {row.how}"]
    return "\n".join(lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width; the first to the left, the others to the right."""
    every = [heads, *rows]
    widths = [max(len(row[place]) for row in every) for place in range(len(heads))]
    return [
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in every
    ]
