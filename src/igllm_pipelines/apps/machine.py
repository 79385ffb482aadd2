"""What this machine has of what a training needs: weights, data, GPUs, packages."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.render.bpy_module import INSTALL, has_bpy
from igllm_pipelines.train.config import TrainingConfig

if TYPE_CHECKING:
    from igllm_pipelines.domains.sources import SceneConfig

PROJECT_PAGE = "https://ig-llm.is.tue.mpg.de"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# LLaVA's pre-trained projectors, by the folder that conf/paper expects them in
_PROJECTORS = "liuhaotian"
_HUB = "hf-hub:"


class Missing(NamedTuple):
    """Something that is not here, and how to get it."""

    what: str
    how: str


class FoundGpu(NamedTuple):
    """A GPU of this machine."""

    name: str
    gib: float


def found_gpus() -> list[FoundGpu]:
    """The GPUs that the NVIDIA driver shows; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        run = subprocess.run(
            query, capture_output=True, text=True, timeout=20, check=True
        )
        rows = [line.rsplit(",", 1) for line in run.stdout.splitlines() if line]
        return [FoundGpu(name.strip(), float(mib) / 1024) for name, mib in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def model_folder(name: str) -> Path | None:
    """Where a pretrained language model lies: a folder, or a hub name's cache."""
    if (Path(name) / "config.json").is_file():
        return Path(name)
    config = _cached(name, "config.json")
    return config.parent if config else None


def _cached(repository: str, file: str) -> Path | None:
    """A file in the hub's cache on this machine."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repository, file)
    except HFValidationError:  # the path of a folder that is not there
        return None
    return Path(found) if isinstance(found, str) else None


def missing_language_model(model: ModelConfig) -> Iterator[Missing]:
    """What a model's language model and projector lack."""
    if model.pretrained is not None:
        name, folder = model.pretrained, model_folder(model.pretrained)
        absent = "all of it" if folder is None else ", ".join(_absent(folder))
        if absent:
            yield Missing(f"language model {name} ({absent})", _fetch(name))
        only_model = folder and not (folder / "tokenizer.json").is_file()
        needs = name.startswith("lmsys/vicuna") if folder is None else only_model
        if needs and find_spec("sentencepiece") is None:
            yield Missing(
                "sentencepiece, which reads its tokenizer.model",
                "pip install sentencepiece",
            )
    path = model.projector_weights
    if path is not None and not Path(path).is_file():
        folder_name = Path(path).parent
        fetch = f"hf download {_PROJECTORS}/{folder_name.name} {Path(path).name}"
        yield Missing(f"projector {path}", f"{fetch} --local-dir {folder_name}")


def _fetch(name: str) -> str:
    path = Path(name)
    if path.is_absolute() or name.count("/") != 1:
        return f"put a transformers model into {name}, or set model.<domain>.pretrained"
    return f"hf download {name}"


def _absent(folder: Path) -> Iterator[str]:
    """Files that a transformers folder lacks."""
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        yield "tokenizer"
    if any((folder / name).is_file() for name in _WEIGHTS):
        return
    indices = [folder / f"{name}.index.json" for name in _WEIGHTS]
    index = next((path for path in indices if path.is_file()), None)
    if index is None:
        yield "weights"
        return
    shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    yield from (name for name in shards if not (folder / name).is_file())


def missing_tower(tower: TowerConfig) -> Iterator[Missing]:
    """What a pretrained tower lacks; nothing where open_clip fetches it from a URL."""
    if tower.pretrained is None:
        return
    name, _, tag = tower.pretrained.partition("/")
    if tag == "random" or Path(tag).is_file():
        return
    if tower.pretrained.startswith(_HUB):
        repository = tower.pretrained.removeprefix(_HUB)
    else:
        from open_clip.pretrained import get_pretrained_cfg

        known = get_pretrained_cfg(name, tag)
        if not known:
            yield Missing(
                f"tower {tower.pretrained}: no such file, and open_clip knows no such "
                "weights",
                "name them MODEL/TAG as open_clip does, or MODEL/FILE of a file",
            )
        repository = known.get("hf_hub", "").strip("/")
    names = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"
    if repository and not any(_cached(repository, name) for name in names):
        fetch = f'hf download {repository} --include "open_clip*"'
        yield Missing(f"tower {tower.pretrained}", fetch)


def missing_data(domain: str, root: str) -> Iterator[Missing]:
    """Which files of an official download are not there.

    Args:
        domain: its name.
        root: folder of the download, or the domain's folder in it.
    """
    from igllm_pipelines.domains.official import FOLDERS, SPLITS, official_folder
    from igllm_pipelines.shards.official import check_download
    from igllm_pipelines.shards.tar import ShardError

    folder, how = official_folder(root, domain), how_to_download(FOLDERS[domain], root)
    if domain == "2d":
        if not (folder / "2d.npz").is_file():
            yield Missing(f"data: {folder / '2d.npz'}", how)
        return
    try:
        check_download(folder, SPLITS[domain])
    except ShardError as error:
        yield Missing(f"data: {str(error).partition('; `root`')[0]}", how)


def how_to_download(folder: str, root: str) -> str:
    """What to do for a folder of the official download."""
    return (
        f"register at {PROJECT_PAGE}, download {folder} from "
        f"{PROJECT_PAGE}/download.php into {root}/{folder}"
    )


def missing_blender(source: "SceneConfig") -> Iterator[Missing]:
    """Blender, where the pictures of a domain are made by it.

    Args:
        source: configuration of the domain.
    """
    if source.picture == "blender" and not has_bpy():
        yield Missing("Blender's Python module, bpy", INSTALL)


def missing_packages(model: ModelConfig, training: TrainingConfig) -> Iterator[Missing]:
    """Python packages that the configuration asks for."""
    wanted = {
        "peft": model.lora_r > 0,
        "bitsandbytes": model.quantization != "none",
        "deepspeed": training.deepspeed is not None,
    }
    for name, needed in wanted.items():
        if needed and find_spec(name) is None:
            yield Missing(f"the package {name}", f"pip install {name}")


def missing_gpus(wanted: int, gpus: Sequence[FoundGpu]) -> Iterator[Missing]:
    """GPUs that are fewer than `wanted`."""
    if len(gpus) < wanted:
        have = f"{len(gpus)} of {wanted} GPUs"
        yield Missing(have, "run on a machine with an NVIDIA GPU and its driver")
