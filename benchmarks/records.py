"""What every benchmark writes with ``--json FILE``: ours beside a baseline.

The file holds a list of ``{"name", "ours", "baseline", "ratio", "unit"}``. A ratio
above 1 says that ours is better, whatever the unit.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """One comparison.

    Attributes:
        name: what was measured.
        ours, baseline: the two figures in `unit`.
        ratio: how many times better ours is.
        unit: of both figures.
    """

    name: str
    ours: float
    baseline: float
    ratio: float
    unit: str

    def __post_init__(self) -> None:
        for value in (self.ours, self.baseline, self.ratio):
            if not math.isfinite(value):
                raise ValueError(f"{self.name}: {value} is no measurement")


def more_is_better(name: str, ours: float, baseline: float, unit: str) -> Record:
    """A record of speeds.

    >>> more_is_better("rendering", 6.0, 4.0, "images/s").ratio
    1.5
    """
    return Record(name, ours, baseline, ours / baseline, unit)


def less_is_better(name: str, ours: float, baseline: float, unit: str) -> Record:
    """A record of times, sizes or errors.

    >>> less_is_better("training step", 2.0, 5.0, "s").ratio
    2.5
    """
    return Record(name, ours, baseline, baseline / ours, unit)


def write_records(file: Path, records: Sequence[Record]) -> None:
    """Writes records as JSON; the file appears whole or not at all."""
    text = json.dumps([asdict(record) for record in records], indent=1)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, file)
