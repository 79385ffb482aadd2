"""What a training costs before it starts: memory, arithmetic, hours.

Everything here is arithmetic on shapes; nothing is built, read or measured. The
formulas are stated where they are used. They leave out what is small (norms, biases,
the numeric head's work), so take the figures to be good to a tenth or two.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from igllm_pipelines.train.plan import TrainingPlan, projector_parameters
from igllm_pipelines.train.shapes import TowerShape

GIB = 2**30
# CUDA's context and what the allocator holds without need
RESERVE_BYTES = int(1.5 * GIB)
_SHIPPED = Path(__file__).parent / "deepspeed"
_QUANTIZED_BYTES = {"4bit": 0.56, "8bit": 1.03}  # with their scales


class Gpu(NamedTuple):
    """A GPU: memory, and peak of dense bf16 matrix products by its data sheet."""

    name: str
    gib: int
    tflops: float


GPUS: Mapping[str, Gpu] = {
    "a100": Gpu("A100 80GB", 80, 312),
    "a100-40": Gpu("A100 40GB", 40, 312),
    "h100": Gpu("H100", 80, 989),
    "h200": Gpu("H200", 141, 989),
    "l40s": Gpu("L40S", 48, 362),
    "a6000": Gpu("RTX A6000", 48, 155),
    "l4": Gpu("L4", 24, 121),
    "rtx5090": Gpu("RTX 5090", 32, 209),
    "rtx4090": Gpu("RTX 4090", 24, 165),
    "rtx3090": Gpu("RTX 3090", 24, 71),
}


class Stage(NamedTuple):
    """A way to share a training's state.

    Attributes:
        title: as it is shown.
        file: configuration of DeepSpeed in ``train/deepspeed``; None for plain DDP.
    """

    title: str
    file: str | None

    @property
    def settings(self) -> Mapping[str, Any]:
        """``zero_optimization`` of the shipped configuration; stage 0 without one."""
        if self.file is None:
            return {"stage": 0}
        text = (_SHIPPED / f"{self.file}.json").read_text(encoding="utf-8")
        settings: Mapping[str, Any] = json.loads(text)["zero_optimization"]
        return settings


STAGES = (
    Stage("no DeepSpeed", None),
    Stage("ZeRO-1", "zero1"),
    Stage("ZeRO-2", "zero2"),
    Stage("ZeRO-2, offload", "zero2_offload"),
    Stage("ZeRO-3", "zero3"),
    Stage("ZeRO-3, offload", "zero3_offload"),
)


class Memory(NamedTuple):
    """Bytes on each GPU; ``host``: on the machine's memory, of each GPU's share."""

    weights: float
    states: float
    activations: float
    host: float

    @property
    def total(self) -> float:
        """On the GPU, with `RESERVE_BYTES`."""
        return self.weights + self.states + self.activations + RESERVE_BYTES


def memory(plan: TrainingPlan, stage: Stage) -> Memory:
    """Memory of a GPU under a ZeRO stage, with the shipped configuration of it.

    What is trained stays in single precision (see `train.zero`). With F bytes of frozen
    weights (as loaded: bf16 or quantized language model, fp32 tower) and T trained
    numbers on N GPUs: weights F + 4T, under ``precision: bf16`` a copy of 2T for the
    forward pass; gradients 4T; AdamW's moments 8T, and under DeepSpeed another fp32
    copy, 12T. ZeRO-1 divides the last by N, ZeRO-2 the gradients too, ZeRO-3 the
    weights too. Beside them, with several GPUs, two buckets of up to
    ``reduce_bucket_size`` numbers, and under ZeRO-3 up to
    ``stage3_max_live_parameters`` gathered ones. ``offload_optimizer`` moves copy and
    moments to the host, ``offload_param`` ZeRO-3's share of the weights.
    """
    settings, count, gpus = stage.settings, plan.trained, plan.gpus
    zero = int(settings["stage"])
    weights = _frozen_bytes(plan) + 4 * count
    gradients = 4 * count / (gpus if zero >= 2 else 1)
    states = (12 if zero else 8) * count / (gpus if zero else 1)
    buckets, gathered, host = 0.0, 0.0, 0.0
    if zero and gpus > 1:
        buckets = 2 * 4 * min(settings["reduce_bucket_size"], count)
    if zero == 3:
        numbers = plan.trained + plan.frozen
        live = min(settings["stage3_max_live_parameters"], numbers) / numbers
        gathered, weights = live * weights, weights / gpus
        if gpus == 1 and "offload_param" not in settings:
            gathered = 0.0  # it is all there
    if "offload_optimizer" in settings:
        host, states = states, 0.0
    if "offload_param" in settings:
        host, weights = host + weights, 0.0
    copies = 2 * count if plan.training.precision == "bf16" else 0
    on_gpu = gradients + buckets + states
    return Memory(weights + gathered + copies, on_gpu, activations(plan), host)


def _frozen_bytes(plan: TrainingPlan) -> float:
    """Of the weights that stay; the language model's as they were loaded."""
    model = plan.model
    loaded = 2 if model.dtype == "bfloat16" else 4
    each: float = _QUANTIZED_BYTES.get(model.quantization, loaded)
    language = sum(
        p.parameters for p in plan.parts if p.name == "language model" and not p.trained
    )
    tower = 0 if plan.features_cached else plan.frozen - language
    return each * language + 4 * tower


