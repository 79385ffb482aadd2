"""Measures a training step: ours beside one as it is written first, in the same run.

Commands::

    python benchmarks/train.py
    python benchmarks/train.py --sizes mid --rounds 5 --json training.json

Two models with a frozen tower learn drawn CLEVR programs. ``tiny`` is ``clevr`` of
conf/base. ``mid`` has 8 layers of width 512, a vocabulary of 32,000 and a tower of the
size of ViT-B/16; its weights are random, and of its vocabulary the programs use the ids
of the domain's tokenizer.

The baseline is ``plain.py``. From it one saving after the other is switched on until
the step is ours; all of these ways take turns on the same samples. A saving's share
depends on what was saved before it. Times are seconds of CPU of a step, loading of the
batch, gradient clipping and AdamW included; features are cached before, once, at the
price that is printed. First it is checked that both ways have the same losses and
gradients. Ours groups by length, a switch that conf/base leaves off.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from plain import PictureFiles, TextSamples, forward
from records import Record, less_is_better, write_records
from torch import Tensor, nn

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.shards.features import FeatureCache, FeatureWriter
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.sequences import ProgramTokens, TokenSequence, collate
from igllm_pipelines.tokens.tokenizer import train_tokenizer
from igllm_pipelines.train.config import TrainingConfig
from igllm_pipelines.train.data import GroupedOrder, SampleOrder
from igllm_pipelines.train.features import tower_features
from igllm_pipelines.train.optimizer import make_optimizer, parameter_groups

SPLIT, SEED = "train", 7
BASE = Path(__file__).parents[1] / "conf/base/parameters_training.yml"
AGREEMENT = 0.01  # features are kept in half precision


@dataclass(frozen=True)
class Size:
    """What is trained: the parts of the model, images a step, how many steps."""

    tower: TowerConfig
    model: ModelConfig
    scenes: ClevrConfig
    batch_size: int
    steps: int
    vocab_size: int | None = None


@dataclass(frozen=True)
class Way:
    """What a step saves; the plain one saves nothing."""

    stored: bool = False
    cached: bool = False
    labelled: bool = False
    grouped: bool = False
    maskless: bool = False
    trimmed: bool = False
    fused: bool = False


SAVINGS = {
    "stored": "programs tokenized once",
    "cached": "features of the tower cached",
    "labelled": "logits at labelled positions only",
    "grouped": "batches by length",
    "maskless": "no mask of the padding",
    "trimmed": "last MLP at text positions only",
    "fused": "AdamW in one kernel",
}


def ways() -> list[Way]:
    """From the plain way to ours, one more saving each."""
    found = [Way()]
    for name in SAVINGS:
        found.append(replace(found[-1], **{name: True}))
    return found


def tiny() -> Size:
    """The default scale's ``clevr``."""
    base = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    tower, model, training = (base[n]["clevr"] for n in ("tower", "model", "training"))
    return Size(
        TowerConfig(**tower),
        ModelConfig(**model),
        ClevrConfig(),
        batch_size=training["batch_size"],
        steps=24,
    )


def mid() -> Size:
    """58 million parameters after a tower of 86 million; CLEVR's 3 to 10 objects."""
    vit = {"patch_px": 16, "width": 768, "depth": 12, "heads": 12}
    read = {"pixels": "clip", "layer": -2, "final_norm": False}
    return Size(
        TowerConfig(image_px=224, frozen=True, **vit, **read),
        ModelConfig(hidden_dim=512, layers=8, heads=8, mlp_dim=1376),
        ClevrConfig(max_objects=10, margin_m=0.2),
        batch_size=8,
        steps=5,
        vocab_size=32_000,
    )


SIZES: dict[str, Callable[[], Size]] = {"tiny": tiny, "mid": mid}


