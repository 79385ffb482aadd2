"""Measures decoding: ours beside the way of the paper's code, in the same run.

Commands::

    python benchmarks/decode.py
    python benchmarks/decode.py --sizes mid --rounds 3 --json decoding.json

``tiny`` is ``clevr`` of conf/base. ``mid`` has 8 layers of width 512, a vocabulary of
32,000 and about 300 tokens before the answer. Both have random weights, and features of
the tower are given, so that nothing but decoding is measured. Ours and the baseline
take turns; times are seconds of CPU of one thread, medians over rounds.

The baseline takes one image at a time: the library's ``generate``, then a second
forward pass over all that was said, logits included, to read the numbers. Every answer
has the same number of tokens. First it is checked that all ways say the same text, and
numbers that differ by no more than 1e-4.

Two more comparisons have answers as they are in use, programs of drawn scenes: the
model is told what to say. One is the cost of the grammar in a batch of 32; the other
what it brings to fill the rows of a batch again, beside batches that wait for their
longest program; once more with one answer in sixteen that runs away.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from decoders import Told, two_passes
from records import Record, less_is_better, more_is_better, write_records

from igllm_pipelines.domains import DOMAINS
from igllm_pipelines.domains.clevr import ClevrConfig
from igllm_pipelines.infer.decode import Prompt, decode
from igllm_pipelines.infer.grammar import ProgramGrammar
from igllm_pipelines.infer.rows import Answer
from igllm_pipelines.infer.search import OneRow, Search
from igllm_pipelines.model.build import build_model, build_tower
from igllm_pipelines.model.config import ModelConfig, TowerConfig
from igllm_pipelines.model.igllm import IGLLM
from igllm_pipelines.tokens.encoding import encode_scenes
from igllm_pipelines.tokens.sequences import IGNORE, ProgramTokens
from igllm_pipelines.tokens.tokenizer import train_tokenizer

SEED, NO_END = 7, -1
BASE = Path(__file__).parents[1] / "conf/base/parameters_training.yml"
BATCHES = (1, 8, 32)
NUMBERS_DIFFER = 1e-4  # at most
SYNTAX = DOMAINS["clevr"].syntax
SCENES = ClevrConfig(max_objects=10, margin_m=0.2)  # as many objects as the official


@dataclass(frozen=True)
class Size:
    """What decodes: the parts of the model, tokens of an answer, images a round."""

    tower: TowerConfig
    model: ModelConfig
    answer_tokens: int
    alone: int
    told: int
    vocab_size: int | None = None


def tiny() -> Size:
    """The default scale's ``clevr``."""
    base = yaml.safe_load(BASE.read_text(encoding="utf-8"))
    return Size(
        TowerConfig(**base["tower"]["clevr"]),
        ModelConfig(**base["model"]["clevr"]),
        answer_tokens=64,
        alone=16,
        told=96,
    )


def mid() -> Size:
    """58 million parameters behind 289 image tokens."""
    vit = {"patch_px": 16, "width": 512, "depth": 1, "heads": 8}
    return Size(
        TowerConfig(image_px=272, frozen=True, **vit),
        ModelConfig(hidden_dim=512, layers=8, heads=8, mlp_dim=1376),
        answer_tokens=64,
        alone=4,
        told=32,
        vocab_size=32_000,
    )


SIZES: dict[str, Callable[[], Size]] = {"tiny": tiny, "mid": mid}


