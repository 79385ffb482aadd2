"""The official downloads as sources of scenes: ``source: official`` and ``root``.

``root`` is the folder of the download, which holds CLEVR, 2D, SO3, 6DoF and ShapeNet,
or the domain's own folder in it.

The pictures of 2D are not part of the download: `OfficialDots` takes the positions of
``2d.npz`` and our renderer draws them. Everything else is `OfficialConfig`.
"""

import hashlib
import inspect
from collections.abc import Collection, Mapping
from dataclasses import InitVar, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.domains.dots import EVERYWHERE, DotsConfig, dot_at
from igllm_pipelines.domains.drawn import image_name
from igllm_pipelines.domains.fields import check_splits
from igllm_pipelines.scene.labels import YAWS
from igllm_pipelines.scene.scene import Scene, SceneObject

FOLDERS: Mapping[str, str] = {
    "2d": "2D",
    "clevr": "CLEVR",
    "so3": "SO3",
    "6dof": "6DoF",
    "shapenet": "ShapeNet",
}
SPLITS: Mapping[str, tuple[str, ...]] = {
    "2d": ("train", "val_ID", EVERYWHERE),
    "clevr": ("train", "val_ID", "val_OOD"),
    "so3": ("train", "val_ID", "val_OOD"),
    "6dof": ("train", "val_ID"),
    "shapenet": ("train", "val_ID", "val_OOD_texture", "val_OOD_shape"),
}
TRAINING_ARRAYS = ("checkerboard_sparse", "checkerboard")
VAL_DOTS = 400
MAX_BYTES = 2**28  # of 2d.npz, unpacked: sixteen million dots


def official_folder(root: str | Path, domain: str) -> Path:
    """The domain's folder in a download, or `root` where it is that folder."""
    inside = Path(root) / FOLDERS[domain]
    return (inside if inside.is_dir() else Path(root)).absolute()


def official_source(
    domain: str, parameters: Mapping[str, Any], drawn: Collection[str]
) -> "OfficialConfig | OfficialDots":
    """The source that ``scenes.<domain>`` with ``source: official`` asks for.

    Args:
        domain: its name.
        parameters: without ``source``: fields of `OfficialConfig`, or in 2D the
            arguments of `read_official_dots`.
        drawn: parameters of scenes that are drawn. They mean nothing here and are
            passed over, since an environment of Kedro's cannot take them away.

    Raises:
        ValueError: a parameter is missing, unknown or out of range.
    """
    if not parameters.get("root"):
        raise ValueError("source: official needs root, the folder of the download")
    make = read_official_dots if domain == "2d" else partial(OfficialConfig, domain)
    taken = inspect.signature(make).parameters
    return make(**{k: v for k, v in parameters.items() if k in taken or k not in drawn})


def _limits(domain: str, num_scenes: Mapping[str, int] | None) -> dict[str, int]:
    """The numbers of the splits that the download has, checked."""
    given = dict(num_scenes or {})
    check_splits(domain, given)
    limits = {split: count for split, count in given.items() if split in SPLITS[domain]}
    if any(count < 1 for count in limits.values()):
        raise ValueError("num_scenes must be at least 1")
    return limits


