"""A trained model as one folder that is enough to turn pictures into programs.

``package.json`` says what the model writes and how it is asked, ``tokenizer/`` holds
its tokenizer, ``model/`` its weights. Everything in it is data: loading executes
nothing, and follows no link out of the folder. Frozen weights of a pretrained source
and assets of a user's own folder are named in it, not copied.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from igllm_pipelines.domains import DOMAINS, parse_encoding
from igllm_pipelines.domains.sources import CONFIGS, scene_config
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.infer.predict import Predictor
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.model.storage import (
    CONFIG,
    WEIGHTS,
    ModelFolderError,
    load_model,
    save_model,
)
from igllm_pipelines.scene.program import ProgramSyntax, syntax_from_record
from igllm_pipelines.tokens import program_tokenizer
from igllm_pipelines.tokens.program_tokenizer import ProgramTokenizer, TokenizerError

FILE, TOKENIZER, MODEL = "package.json", "tokenizer", "model"
FORMAT = 1
_KEYS = frozenset(("format", "domain", "encoding", "syntax", "inference", "scenes"))
_WANTED = (
    *(f"{MODEL}/{name}" for name in (CONFIG, WEIGHTS)),
    *(f"{TOKENIZER}/{name}" for name in (program_tokenizer.FILE, "tokenizer.json")),
)
_NUMBER_FORMATS = ("+.3f", ".3f")


@dataclass(frozen=True)
class ModelPackage:
    """What a package says; its weights are loaded by `predictor`.

    Attributes:
        folder: where it lies.
        domain: its name.
        encoding: its name, see `domains.parse_encoding`.
        syntax: of the programs that the model writes.
        inference: how they were decoded when the model was scored.
        scenes: parameters of the domain's scenes, see `domains.sources.scene_config`.
    """

    folder: Path
    domain: str
    encoding: str
    syntax: ProgramSyntax
    inference: InferenceConfig
    scenes: Mapping[str, Any]

    def predictor(
        self, inference: InferenceConfig | None = None, device: str | None = None
    ) -> Predictor:
        """Loads tokenizer and weights.

        Args:
            inference: how to decode, None for the package's way.
            device: of torch; None for a GPU where there is one.

        Raises:
            ModelFolderError: see `model.storage.load_model`; the tokenizer is broken,
                or it is not the model's.
        """
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            tokenizer = _tokenizer(self.folder)
            model = load_model(self.folder / MODEL)
            _check_pair(self, model, tokenizer)
            return Predictor(
                model.to(place), tokenizer, self.syntax, inference or self.inference
            )
        except ModelFolderError:
            raise
        except Exception as error:  # the libraries' own, on values of a wrong kind
            raise ModelFolderError(
                f"{self.folder}: the model does not load "
                f"({type(error).__name__}: {error})"
            ) from error


def save_package(
    folder: Path,
    model: IGLLM,
    tokenizer: ProgramTokenizer,
    *,
    domain: str,
    encoding: str,
    syntax: ProgramSyntax,
    inference: InferenceConfig,
    scenes: Mapping[str, Any],
    stored: Path | None = None,
) -> None:
    """Writes a package; the folder appears whole or not at all.

    Args:
        folder: to write; one that is there is replaced.
        model: trained.
        tokenizer: that it was trained with.
        domain: see `ModelPackage`, as all the rest.
        encoding: its name.
        syntax: of the encoding's programs.
        inference: how to decode.
        scenes: parameters of the domain's scenes, JSON. Of an official download, which
            other machines may lack, what describes drawn scenes is kept; the path of
            own assets is made absolute.
        stored: a folder where `save_model` wrote this model. Its files are linked
            where the file system can, so that the weights lie on the disk once.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if stored is not None and (stored / WEIGHTS).is_file():
        shutil.copytree(stored, partial / MODEL, copy_function=_link_or_copy)
    else:
        save_model(model, partial / MODEL)
    tokenizer.save(partial / TOKENIZER)
    record = {
        "format": FORMAT,
        "domain": domain,
        "encoding": encoding,
        "syntax": asdict(syntax),
        "inference": asdict(inference),
        "scenes": _portable(domain, scenes),
    }
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    (partial / FILE).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def _portable(domain: str, scenes: Mapping[str, Any]) -> dict[str, Any]:
    kept = dict(scenes)
    if kept.get("source") == "official":
        drawn = {field.name for field in fields(CONFIGS[domain])} - {"num_scenes"}
        kept = {name: value for name, value in kept.items() if name in drawn}
    assets = kept.get("assets")
    if isinstance(assets, Mapping) and assets.get("root"):
        kept["assets"] = {**assets, "root": str(Path(assets["root"]).absolute())}
    return kept


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def load_package(folder: Path) -> ModelPackage:
    """Reads what a package says and checks that its files are there.

    Raises:
        ModelFolderError: a file is missing, broken, of another format or outside of the
            folder; the content does not fit together.
    """
    record = _record(folder)
    for name in _WANTED:
        _check_file(folder, name)
    try:
        package = ModelPackage(
            folder=folder,
            domain=record["domain"],
            encoding=record["encoding"],
            syntax=syntax_from_record(record["syntax"]),
            inference=InferenceConfig(**record["inference"]),
            scenes=record["scenes"],
        )
        _check_words(package)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(f"{folder / FILE} does not fit: {error}") from error
    return package