class Bench:
    """A model, features of images and programs; each method decodes in one way."""

    def __init__(self, size: Size) -> None:
        self.size = size
        tokenizer = train_tokenizer(SYNTAX)
        vocab_size = size.vocab_size or len(tokenizer)
        self.model = random_model(size, vocab_size, tokenizer.num_id)
        self.prompt = Prompt(
            torch.tensor(tokenizer.prefix_ids, dtype=torch.int64),
            torch.tensor(tokenizer.question_ids, dtype=torch.int64),
        )
        tower = self.model.tower
        rng = torch.Generator().manual_seed(SEED)
        count = max(*BATCHES, size.told)
        shape = (count, tower.num_tokens, tower.width)
        self.features = torch.randn(shape, generator=rng)
        self.end_id = tokenizer.end_id
        scenes = [SCENES.draw(SEED, "train", i, 0) for i in range(size.told)]
        stored = ProgramTokens(encode_scenes(scenes, SYNTAX, "float", tokenizer))
        self.programs = [answer_ids(stored, row) for row in range(size.told)]
        self.grammar = ProgramGrammar(
            tokenizer,
            vocab_size,
            SYNTAX,
            SCENES.max_objects,
            numbers_as_text=False,
            canonical_order=True,
        )

    @property
    def context(self) -> int:
        """Tokens before an answer."""
        return self.model.tower.num_tokens + sum(map(len, self.prompt))

    def ours(self, batch_size: int, count: int) -> list[Answer]:
        """Answers of the first images."""
        search = OneRow(NO_END, self.size.answer_tokens)
        return self._decode(range(count), search, batch_size, None)

    def told(
        self,
        images: range,
        batch_size: int,
        *,
        masked: bool = False,
        runaway: bool = False,
    ) -> list[Answer]:
        """Programs of drawn scenes; with `runaway` some go on for 500 tokens."""
        programs = self.programs[images.start : images.stop]
        if runaway:
            for place in range(3, len(programs), 16):
                endless = programs[place][:-1] * 500
                programs[place] = [*endless[:499], self.end_id]
        search = Told(programs, self.end_id)
        return self._decode(
            images, search, batch_size, self.grammar if masked else None
        )

    def _decode(
        self,
        images: range,
        search: Search,
        batch_size: int,
        grammar: ProgramGrammar | None,
    ) -> list[Answer]:
        features = self.features[images.start : images.stop]
        found = decode(
            self.model,
            self.prompt,
            lambda places: features[places],
            len(features),
            search=search,
            batch_size=batch_size,
            grammar=grammar,
        )
        return [answer for _, answer in sorted(found, key=lambda each: each[0])]

    def theirs(self, image: int) -> Answer:
        """The way of the paper's code."""
        vision = self.features[image : image + 1]
        return two_passes(self.model, self.prompt, vision, self.size.answer_tokens)


def random_model(size: Size, vocab_size: int, num_id: int) -> IGLLM:
    """A model that says different tokens, and ``[NUM]`` now and then."""
    model = build_model(
        build_tower(size.tower, SEED),
        size.model,
        vocab_size=vocab_size,
        num_id=num_id,
        seed=SEED,
    ).eval()
    with torch.no_grad():
        for name, weight in model.language_model.named_parameters():
            if weight.ndim > 1 and "lm_head" not in name:
                weight.mul_(3)  # or it would repeat itself
        # the largest of so many normal logits is about this many deviations away
        largest = math.sqrt(2 * math.log(vocab_size))
        model.language_model.lm_head.weight[num_id] *= largest
    return model


def answer_ids(stored: ProgramTokens, row: int) -> list[int]:
    """Tokens of a scene's answer, the end token included."""
    sequence = stored.sequence(row, None)
    ids: list[int] = sequence.ids[sequence.labels != IGNORE].tolist()
    return ids


def difference(bench: Bench, count: int) -> float:
    """Largest difference of a number between the ways.

    Raises:
        SystemExit: two ways say different text, or there is no number.
    """
    expected = [bench.theirs(image) for image in range(count)]
    if not any(answer.numbers for answer in expected):
        raise SystemExit("the model says no number; nothing would be compared")
    largest = 0.0
    for size in BATCHES:
        for mine, other in zip(bench.ours(size, size), expected, strict=False):
            if mine.ids != other.ids:
                raise SystemExit(f"batch {size}: the text differs from the baseline's")
            gaps = np.abs(np.subtract(mine.numbers, other.numbers))
            largest = max(largest, float(gaps.max(initial=0)))
    return largest


def cpu_seconds(act: Callable[[], object]) -> float:
    """Seconds of CPU that something takes."""
    start = time.process_time()
    act()
    return time.process_time() - start


