"""What a report says in words: at which scale it was made and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass

from igllm_pipelines.report.paper import PAPER, TABLES
from igllm_pipelines.report.tables import (
    METRICS,
    Comparison,
    Metrics,
    format_interval,
    format_metric,
    is_worse,
    winner,
)
from igllm_pipelines.scene.program import WORD_ATTRIBUTES

FAR_FALL = 10.0  # percentage points between two splits that are worth a sentence


@dataclass(frozen=True)
class Scale:
    """At which scale the models were made.

    Attributes:
        train_images: number of training images; None: those of a whole download.
        image_px: side of the image; None: of a download, which has its own.
        steps: optimizer steps of each encoding.
        test_images: number of scored images of each split.
        pretrained: the language model that was tuned; None: one from scratch.
    """

    train_images: int | None
    image_px: int | None
    steps: Mapping[str, int]
    test_images: Mapping[str, int]
    pretrained: str | None = None


# optimizer steps of the paper
PAPER_STEPS: Mapping[str, int] = {"6dof": 200_000, "shapenet": 500_000}
_OTHERS_STEPS = 40_000


def scale_note(domain: str, scale: Scale) -> str:
    """Says at which scale this is, and which is the paper's."""
    steps = " and ".join(f"{count:,}" for count in sorted({*scale.steps.values()}))
    tests = ", ".join(f"{count:,} of {s}" for s, count in scale.test_images.items())
    done = f"{_images(scale)} for {steps} steps, scored on {tests} images."
    paper = (
        "The paper tunes a 7-billion-weight model on 336 x 336 pixels for "
        f"{PAPER_STEPS.get(domain, _OTHERS_STEPS):,} steps"
    )
    if scale.pretrained is not None:
        return f"{scale.pretrained}, tuned on {done} {paper}."
    return (
        f"This is the small scale: a tiny model, trained from scratch on {done} "
        f"{paper}: its figures are the goal of the large scale, not of this one."
    )


def _images(scale: Scale) -> str:
    if scale.train_images is None:
        return "the official images"
    if scale.image_px is None:
        return f"{scale.train_images:,} official images"
    return (
        f"{scale.train_images:,} images of {scale.image_px} x {scale.image_px} pixels"
    )


def findings(domain: str, metrics: Metrics, splits: tuple[str, ...]) -> list[str]:
    """What the numbers say, in a sentence or two; nothing where they are missing."""
    if domain == "2d":
        return _dot_findings(metrics, splits[-1])
    return _object_findings(metrics, splits)


def _dot_findings(metrics: Metrics, split: str) -> list[str]:
    char, value = (metrics.get(e, {}).get(split, {}) for e in ("char", "float"))
    found = []
    if char.get("mse") and value.get("mse"):
        ratio = char["mse"] / value["mse"]
        low, high = ("float", "char") if ratio >= 1 else ("char", "float")
        times = ratio if ratio >= 1 else 1 / ratio
        found.append(
            f"Over the whole image ({split}), the squared error of {low} is "
            f"{times:.3g} times lower than that of {high}."
        )
    if "snap" in char and "snap" in value:
        found.append(
            f"Of the points outside the training cells, char puts "
            f"{char['snap']:.0f} % into one, float {value['snap']:.0f} %."
        )
    return found


def _object_findings(metrics: Metrics, splits: tuple[str, ...]) -> list[str]:
    found = []
    for split in splits:
        places = _of_encodings(metrics, split, "l2", "m")
        turns = _of_encodings(metrics, split, "geodesic", "degrees")
        parts = [f"objects are found {places} from where they are"] if places else []
        parts += [f"orientations are {turns} off"] if turns else []
        if parts:
            found.append(f"{split}: {'; '.join(parts)}.")
    falls = [_falls(metrics, splits[0], other) for other in splits[1:]]
    return [*found, *(sentence for fall in falls for sentence in fall)]


def _of_encodings(metrics: Metrics, split: str, name: str, unit: str) -> str:
    """``0.46 m (char) and 0.32 m (float)``, empty where nothing was measured."""
    return " and ".join(
        f"{format_metric(name, value)} {unit} ({encoding})"
        for encoding, values in metrics.items()
        if (value := values.get(split, {}).get(name)) is not None
    )


def _falls(metrics: Metrics, before: str, after: str) -> list[str]:
    """Names each accuracy that falls far from one split to the other."""
    found = []
    for word in (*WORD_ATTRIBUTES, "category"):
        parts = [
            f"{old:.1f} to {new:.1f} % ({encoding})"
            for encoding, values in metrics.items()
            if (old := values.get(before, {}).get(word)) is not None
            and (new := values.get(after, {}).get(word)) is not None
            and old - new >= FAR_FALL
        ]
        if parts:
            falls = " and from ".join(parts)
            found.append(
                f"From {before} to {after}, {word} falls from {falls}: what is learned "
                f"of {word} does not carry over."
            )
    return found


def comparison_findings(comparison: Comparison, splits: tuple[str, ...]) -> list[str]:
    """Where char and float differ by more than chance, and where that is not known."""
    found = []
    for split in splits:
        known = {n: m for n, m in comparison.get(split, {}).items() if n in METRICS}
        better: dict[str, list[str]] = {"char": [], "float": []}
        for name, measured in known.items():
            if encoding := winner(name, measured):
                interval = format_interval(name, measured)
                better[encoding].append(f"{METRICS[name].title} ({interval})")
        parts = [f"{w} is better in {', '.join(t)}" for w, t in better.items() if t]
        if parts:
            found.append(
                f"On the same images of {split}, {' and '.join(parts)}; in brackets "
                "the 95 % interval of char minus float."
            )
        elif known:
            found.append(
                f"On the same images of {split}, no difference between char and float "
                "is more than chance."
            )
    return found


def paper_findings(domain: str, metrics: Metrics, splits: tuple[str, ...]) -> list[str]:
    """Which of ours are worse than the paper's, and which are not."""
    compared = [
        (is_worse(name, value, paper), f"{METRICS[name].title} ({encoding}, {split})")
        for split in splits
        for name, of_encodings in PAPER.get(domain, {}).get(split, {}).items()
        for encoding, paper in of_encodings.items()
        if (value := metrics.get(encoding, {}).get(split, {}).get(name)) is not None
    ]
    if not compared:
        return []
    worse = sum(is_it for is_it, _ in compared)
    rest = [name for is_it, name in compared if not is_it]
    sentence = (
        f"Worse than Table {TABLES[domain]} of the paper in {worse} of {len(compared)} "
        "numbers"
    )
    return [f"{sentence}; not worse: {', '.join(rest)}." if rest else f"{sentence}."]
