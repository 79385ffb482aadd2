"""``igllm evaluate``: scores a file of predictions against a file of labels."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from igllm_pipelines.metrics.labels import Labels
    from igllm_pipelines.metrics.protocols import Protocol, Scores

_REPS = ("yaw", "euler", "euler_int", "aa", "6d", "quat")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--labels", required=True, type=_FILE, help="Labels of one split, JSON.")
@click.option("--predictions", required=True, type=_FILE, help="Answers, JSON.")
@click.option(
    "--rotation-rep",
    required=True,
    type=click.Choice(_REPS),
    help="How the programs write rotations; yaw is CLEVR's.",
)
@click.option(
    "--protocol",
    default="strict",
    show_default=True,
    type=click.Choice(("reference", "strict")),
    help="reference: as the paper's script counts; strict: nothing is excused.",
)
@click.option(
    "--symmetries",
    type=_FILE,
    help='JSON {"<shape>": order}: it looks the same after a turn by 360/order degrees '
    "about its z axis, 0 for any turn. Adds geod_symmetric; strict only.",
)
@click.option("--json", "out", type=_FILE, help="Also writes the scores there.")
def evaluate(
    *,
    labels: Path,
    predictions: Path,
    rotation_rep: str,
    protocol: str,
    symmetries: Path | None,
    out: Path | None,
) -> None:
    """How good predictions are, by the paper's protocol or by a strict one.

    Labels are the official files or ours. Predictions are the paper's file ({"answers":
    {"<path>/<image>": {"outputs": "<text>"}}}) or our records.

    \b
    igllm evaluate --labels val_ID.json --predictions predictions.json \\
        --rotation-rep 6d --protocol reference --json scores.json
    """
    from igllm_pipelines.metrics.answers import in_order, read_answers
    from igllm_pipelines.metrics.labels import read_label_table
    from igllm_pipelines.metrics.protocols import reference_scores, strict_scores

    if symmetries and protocol == "reference":
        raise click.UsageError("--symmetries: the protocol reference knows none")
    orders = _read_symmetries(symmetries) if symmetries else {}
    has_angle = protocol == "strict" or rotation_rep != "yaw"
    true = read_label_table(labels, rotations=has_angle)
    answers = in_order(read_answers(predictions, labels.stem), true.images)
    score = reference_scores if protocol == "reference" else strict_scores
    scores = score(true, answers, _protocol(true, rotation_rep, orders))
    if out:
        _write(out, scores)
    click.echo(_text(scores))


def _read_symmetries(file: Path) -> dict[str, int]:
    try:
        orders = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise click.ClickException(f"{file}: no JSON can be read ({error})") from None
    if not isinstance(orders, dict) or not all(
        isinstance(order, int) and not isinstance(order, bool) and order >= 0
        for order in orders.values()
    ):
        raise click.ClickException(
            f'{file}: wanted is {{"<shape>": order}}, each order a whole number from 0'
        )
    return orders


def _protocol(
    labels: "Labels", rotation_rep: str, symmetries: Mapping[str, int]
) -> "Protocol":
    """CLEVR's synonyms for attributes whose labels use CLEVR's words alone."""
    from igllm_pipelines.domains import CLEVR_SYNONYMS, CLEVR_WORDS, DOMAINS
    from igllm_pipelines.metrics.protocols import Protocol

    words = {
        name: known
        for name, known in CLEVR_WORDS.items()
        if {*labels.objects.words[name].tolist()} <= {"", *known}
    }
    clevr = DOMAINS["clevr"].syntax
    return Protocol(
        rotation_rep,
        words,
        {name: CLEVR_SYNONYMS[name] for name in words if name in CLEVR_SYNONYMS},
        {**(clevr.symmetries if rotation_rep == "yaw" else {}), **symmetries},
    )


def _write(file: Path, scores: "Scores") -> None:
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, file)


def _text(scores: "Scores") -> str:
    lines = []
    intervals = scores.get("intervals", {})
    for name, value in scores.items():
        if name not in ("detection", "intervals"):
            lines.append(f"{name:<15} {_number(value)}{_between(intervals.get(name))}")
    for threshold, found in (scores.get("detection") or {}).items():
        for name, value in found.items():
            title = f"{name.replace('average_precision', 'ap')}@{threshold}"
            between = _between(intervals.get(f"{name}@{threshold}"))
            lines.append(f"{title:<15} {_number(value)}{between}")
    return "\n".join(lines)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _between(interval: list[float] | None) -> str:
    return f"  [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
