"""DeepSpeed: its configuration files, and whole weights out of partitioned ones.

The files in ``train/deepspeed`` hold what belongs to ZeRO. Batch sizes, accumulation
and clipping come from `TrainingConfig`. Weights that are trained stay in single
precision and ``precision: bf16`` is autocast, as without DeepSpeed: a DeepSpeed run
learns what a run without it learns.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from igllm_pipelines.train.config import TrainingConfig

SHIPPED = Path(__file__).parent / "deepspeed"


def name_device() -> None:
    """Tells DeepSpeed, which accelerate imports in every run, of a missing GPU.

    It would warn about it.
    """
    if not torch.accelerator.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def shipped_names() -> list[str]:
    """Names of the configurations that come with the package.

    >>> shipped_names()
    ['zero1', 'zero2', 'zero2_offload', 'zero3', 'zero3_offload']
    """
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def deepspeed_settings(config: TrainingConfig) -> dict[str, Any] | None:
    """What DeepSpeed is started with; None without it.

    Raises:
        ValueError: there is no such file, or it holds no ZeRO configuration.
        ModuleNotFoundError: DeepSpeed is not installed.
    """
    if config.deepspeed is None:
        return None
    path = _file(config.deepspeed)
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        stage = settings["zero_optimization"]["stage"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"training.deepspeed {config.deepspeed!r}: {path} is no readable DeepSpeed "
            f"configuration with zero_optimization.stage ({error!r}); shipped are "
            f"{', '.join(shipped_names())}"
        ) from error
    if stage not in (1, 2, 3):
        raise ValueError(f"{path}: zero_optimization.stage {stage!r}, not 1, 2 or 3")
    for name in ("bf16", "fp16"):
        if settings.get(name, {}).get("enabled"):
            raise ValueError(
                f"{path}: {name} would cast all weights and the numbers to learn; take "
                "it out and set training.precision to bf16"
            )
    if find_spec("deepspeed") is None:
        raise ModuleNotFoundError(
            f"training.deepspeed is {config.deepspeed!r}, but DeepSpeed is not "
            "installed: pip install deepspeed, or set it to null"
        )
    result: dict[str, Any] = settings
    return result


def _file(name: str) -> Path:
    return SHIPPED / f"{name}.json" if name in shipped_names() else Path(name)


def zero_stage(config: TrainingConfig) -> int:
    """ZeRO's stage, 0 without DeepSpeed."""
    settings = deepspeed_settings(config)
    return int(settings["zero_optimization"]["stage"]) if settings else 0


def leave_out_compiled_reduction() -> None:
    """Keeps DeepSpeed from compiling a reduction of processors, where there is no GPU.

    Only inference uses it; it would take a compiler and a minute or two.
    """
    if torch.cuda.is_available():
        return
    import deepspeed

    deepspeed.ops.__compatible_ops__ = defaultdict(bool)


@contextmanager
def deepspeed_mark_removed() -> Iterator[None]:
    """Takes back accelerate's mark, or the next training would use DeepSpeed too."""
    try:
        yield
    finally:
        os.environ.pop("ACCELERATE_USE_DEEPSPEED", None)


@contextmanager
def read_as_data() -> Iterator[None]:
    """While it lasts, DeepSpeed's checkpoints run nothing when they are loaded.

    DeepSpeed would unpickle whatever a file names. Its own few classes are let through.
    """
    from deepspeed.runtime.fp16.loss_scaler import LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # it overrules weights_only=False
    before = os.environ.get(name)
    os.environ[name] = "1"
    known = [LossScaler, ZeroStageEnum, fragment_address]
    try:
        with torch.serialization.safe_globals(known):
            yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """The trained parameters and all buffers of a model under DeepSpeed, on the CPU.

    Every process must call it. A partitioned parameter is gathered by itself, so that
    the whole model never stands on one device.
    """
    whole = {name: buffer.cpu().clone() for name, buffer in model.named_buffers()}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            with _gathered(parameter):
                whole[name] = parameter.detach().cpu().clone()
    return whole


def _gathered(parameter: nn.Parameter) -> AbstractContextManager[Any]:
    if not hasattr(parameter, "ds_id"):
        return nullcontext()
    from deepspeed.runtime.zero import GatheredParameters

    return GatheredParameters([parameter])


def copy_weights(tensors: dict[str, Tensor], model: nn.Module) -> None:
    """Copies `whole_weights` into another instance of the model."""
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