def ways(bench: Bench) -> dict[str, tuple[int, Callable[[], object]]]:
    """What is measured by name, and how many images it decodes."""
    size, largest = bench.size, BATCHES[-1]
    alone, told = range(size.alone), range(size.told)
    parts = [range(i, min(i + largest, size.told)) for i in told[::largest]]
    found: dict[str, tuple[int, Callable[[], object]]] = {
        "baseline": (size.alone, lambda: [bench.theirs(image) for image in alone])
    }
    for batch in BATCHES:
        count = max(batch, size.alone)
        found[f"batch {batch}"] = (count, lambda b=batch, n=count: bench.ours(b, n))
    found["free"] = (size.told, lambda: bench.told(told, largest))
    found["grammar"] = (size.told, lambda: bench.told(told, largest, masked=True))
    if len(parts) == 1:
        return found

    def waiting(*, runaway: bool) -> None:
        for part in parts:
            bench.told(part, largest, runaway=runaway)

    found["waiting"] = (size.told, lambda: waiting(runaway=False))
    found["runaway"] = (size.told, lambda: bench.told(told, largest, runaway=True))
    found["runaway waiting"] = (size.told, lambda: waiting(runaway=True))
    return found


def measure(bench: Bench, rounds: int) -> dict[str, float]:
    """Seconds of CPU an image in each way, medians over rounds in which all turn."""
    found: dict[str, list[float]] = {name: [] for name in ways(bench)}
    turns = list(ways(bench).items())
    for number in range(rounds):
        for name, (count, act) in np.roll(np.array(turns, dtype=object), number, 0):
            found[name].append(cpu_seconds(act) / count)
        faster = found["baseline"][-1] / found[f"batch {BATCHES[-1]}"][-1]
        print(f"round {number + 1}: {faster:.2f}x", flush=True)
    return {name: float(np.median(times)) for name, times in found.items()}


def comparisons(name: str, seconds: dict[str, float]) -> list[Record]:
    """Ours in each batch against the baseline; the grammar; rows filled again."""
    baseline, unit = 1 / seconds["baseline"], "images/s"
    records = [
        more_is_better(
            f"decoding, {name}: batch {batch}",
            1 / seconds[f"batch {batch}"],
            baseline,
            unit,
        )
        for batch in BATCHES
    ]
    pairs = {
        "with the grammar": ("grammar", "free"),
        "rows filled again": ("free", "waiting"),
        "rows filled again, runaways": ("runaway", "runaway waiting"),
    }
    unit = "CPU s an image"
    for title, (mine, other) in pairs.items():
        if other in seconds:
            pair = seconds[mine], seconds[other]
            records.append(less_is_better(f"decoding, {name}: {title}", *pair, unit))
    return records


def table(records: Sequence[Record]) -> Iterator[str]:
    """A line for each comparison."""
    yield f"{'':44}{'ours':>10}{'baseline':>10}{'better':>9}"
    for each in records:
        yield (
            f"{each.name:44}{each.ours:10.4g}{each.baseline:10.4g}{each.ratio:8.2f}x"
            f"  {each.unit}"
        )


def run(name: str, rounds: int, checked: int) -> list[Record]:
    """Measures a size and prints what came out.

    Raises:
        SystemExit: the ways differ in text or numbers.
    """
    bench = Bench(SIZES[name]())
    trained = sum(p.numel() for p in bench.model.language_model.parameters())
    lengths = [len(program) for program in bench.programs]
    print(
        f"{name}: {trained / 1e6:.2f} M parameters, {bench.context} tokens before an "
        f"answer of {bench.size.answer_tokens}; programs of {min(lengths)} to "
        f"{max(lengths)} tokens; {torch.get_num_threads()} thread",
        flush=True,
    )
    largest = difference(bench, checked)
    if not largest <= NUMBERS_DIFFER:
        raise SystemExit(f"{name}: numbers differ by {largest:.1e}")
    print(f"same text; numbers differ by at most {largest:.1e}", flush=True)
    records = comparisons(name, measure(bench, rounds))
    print("\n".join(table(records)) + "\n", flush=True)
    return records


def main() -> None:
    """Reads the arguments, measures, writes the records."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=5, help="medians are over these")
    parser.add_argument("--checked", type=int, default=8, help="answers compared")
    parser.add_argument("--json", type=Path, help="where to write the records")
    options = parser.parse_args()
    torch.set_num_threads(1)
    records = [
        found
        for name in options.sizes
        for found in run(name, options.rounds, options.checked)
    ]
    if options.json:
        write_records(options.json, records)


if __name__ == "__main__":
    main()