def activations(plan: TrainingPlan) -> float:
    """Bytes that the backward pass needs, of one batch on one GPU.

    Of a block and a token, with hidden width h, MLP width f, query width q, key width k
    and w bytes a number (2 in bf16, else 4): the inputs of both norms in fp32 (8h),
    queries, keys, values and attention's output (w (2q + 2k)), gate, up and their
    product (3wf), and for LoRA with dropout a copy and a mask of each target's input.
    Under gradient checkpointing each block keeps its input alone (wh), and one block
    is there in full. Logits and their gradients at labelled tokens: w + 8 bytes a word
    of the vocabulary. A frozen tower keeps one block, a trained one all of them.
    """
    shape, width = plan.language, 2 if plan.training.precision == "bf16" else 4
    tokens = plan.micro_batch * plan.tokens
    block = tokens * _block_bytes(plan, width)
    if plan.training.gradient_checkpointing:
        blocks = shape.layers * tokens * shape.hidden_dim * width + block
    else:
        blocks = shape.layers * block
    labelled = plan.micro_batch * plan.lengths.answer
    logits = labelled * shape.vocab_size * (width + 8)
    tower: float = 0
    if not plan.features_cached:
        kept = 1 if plan.tower_config.frozen else 2 * plan.tower.blocks
        tower = plan.micro_batch * plan.tower.hidden_bytes * kept * width / 2
    return blocks + max(logits, tower)


def _block_bytes(plan: TrainingPlan, width: int) -> float:
    shape, model = plan.language, plan.model
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    total = 8 * shape.hidden_dim + width * (2 * queries + 2 * keys + 3 * shape.mlp_dim)
    if model.lora_r:
        chosen = model.lora_targets
        inputs = [
            linear[0]
            for name, linear in shape.linears.items()
            if isinstance(chosen, str) or name in chosen
        ]
        copy = width + 1 if model.lora_dropout else 0
        total += sum(copy * size + width * model.lora_r for size in inputs)
    return total


def flops_per_sample(plan: TrainingPlan) -> float:
    """Arithmetic of one training image.

    ::

        S tokens; M numbers in the matrices of all blocks; L LoRA's; P the projector's
        A = heads x head_dim x layers x S / 2 x 2    causal attention, a token
        forward     2 (M + L + A) S
        backward    2 (M + 2 L + 2.5 A) S            M once: no weight gradients
                    2 (2 M + 2.5 A) S                where the language model is trained
        recomputed  as forward, under gradient checkpointing
        vocabulary  2 V h of each answer token, forward and backward
        projector   6 P of each image token
        tower       its forward pass, three times that where it is trained; nothing
                    where its features are cached
    """
    shape, model = plan.language, plan.model
    full = model.lora_r == 0
    matrices = shape.layers * sum(a * b for a, b in shape.linears.values())
    lora = shape.lora_parameters(model.lora_r, model.lora_targets)
    attention = shape.layers * shape.heads * shape.head_dim * plan.tokens
    forward = matrices + lora + attention
    backward = (2 if full else 1) * matrices + 2 * lora + 2.5 * attention
    passes = forward * (1 + plan.training.gradient_checkpointing) + backward
    vocabulary = shape.vocab_size * shape.hidden_dim * (3 if full else 2)
    projector = projector_parameters(model, plan.tower.width, shape.hidden_dim)
    tower = 0 if plan.features_cached else plan.tower.macs
    return 2 * (
        passes * plan.tokens
        + vocabulary * plan.lengths.answer
        + 3 * projector * plan.tower.num_tokens
        + tower * (1 if plan.tower_config.frozen else 3)
    )


def gpu_hours(plan: TrainingPlan, gpu: Gpu, utilisation: float) -> float:
    """Hours of one GPU: ``samples x flops / (peak x utilisation) / 3600``.

    Args:
        plan: the training.
        gpu: whose peak counts. In float32 it is taken to be half as high.
        utilisation: share of the peak that is reached, in (0, 1]. It holds for large
            models; a tiny one waits for kernels to start.
    """
    half = 1 if plan.training.precision == "bf16" else 0.5
    rate = gpu.tflops * 1e12 * half * utilisation
    return plan.samples * flops_per_sample(plan) / rate / 3600


def feature_bytes(tower: TowerShape, num_images: int) -> int:
    """Cached features of so many images, in half precision."""
    return 2 * tower.num_tokens * tower.width * num_images
