"""A study: encodings and variants of a model, trained alike, each from every seed.

The runs are made one after the other. Each is stored when it is done; the same study
again makes only those that are missing.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from igllm_pipelines.domains import DOMAINS, encoding_syntax, parse_encoding
from igllm_pipelines.domains.variants import (
    base_of,
    overrides,
    trained_as,
    with_variant,
)
from igllm_pipelines.infer.config import InferenceConfig
from igllm_pipelines.metrics.evaluate import (
    evaluate_predictions,
    main_error,
    scenes_of,
)
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.report.study import StudyRun
from igllm_pipelines.scene import ProgramSyntax
from igllm_pipelines.study.config import StudyConfig
from igllm_pipelines.study.store import RunStore
from igllm_pipelines.train.config import TrainingConfig, WarmUpConfig

logger = logging.getLogger(__name__)

# options of decoding that came later: at these values a run is what it was before them
_NEUTRAL = {
    **{"top_k": 0, "top_p": 1.0, "num_beams": 1, "length_penalty": 1.0},
    "precision": "stored",
}
Predictions = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Line:
    """The functions that a pipeline of one encoding consists of.

    They take what its nodes take, by the same names.

    Attributes:
        train: gives a trained model and its history.
        predict: gives ``{split: records}``.
        evaluate: gives ``{split: {metric: number}}``.
    """

    train: Callable[..., tuple[Any, Any]]
    predict: Callable[..., Predictions]
    evaluate: Callable[..., dict[str, dict[str, float]]]


@dataclass
class Setting:
    """What all runs of a study share.

    Attributes:
        line: what makes a run.
        raw, features, tower, tokenizer, syntax: of the domain, as its pipeline has
            them.
        domain: its name.
        model, training, inference, variants, warm_up, scenes: its parameters, with
            those that the study sets.
        folder: of the runs, and of checkpoints while a model is trained.
    """

    line: Line
    raw: Any
    features: Any
    tower: Any
    tokenizer: Any
    syntax: ProgramSyntax
    domain: str
    model: ModelConfig
    training: TrainingConfig
    inference: InferenceConfig
    variants: Mapping[str, Any]
    warm_up: WarmUpConfig
    scenes: dict[str, Any]
    folder: Path

    def __post_init__(self) -> None:
        self._tokens: dict[str, Any] = {}
        self._data = self._data_digest()

    @property
    def _split(self) -> str:
        return DOMAINS[self.domain].splits[0]

    def _data_digest(self) -> str:
        from igllm_pipelines.model.vision import vision_source
        from igllm_pipelines.scene import write_program

        digest = hashlib.sha256()
        for split in self.raw.splits():
            for scene in self.raw.scenes(split):
                text = f"{split}\0{scene.image_filename}\0"
                digest.update((text + write_program(scene, self.syntax)).encode())
        names = self.raw.filenames(self._split)[:16]
        vision = vision_source(self.raw, self.features, self.tower.settings)
        digest.update(vision.batch(self._split, names).tobytes())
        for weight in self.tower.state_dict().values():
            digest.update(weight.detach().cpu().numpy().tobytes())
        return digest.hexdigest()

    def digest(self, encoding: str, seed: int) -> str:
        """Fingerprint of all that a run's result depends on."""
        from igllm_pipelines.train.checkpoints import fingerprint

        configs = {
            part: asdict(with_variant(config, self.variants, encoding, part))
            for part, config in (
                ("model", self.model),
                ("training", self.training),
                ("inference", self.inference),
            )
        }
        configs = {part: _of_result(config) for part, config in configs.items()}
        tower = {**self.tower.settings, **overrides(self.variants, encoding, "tower")}
        numbers = base_of(encoding)
        return fingerprint(
            {**configs, "tower": tower, "of": [numbers, seed, self._data]}
        )

    def train(self, encoding: str, seed: int) -> tuple[Any, float]:
        """A trained model and the seconds that it took."""
        folder = self.folder / f"{encoding}_seed{seed}"
        start = time.monotonic()
        module, _ = self.line.train(
            raw=self.raw,
            features=self.features,
            tower=own_tower(self.tower, self.warm_up, seed),
            tokenizer=self.tokenizer,
            syntax=self.syntax,
            tokens=self._tokens_of(encoding),
            checkpoints=folder,
            domain=self.domain,
            encoding=f"{encoding}_seed{seed}",
            model=self.model,
            training=self.training,
            inference=self.inference,
            variants=dict(self.variants),
            seed=seed,
        )
        shutil.rmtree(folder, ignore_errors=True)
        return module, time.monotonic() - start

    def _tokens_of(self, encoding: str) -> dict[str, Any]:
        from igllm_pipelines.tokens.encoding import encode_scenes
        from igllm_pipelines.tokens.sequences import ProgramTokens

        base = base_of(encoding)
        if base not in self._tokens:
            table = encode_scenes(
                self.raw.scenes(self._split),
                encoding_syntax(self.syntax, base),
                parse_encoding(base).numbers,
                self.tokenizer,
            )
            self._tokens[base] = {self._split: ProgramTokens(table)}
        return self._tokens[base]

    def score(
        self, module: Any, encoding: str, seed: int, trained_s: float
    ) -> StudyRun:
        """The `StudyRun` of a trained model."""
        start = time.monotonic()
        predictions = self.line.predict(
            model=module,
            tokenizer=self.tokenizer,
            syntax=self.syntax,
            features=self.features,
            raw=self.raw,
            domain=self.domain,
            encoding=encoding,
            inference=self.inference,
            variants=dict(self.variants),
        )
        seconds = {"train": trained_s, "predict": time.monotonic() - start}
        metrics = self.line.evaluate(
            predictions=predictions,
            raw=self.raw,
            syntax=self.syntax,
            domain=self.domain,
            encoding=encoding,
            scenes=self.scenes,
        )
        errors = self._errors(predictions, encoding)
        return StudyRun(encoding, seed, metrics, errors, seconds)

    def _errors(
        self, predictions: Predictions, encoding: str
    ) -> dict[str, list[float | None]]:
        syntax = encoding_syntax(self.syntax, encoding)
        name = main_error(syntax)
        return {
            split: [
                evaluate_predictions([record], [scene], syntax).get(name)
                for record, scene in zip(
                    records, scenes_of(records, self.raw.scenes(split)), strict=True
                )
            ]
            for split, records in predictions.items()
        }