def _record(folder: Path) -> dict[str, Any]:
    file = folder / FILE
    if not file.is_file():
        raise ModelFolderError(
            f"{folder}: there is no {FILE}; a model package is the folder that "
            "training writes, <data>/06_models/<domain>/<encoding>/package"
        )
    _check_file(folder, FILE)
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFolderError(f"{file} is no JSON ({error})") from error
    if not isinstance(record, dict) or "format" not in record:
        raise ModelFolderError(f"{file} describes no model package")
    if record["format"] != FORMAT:
        raise ModelFolderError(
            f"{file} has format {record['format']!r}, this version reads {FORMAT}; "
            "install the version that wrote it, or train again"
        )
    if wrong := sorted(_KEYS ^ record.keys()):
        state = "missing" if wrong[0] in _KEYS else "unknown"
        raise ModelFolderError(f"{file}: {wrong[0]!r} is {state}")
    return record


def _check_file(folder: Path, name: str) -> None:
    file = folder / name
    if not file.is_file():
        raise ModelFolderError(f"{folder}: {name} is missing; copy the whole package")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ModelFolderError(f"{file} is a link that leaves the package")


def _check_words(package: ModelPackage) -> None:
    """Raises a ValueError where the parts of ``package.json`` contradict each other."""
    if package.domain not in DOMAINS:
        raise ValueError(f"unknown domain {package.domain!r}")
    parse_encoding(package.encoding)
    if package.syntax.number_format not in _NUMBER_FORMATS:
        raise ValueError(f"number_format {package.syntax.number_format!r}")
    scene_config(package.domain, package.scenes)


def _tokenizer(folder: Path) -> ProgramTokenizer:
    for file in (folder / TOKENIZER).iterdir():
        _check_file(folder, f"{TOKENIZER}/{file.name}")
    try:
        return ProgramTokenizer.load(folder / TOKENIZER)
    except TokenizerError as error:
        raise ModelFolderError(f"the tokenizer cannot be read: {error}") from error


def _check_pair(
    package: ModelPackage, model: IGLLM, tokenizer: ProgramTokenizer
) -> None:
    """Raises a ModelFolderError where the parts come from different trainings."""
    expected = model.settings["vocab_size"], model.settings["num_id"]
    if (len(tokenizer), tokenizer.num_id) != expected:
        raise ModelFolderError(
            f"{package.folder}: the tokenizer has {len(tokenizer)} tokens and [NUM] is "
            f"number {tokenizer.num_id}, but the model was trained with {expected[0]} "
            f"and {expected[1]}; its parts come from different trainings"
        )
    as_values = parse_encoding(package.encoding).numbers == "float"
    if as_values != (model.numeric_head is not None):
        raise ModelFolderError(
            f"{package.folder}: the encoding {package.encoding!r} and the model "
            "disagree on whether numbers are text"
        )
