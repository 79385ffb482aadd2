"""The validation report and what follows from it: an error, or the data card."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from igllm_pipelines.domains.official import OfficialConfig
from igllm_pipelines.domains.sources import SceneConfig
from igllm_pipelines.scene import LabelError, Scene, scene_to_record

Report = dict[str, Any]
SHOWN = 5  # rows a check in an error message


class ValidationFailed(ValueError):
    """The data set is not what its configuration promises."""


class RawLabels(Protocol):
    """Label files and the names of the images beside them."""

    def scenes(self, split: str) -> list[Scene]:
        """Scenes of a split; a `LabelError` where they cannot be read."""

    def filenames(self, split: str) -> list[str]:
        """Names of the images of a split."""


class Validation(NamedTuple):
    """The checks of a data set.

    Attributes:
        report: ``valid``, ``splits`` (numbers of scenes and objects) and ``checks``:
            records of `suites.run_checks`. The same data give the same report.
        context: what `suites.data_docs` makes pages of.
    """

    report: Report
    context: Any


def validate_raw(raw: RawLabels, config: SceneConfig) -> Validation:
    """Checks a raw data folder: `validate_scenes` of all that can be read of it."""
    scenes, unreadable = {}, {}
    splits = splits_of(config)
    for split in splits:
        try:
            scenes[split] = raw.scenes(split)
        except LabelError as error:
            unreadable[split] = str(error)
    images = {split: raw.filenames(split) for split in splits}
    return validate_scenes(scenes, images, config, unreadable)


def splits_of(config: SceneConfig) -> tuple[str, ...]:
    """The splits that a data set of this configuration has."""
    if isinstance(config, OfficialConfig):
        return config.splits
    return tuple(config.num_scenes)


def validate_scenes(
    scenes: Mapping[str, Sequence[Scene]],
    images: Mapping[str, Sequence[str]],
    config: SceneConfig,
    unreadable: Mapping[str, str] | None = None,
) -> Validation:
    """Checks every label of a data set.

    Args:
        scenes: of every split that can be read.
        images: names of the images of every split.
        config: what the scenes were drawn from.
        unreadable: ``{split: reason}`` of label files that cannot be read.
    """
    from igllm_pipelines.validation.checks import checks_for
    from igllm_pipelines.validation.suites import MAX_ROWS, run_checks
    from igllm_pipelines.validation.tables import scene_tables

    broken = dict(unreadable or {})
    tables = scene_tables(scenes, images, config)
    splits = [split for split in splits_of(config) if split not in broken]
    # of a download, num_scenes says how many scenes to take at most
    promised = {} if isinstance(config, OfficialConfig) else config.num_scenes
    found = run_checks(checks_for(config), tables, splits, promised)
    checks = [
        *(_unreadable(split, reason) for split, reason in broken.items()),
        *found.records,
        *(
            _extra(split, names, MAX_ROWS)
            for split, names in tables.extra_images.items()
            if split not in broken
        ),
    ]
    report = {
        "valid": all(check["valid"] for check in checks),
        "splits": _counts(scenes),
        "checks": checks,
    }
    return Validation(report, found.context)


def _counts(scenes: Mapping[str, Sequence[Scene]]) -> dict[str, dict[str, int]]:
    return {
        split: {"scenes": len(rows), "objects": sum(len(s.objects) for s in rows)}
        for split, rows in scenes.items()
    }


def _unreadable(split: str, reason: str) -> Report:
    row = {"split": split, "reason": reason}
    return _own_check("labels can be read", split, [row], 1)


def _extra(split: str, names: Sequence[str], most: int) -> Report:
    rows = [{"split": split, "image": name} for name in names[:most]]
    return _own_check("every image has its label", split, rows, len(names))


def _own_check(name: str, split: str, rows: list[Report], failing: int) -> Report:
    """A check that needs no table."""
    return {
        **{"check": name, "expectation": None, "column": None, "limits": {}},
        **{"split": split, "valid": not rows, "failing": failing, "rows": rows},
    }


def require_valid(report: Mapping[str, Any], where: str = "the data set") -> None:
    """Stops the line where a check failed.

    Args:
        report: of `validate_scenes`.
        where: names the data in the error.

    Raises:
        ValidationFailed: says which check failed in which rows, and what to do.
    """
    failed = [check for check in report["checks"] if not check["valid"]]
    if report["valid"] and not failed:
        return
    lines = [line for check in failed for line in _failure_lines(check)]
    raise ValidationFailed(
        f"{where}: {len(failed)} of {len(report['checks'])} checks failed\n"
        + "\n".join(lines)
        + "\nMend or remove these labels, or change the scenes' parameters and render "
        "again; the whole list stands in validation.json."
    )


def _failure_lines(check: Mapping[str, Any]) -> list[str]:
    limits = _limits_text(check["limits"])
    head = f"  {check['check']} [{check['split']}]: {check['failing']} failing"
    rows = [f"    {_row_text(row)}" for row in check["rows"][:SHOWN]]
    more = check["failing"] - len(rows)
    if more > 0 and rows and check["column"]:
        rows.append(f"    and {more} more")
    return [f"{head} (allowed: {limits})" if limits else head, *rows]


def _limits_text(limits: Mapping[str, Any]) -> str:
    if "words" in limits:
        words = [str(word) for word in limits["words"]]
        return ", ".join(words if len(words) <= 8 else [*words[:8], "..."])
    return ", ".join(f"{name} {_short(value)}" for name, value in limits.items())


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row_text(row: Mapping[str, Any]) -> str:
    place = [str(row["split"])] if "split" in row else []
    if "image" in row:
        place.append(str(row["image"]))
    if "object" in row:
        place.append(f"object {row['object']}")
    rest = (k for k in row if k not in ("split", "image", "object"))
    values = ", ".join(f"{name}={_short(row[name])}" for name in rest)
    return ", ".join(place) + (f": {values}" if values else "")


def data_card(scenes: Mapping[str, Sequence[Scene]], report: Report) -> Report:
    """What a valid data set is: numbers of scenes and objects, digests of the labels.

    The digest is taken of the records that `scene_to_record` makes, so it does not
    depend on how the label file is written.

    Raises:
        ValidationFailed: the report is of no valid data set.
    """
    require_valid(report)
    splits = {
        split: {**counts, "labels_sha256": labels_digest(scenes[split])}
        for split, counts in report["splits"].items()
    }
    return {"valid": True, "splits": splits}


def labels_digest(scenes: Sequence[Scene]) -> str:
    """SHA-256 of the scenes' records, one JSON line a scene.

    >>> labels_digest([])[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for scene in scenes:
        digest.update(json.dumps(scene_to_record(scene), sort_keys=True).encode())
        digest.update(b"\n")
    return digest.hexdigest()