def _of_result(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that change what comes out."""
    return {
        name: value
        for name, value in config.items()
        if name != "num_threads" and (name, value) not in _NEUTRAL.items()
    }


def own_tower(tower: Any, warm_up: WarmUpConfig, seed: int) -> Any:
    """A tower for one run: a copy where it has learned something, else from the seed.

    Args:
        tower: of the domain.
        warm_up: how it was warmed up.
        seed: of the run.
    """
    from igllm_pipelines.model.build import build_tower

    if tower.settings["pretrained"] or warm_up.steps:
        return deepcopy(tower)
    return build_tower(TowerConfig(**tower.settings), seed)


def run_study(setting: Setting, study: StudyConfig) -> list[StudyRun]:
    """Every encoding from every seed; runs that are stored are not made again."""
    store = RunStore(setting.folder)
    for seed in study.seeds:
        for trained, encodings in _trainings(study.bases, setting.variants).items():
            _make_missing(setting, store, trained, encodings, seed)
    runs = [
        store.load(encoding, seed, setting.digest(encoding, seed))
        for encoding in study.bases
        for seed in study.seeds
    ]
    return [run for run in runs if run is not None]


def _trainings(
    encodings: Iterable[str], variants: Mapping[str, Any]
) -> dict[str, list[str]]:
    """What is trained, and which encodings are decoded from it."""
    found: dict[str, list[str]] = {}
    for encoding in encodings:
        found.setdefault(trained_as(variants, encoding), []).append(encoding)
    return found


def _make_missing(
    setting: Setting, store: RunStore, trained: str, encodings: list[str], seed: int
) -> None:
    digests = {encoding: setting.digest(encoding, seed) for encoding in encodings}
    missing = [e for e in encodings if store.load(e, seed, digests[e]) is None]
    if not missing:
        return
    module, seconds = setting.train(trained, seed)
    for encoding in missing:
        run = setting.score(module, encoding, seed, seconds)
        store.save(run, digests[encoding])
        logger.info(
            "%s.%s, seed %d: trained %.0f s, predicted %.0f s",
            setting.domain,
            encoding,
            seed,
            seconds,
            run.seconds["predict"],
        )