@dataclass(frozen=True)
class OfficialConfig:
    """Scenes and pictures of an official download, read where they lie.

    Attributes:
        domain: its name, not 2d.
        root: folder of the download.
        num_scenes: at most so many scenes of a split, the first ones, as the paper
            trains CLEVR on ``{train: 4000}``; splits that are not named are used whole.
        yaw: how CLEVR's ``rotation`` is read. Its generator drew a number of degrees in
            [0, 360) and handed it to Blender, which takes radians. ``rendered``: the
            yaw that the pictures show, the number modulo 2 pi in radians. ``stated``:
            the paper's reading, degrees. Other domains are not concerned.
    """

    domain: str
    root: str
    num_scenes: Mapping[str, int] = field(default_factory=dict)
    yaw: str = "rendered"

    # no fields: there is nothing to draw from
    generator = "official"
    picture = "official"
    assets = None
    min_visible_pixels = 0.0
    finish = None  # nothing can be rendered: labels name no camera and no lights

    def __post_init__(self) -> None:
        limits = _limits(self.domain, self.num_scenes)
        object.__setattr__(self, "num_scenes", limits)
        if self.yaw not in YAWS:
            raise ValueError(f"yaw must be {' or '.join(YAWS)}, it is {self.yaw!r}")

    @property
    def folder(self) -> Path:
        """With images/ and labels/."""
        return official_folder(self.root, self.domain)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of the download."""
        return SPLITS[self.domain]


@dataclass(frozen=True)
class OfficialDots:
    """Dots at the positions of the official ``2d.npz``.

    Attributes:
        positions: ``{split: (n, 2)}``, x and y in image sides.
        width_px: side of the square image.
        radius: of the dot, in image sides.
        num_scenes: of each split.
        digest: of the positions.
    """

    positions: InitVar[Mapping[str, NDArray[np.float64]]]
    width_px: int = DotsConfig.width_px
    radius: float = DotsConfig.radius
    num_scenes: Mapping[str, int] = field(init=False)
    digest: str = field(init=False)

    # no fields: they name the code, not the choice of scenes
    generator = "official-2d"
    picture = "dot"
    assets = None
    min_visible_pixels = 0.0

    def __post_init__(self, positions: Mapping[str, NDArray[np.float64]]) -> None:
        if self.width_px < 1:
            raise ValueError(f"width_px must be positive, it is {self.width_px}")
        if not 0 < self.radius < 0.5:
            raise ValueError(f"radius must lie in (0, 0.5), it is {self.radius}")
        digest = hashlib.sha256()
        for split, rows in positions.items():
            digest.update(f"{split} {len(rows)}\n".encode() + rows.tobytes())
        counts = {split: len(rows) for split, rows in positions.items()}
        object.__setattr__(self, "num_scenes", counts)
        object.__setattr__(self, "digest", digest.hexdigest())
        object.__setattr__(self, "_positions", dict(positions))

    def draw(self, seed: int, split: str, index: int, attempt: int) -> Scene:
        """The dot of this index; nothing is drawn at random."""
        del seed, attempt
        x, y = self._positions[split][index].tolist()  # type: ignore[attr-defined]
        dot = dot_at(x, y, self.width_px, self.radius)
        name = self.filename(split, index)
        return Scene((dot,), image_filename=name, generator=self.generator)

    def filename(self, split: str, index: int) -> str:
        """Name of the image."""
        return image_name(DotsConfig.prefix, split, index)

    def nominal(self) -> Scene:
        """An image without a dot: it has neither camera nor lights."""
        return Scene(())

    def finish(self, obj: SceneObject) -> SceneObject:
        """A predicted dot as it is: its position says all."""
        return obj


def read_official_dots(
    root: str,
    num_scenes: Mapping[str, int] | None = None,
    width_px: int = DotsConfig.width_px,
    radius: float = DotsConfig.radius,
) -> OfficialDots:
    """The dots of a download.

    Training takes the array ``checkerboard_sparse`` but its last rows, which are
    ``val_ID``; the array ``random`` is the split of that name. An export of our own
    that trains on every second cell has ``checkerboard`` in its place.

    Args:
        root: folder of the download.
        num_scenes: at most so many of a split, the first ones; of ``val_ID`` exactly
            so many, `VAL_DOTS` where it is not given.
        width_px: side of the square image.
        radius: of the dot, in image sides.

    Raises:
        ValueError: the file is missing or does not hold what it should, or nothing is
            left for training.
    """
    limits = _limits("2d", num_scenes)
    path = official_folder(root, "2d") / "2d.npz"
    training, everywhere = _read_positions(path)
    cut = len(training) - limits.get("val_ID", VAL_DOTS)
    if cut < 1:
        raise ValueError(
            f"{path}: {len(training)} training dots leave none beside those of val_ID: "
            "lower num_scenes.val_ID"
        )
    rows = {"train": training[:cut], "val_ID": training[cut:], EVERYWHERE: everywhere}
    positions = {split: found[: limits.get(split)] for split, found in rows.items()}
    return OfficialDots(positions, width_px, radius)


def _read_positions(
    path: Path,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Training positions and those of the whole image."""
    try:
        # numpy leaves a damaged file open where it opens it itself
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            unpacked = sum(member.file_size for member in file.zip.infolist())
            if unpacked > MAX_BYTES:
                raise ValueError(f"it unpacks to {unpacked} bytes")
            arrays = {name: np.asarray(file[name], np.float64) for name in file.files}
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; download it, or set root") from None
    except Exception as error:  # numpy, zipfile and zlib raise many kinds
        raise ValueError(
            f"{path} cannot be read ({error}); download it again"
        ) from None
    training = next((name for name in TRAINING_ARRAYS if name in arrays), None)
    if training is None or EVERYWHERE not in arrays:
        raise ValueError(
            f"{path} must hold the arrays {TRAINING_ARRAYS[0]} and {EVERYWHERE}, it "
            f"holds {', '.join(sorted(arrays)) or 'none'}"
        )
    for name in (training, EVERYWHERE):
        _check_positions(path, name, arrays[name])
    return arrays[training], arrays[EVERYWHERE]


def _check_positions(path: Path, name: str, rows: NDArray[np.float64]) -> None:
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise ValueError(f"{path}: {name} must have the shape (n, 2), not {rows.shape}")
    bad = np.flatnonzero(~np.all((rows >= 0) & (rows <= 1), axis=1))
    if len(bad):
        raise ValueError(
            f"{path}: row {bad[0]} of {name} is {rows[bad[0]].tolist()}; positions lie "
            "in [0, 1]"
        )
