"""Models and towers as folders: ``config.json`` and ``model.safetensors``.

Loading is strict: a folder holds every weight of what its configuration builds, and
nothing else. Frozen weights of a pretrained source are not in it; the configuration
names the source and holds a digest of them. Weights that two modules share are stored
once.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from igllm_pipelines.model.build import build_tower, model_from_settings
from igllm_pipelines.model.clip import TowerWeightsError
from igllm_pipelines.model.config import TowerConfig
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.lora import LanguageModelError
from igllm_pipelines.model.towers import Tower

CONFIG, WEIGHTS = "config.json", "model.safetensors"
# what building from a configuration of wrong or giant values raises
_UNFIT = (KeyError, TypeError, ValueError, ArithmeticError, RuntimeError, MemoryError)
# which settings name the source of a pretrained part
_SOURCES = {"tower": "tower", "language_model": "model"}


class ModelFolderError(ValueError):
    """A model folder that cannot be loaded: says where, what and what to do."""


def save_model(model: IGLLM, folder: Path) -> None:
    """Writes a model; the folder appears whole or not at all."""
    _save(model, model.settings, folder)


def load_model(folder: Path) -> IGLLM:
    """Reads a model in evaluation mode.

    Raises:
        ModelFolderError: a file is missing or broken, a weight is missing, superfluous
            or of another shape, the configuration is of another kind, a pretrained
            source cannot be had or holds other weights.
    """
    settings = _settings(folder)
    try:
        model = model_from_settings(settings)
    except (LanguageModelError, TowerWeightsError) as error:
        raise ModelFolderError(f"{folder}: {error}") from error
    except _UNFIT as error:
        raise _unfit(folder, f"its {CONFIG} does not fit: {error!r}") from error
    _check_sources(model, settings, folder)
    load_stored(model, _tensors(folder), folder)
    return model.eval()


def _check_sources(model: IGLLM, settings: Mapping[str, Any], folder: Path) -> None:
    digests = settings.get("external", {})
    for part, digest in model.settings.get("external", {}).items():
        if digests.get(part) != digest:
            source = model.settings[_SOURCES[part]]["pretrained"]
            raise ModelFolderError(
                f"{folder}: the pretrained {part} at {source!r} has other weights than "
                "the one that this model was trained with; put that one there"
            )


def stored_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights that a folder or a checkpoint holds of a module.

    Frozen ones of a pretrained source are left out, and shared ones stand there once.
    """
    external = module.external if isinstance(module, IGLLM) else frozenset()
    seen: set[tuple[Any, ...]] = set()
    kept = {}
    for name, tensor in module.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride())
        shared = place in seen and tensor.numel() > 0 and not tensor.is_meta
        if name in external or shared:
            continue
        seen.add(place)
        kept[name] = tensor
    return kept


def load_stored(module: nn.Module, tensors: Mapping[str, Tensor], where: Path) -> None:
    """Loads what `stored_weights` gave, strictly, in place.

    Raises:
        ModelFolderError: a weight is missing, superfluous or of another shape.
    """
    own = stored_weights(module)
    missing, superfluous = own.keys() - tensors.keys(), tensors.keys() - own.keys()
    wrong = [
        f"missing: {', '.join(sorted(missing))}" if missing else "",
        f"superfluous: {', '.join(sorted(superfluous))}" if superfluous else "",
        *(
            f"{name} is {tuple(tensors[name].shape)}, not {tuple(own[name].shape)}"
            for name in sorted(own.keys() & tensors.keys())
            if tensors[name].shape != own[name].shape
        ),
    ]
    if reason := "; ".join(filter(None, wrong)):
        raise _unfit(where, f"its weights do not fit: {reason}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def save_tower(tower: Tower, folder: Path) -> None:
    """Writes a tower; the folder appears whole or not at all."""
    _save(tower, tower.settings, folder)


def load_tower(folder: Path, expected: TowerConfig | None = None) -> Tower:
    """Reads a tower in evaluation mode.

    Args:
        folder: that `save_tower` wrote.
        expected: what it must have been built from, None for anything.

    Raises:
        ModelFolderError: as `load_model`, or the tower is another than expected.
    """
    settings = _settings(folder)
    try:
        config = TowerConfig(**settings)
    except (TypeError, ValueError) as error:
        raise _unfit(folder, f"its {CONFIG} does not fit: {error}") from error
    if expected is not None and config != expected:
        raise _unfit(folder, f"it holds {config}, wanted is {expected}")
    try:
        tower = build_tower(config, seed=0, weights=False)
    except TowerWeightsError:
        raise
    except _UNFIT as error:
        raise _unfit(folder, f"its {CONFIG} does not fit: {error!r}") from error
    load_stored(tower, _tensors(folder), folder)
    return tower.eval()


def _unfit(folder: Path, reason: str) -> ModelFolderError:
    return ModelFolderError(f"{folder}: {reason}; delete the folder and train again")


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unfit(folder, f"there is no {CONFIG}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _unfit(folder, f"its {CONFIG} is no JSON ({error})") from error
    if not isinstance(settings, dict):
        raise _unfit(folder, f"its {CONFIG} is no JSON object")
    return settings


def _save(module: nn.Module, settings: dict[str, Any], folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    (partial / CONFIG).write_text(text, encoding="utf-8")
    stored = stored_weights(module)
    tensors = {k: v.detach().cpu().contiguous() for k, v in stored.items()}
    save_file(tensors, partial / WEIGHTS, metadata={"format": "pt"})
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def _tensors(folder: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors raises its own and the system's errors
        raise _unfit(folder, f"its {WEIGHTS} cannot be read ({error})") from error
    return tensors
