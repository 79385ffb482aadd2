"""Models and towers as folders: ``config.json`` and ``model.safetensors``.

Loading is strict: a folder holds every weight of what its configuration builds, and
nothing else.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from igllm_pipelines.model.build import build_tower, model_from_settings
from igllm_pipelines.model.config import TowerConfig
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.towers import Tower

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class ModelFolderError(ValueError):
    """A model folder that cannot be loaded: says where, what and what to do."""


def save_model(model: IGLLM, folder: Path) -> None:
    """Writes a model; the folder appears whole or not at all."""
    _save(model, model.settings, folder)


def load_model(folder: Path) -> IGLLM:
    """Reads a model in evaluation mode.

    Raises:
        ModelFolderError: a file is missing or broken, a weight is missing, superfluous
            or of another shape, the configuration is of another kind.
    """
    settings = _settings(folder)
    try:
        model = model_from_settings(settings)
    except (KeyError, TypeError, ValueError) as error:
        raise _unfit(folder, f"its {CONFIG} does not fit: {error!r}") from error
    _load(model, folder)
    return model


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
    tower = build_tower(config, seed=0)
    _load(tower, folder)
    return tower


def _unfit(folder: Path, reason: str) -> ModelFolderError:
    return ModelFolderError(f"{folder}: {reason}; delete the folder and train again")


def _settings(folder: Path) -> dict[str, Any]:
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unfit(folder, f"there is no {CONFIG}") from error
    except ValueError as error:
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
    tensors = {k: v.detach().cpu().contiguous() for k, v in module.state_dict().items()}
    save_file(tensors, partial / WEIGHTS, metadata={"format": "pt"})
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def _load(module: nn.Module, folder: Path) -> None:
    try:
        tensors = load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors raises its own and the system's errors
        raise _unfit(folder, f"its {WEIGHTS} cannot be read ({error})") from error
    try:
        module.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise _unfit(folder, f"its weights do not fit: {error}") from error
    module.eval()