class Bench:
    """Data, model and optimizers of a size; `step` trains one batch one way.

    Args:
        size: what is trained.
        root: an empty folder for the features.
    """

    def __init__(self, size: Size, root: Path) -> None:
        self.size = size
        num_rows = size.steps * size.batch_size
        scenes = [draw(size.scenes, index) for index in range(num_rows)]
        self.names = [scene.image_filename for scene in scenes]
        syntax = DOMAINS["clevr"].syntax
        tokenizer = train_tokenizer(syntax)
        self.stored = ProgramTokens(encode_scenes(scenes, syntax, "float", tokenizer))
        self.texts = TextSamples(scenes, syntax, tokenizer)
        self.pictures = PictureFiles(
            {name: picture(size.tower.image_px, i) for i, name in enumerate(self.names)}
        )
        self.model = build_model(
            build_tower(size.tower, SEED),
            size.model,
            vocab_size=size.vocab_size or len(tokenizer),
            num_id=self.stored.num_id,
            seed=SEED,
        )
        start = time.process_time()
        self.features = cache(self.model.tower, self.pictures, self.names, root)
        self.cache_s = (time.process_time() - start) / num_rows
        groups = parameter_groups(self.model, TrainingConfig())
        self._optimizers = {
            True: make_optimizer(groups, beta2=0.98),
            False: torch.optim.AdamW(groups, betas=(0.9, 0.98), foreach=False),
        }
        self._orders = self._make_orders(num_rows)
        self._prefix = torch.tensor(self.stored.prefix_ids)

    def _make_orders(self, num_rows: int) -> dict[bool, Any]:
        plain, size = SampleOrder(num_rows, SEED), self.size
        lengths, batch = self.stored.lengths(), size.batch_size
        grouped = GroupedOrder(plain, lengths, batch, SEED, batches=size.steps)
        return {False: plain, True: grouped}

    def rows(self, way: Way, step: int) -> list[int]:
        """The samples of a step."""
        first = step * self.size.batch_size
        places = range(first, first + self.size.batch_size)
        return [self._orders[way.grouped].row(place) for place in places]

    def batch(self, way: Way, rows: Sequence[int], *, draw: bool) -> dict[str, Tensor]:
        """What `forward` takes; `draw` shuffles attributes and draws synonyms."""
        samples = self.stored if way.stored else self.texts
        sequences: list[TokenSequence] = [
            samples.sequence(row, np.random.default_rng((SEED, row)) if draw else None)
            for row in rows
        ]
        vision = self.features if way.cached else self.pictures
        images = vision.batch(SPLIT, [self.names[row] for row in rows])
        batch = collate(sequences, self.stored.pad_id)
        if way.maskless:
            del batch["attention_mask"]
        return {**batch, "vision": torch.from_numpy(images), "prefix_ids": self._prefix}

    def losses(self, way: Way, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Cross-entropy and the numbers' loss."""
        if way.trimmed:
            output = self.model(**batch)
            return output.ce, output.number_loss
        everywhere, masked = not way.labelled, not way.maskless
        return forward(self.model, batch, everywhere=everywhere, masked=masked)

    def step(self, way: Way, step: int) -> float:
        """Trains on one batch; seconds of CPU."""
        start = time.process_time()
        batch = self.batch(way, self.rows(way, step), draw=True)
        ce, numbers = self.losses(way, batch)
        (ce + self.model.float_weight * numbers).backward()
        weights = [p for p in self.model.parameters() if p.requires_grad]
        nn.utils.clip_grad_norm_(weights, 1.0)
        self._optimizers[way.fused].step()
        self.model.zero_grad()
        return time.process_time() - start

    def difference(self) -> float:
        """Largest relative difference of losses and gradients between the two ends.

        Of the gradients it is the length of their difference.
        """
        self.model.eval()  # no dropout
        plain, *_, ours = ways()
        rows = self.rows(plain, 0)
        found = [self._learned(way, rows) for way in (plain, ours)]
        self.model.train()
        return max(
            float((mine - other).norm() / other.norm())
            for other, mine in zip(*found, strict=True)
        )

    def _learned(self, way: Way, rows: Sequence[int]) -> list[Tensor]:
        """Both losses and their gradient on all trained weights, zeros included."""
        ce, numbers = self.losses(way, self.batch(way, rows, draw=False))
        weights = [p for p in self.model.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(ce + numbers, weights, materialize_grads=True)
        gradient = torch.cat([part.flatten() for part in gradients])
        return [ce.detach(), numbers.detach(), gradient]


def draw(config: ClevrConfig, index: int) -> Scene:
    """A scene with the name of its picture."""
    scene = config.draw(SEED, SPLIT, index, 0)
    return replace(scene, image_filename=f"{index}.png")


def picture(side_px: int, seed: int) -> bytes:
    """A smooth picture, which is as easy to decode as a rendered one."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    smooth = Image.fromarray(coarse).resize(
        (side_px, side_px), Image.Resampling.BICUBIC
    )
    file = io.BytesIO()
    smooth.save(file, "png")
    return file.getvalue()


def cache(tower: Any, pictures: Any, names: list[str], root: Path) -> FeatureCache:
    """Features of all pictures, on disk in half precision."""
    batches = tower_features(tower, pictures, SPLIT, names, num_threads=1)
    with FeatureWriter(root / "features") as writer:
        writer.write(SPLIT, names, batches)
    return FeatureCache(root / "features")


def measure(bench: Bench, rounds: int = 1) -> dict[Way, float]:
    """Seconds of a step: the median over rounds of the mean over a round's steps.

    In a round every way sees every sample. The ways take turns, each starts as often
    as another. A line with the ratio of the two ends is printed after each round.
    """
    found: dict[Way, list[float]] = {way: [] for way in ways()}
    for way in found:
        bench.step(way, 0)  # the warm-up
    for number in range(rounds):
        for way, mean in _round(bench).items():
            found[way].append(mean)
        plain, *_, ours = (times[-1] for times in found.values())
        print(f"round {number + 1}: {plain / ours:.2f}x", flush=True)
    return {way: float(np.median(means)) for way, means in found.items()}


def _round(bench: Bench) -> dict[Way, float]:
    seconds: dict[Way, list[float]] = {way: [] for way in ways()}
    for step in range(bench.size.steps):
        turns = np.roll(np.arange(len(seconds)), step)
        for way in (ways()[turn] for turn in turns):
            seconds[way].append(bench.step(way, step))
    return {way: float(np.mean(times)) for way, times in seconds.items()}


def describe(name: str, bench: Bench) -> Iterator[str]:
    """What is trained, in words."""
    size, tower = bench.size, bench.model.tower
    lengths = bench.stored.lengths()
    trained = sum(p.numel() for p in bench.model.parameters() if p.requires_grad)
    megabytes = 2 * tower.num_tokens * tower.width / 1e6
    yield (
        f"{name}: {trained / 1e6:.2f} M parameters trained, batch {size.batch_size}, "
        f"{tower.num_tokens} image tokens, text of {lengths.min()} to {lengths.max()} "
        f"tokens, mean {lengths.mean():.0f}, {size.steps} steps, "
        f"{torch.get_num_threads()} thread"
    )
    yield (
        f"features cached once: {bench.cache_s * 1e3:.1f} ms and {megabytes:.2f} MB an "
        "image"
    )


def table(name: str, seconds: dict[Way, float]) -> Iterator[str]:
    """A line for each way: seconds, times faster than plain, share of the saving."""
    found = list(seconds.values())
    titles = ["plain", *(f"+ {title}" for title in SAVINGS.values())]
    yield f"{name:40}{'CPU s a step':>14}{'faster':>9}{'share':>8}"
    for title, before, now in zip(titles, [found[0], *found], found, strict=False):
        share = (before - now) / (found[0] - found[-1])
        yield f"{title:40}{now:14.4f}{found[0] / now:8.2f}x{share:8.0%}"


def comparisons(name: str, seconds: dict[Way, float]) -> list[Record]:
    """Ours against plain, then each way against the one before."""
    found, unit = list(seconds.values()), "CPU s a step"
    whole = less_is_better(f"training step, {name}", found[-1], found[0], unit)
    return [
        whole,
        *(
            less_is_better(f"training step, {name}: {title}", now, before, unit)
            for title, before, now in zip(
                SAVINGS.values(), found[:-1], found[1:], strict=True
            )
        ),
    ]


def run(name: str, steps: int | None, rounds: int) -> list[Record]:
    """Measures a size and prints what came out.

    Raises:
        SystemExit: the two ways have other losses or gradients.
    """
    size = SIZES[name]()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(replace(size, steps=steps or size.steps), Path(folder))
        difference = bench.difference()
        if not difference < AGREEMENT:
            raise SystemExit(f"{name}: losses or gradients differ by {difference:.1%}")
        print("\n".join(describe(name, bench)), flush=True)
        print(f"relative difference of losses and gradients: {difference:.1e}")
        seconds = measure(bench, rounds)
    print("\n".join(table(name, seconds)) + "\n")
    return comparisons(name, seconds)


def main() -> None:
    """Reads the arguments, measures, writes the records."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--steps", type=int, help="of each way in a round")
    parser.add_argument("--rounds", type=int, default=3, help="medians are over these")
    parser.add_argument("--json", type=Path, help="where to write the records")
    options = parser.parse_args()
    torch.set_num_threads(1)
    steps, rounds = options.steps, options.rounds
    records = [found for name in options.sizes for found in run(name, steps, rounds)]
    if options.json:
        write_records(options.json, records)


if __name__ == "__main__":
    main()
