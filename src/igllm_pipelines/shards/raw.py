"""Reads a raw data folder: ours of several shards a split, or an official download.

::

    images/<split>-<nnnnn>.tar or images/<split>.tar, members possibly in folders
    labels/<split>.json
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from igllm_pipelines.scene.labels import read_labels
from igllm_pipelines.scene.scene import Scene
from igllm_pipelines.shards.tar import ShardError, TarIndex

Pixels = NDArray[np.uint8]
_IMAGES = (".png", ".jpg", ".jpeg")
_FORMATS = ("PNG", "JPEG")  # whatever the name; Pillow's reader of EPS runs a program
MAX_PIXELS = 2**26  # of an image: what is larger than 8192 x 8192 is no image of ours


class RawData:
    """Scenes and images of all splits; cheap to make, nothing is read before use.

    Safe to pickle and to use after a fork.

    Args:
        root: the folder with images/ and labels/.
        yaw: how a yaw without a quaternion is read, see `scene.labels`.
        limits: ``{split: number}`` of splits that end after so many scenes; their
            other images are passed over.
    """

    def __init__(
        self,
        root: Path,
        yaw: str = "stated",
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.root = Path(root)
        self._yaw, self._limits = yaw, dict(limits or {})
        self._scenes: dict[str, list[Scene]] = {}
        self._places: dict[str, dict[str, tuple[TarIndex, str]]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_scenes": {}, "_places": {}}

    def __repr__(self) -> str:
        return f"RawData({str(self.root)!r})"

    def splits(self) -> list[str]:
        """Names of the splits that have labels, sorted.

        Raises:
            ShardError: there is no label file.
        """
        names = sorted(path.stem for path in (self.root / "labels").glob("*.json"))
        if not names:
            raise ShardError(
                f"{self.root / 'labels'}: no label files; render or download the data"
            )
        return names

    def scenes(self, split: str) -> list[Scene]:
        """All scenes of a split, in the order of its label file.

        Raises:
            LabelError: the file is missing or a label cannot be read.
        """
        if split not in self._scenes:
            path, limit = (
                self.root / "labels" / f"{split}.json",
                self._limits.get(split),
            )
            self._scenes[split] = read_labels(path, yaw=self._yaw, limit=limit)
        return self._scenes[split]

    def filenames(self, split: str) -> list[str]:
        """Names of the images that the shards of `split` hold, in their order."""
        names = self._index(split)
        if split not in self._limits:
            return list(names)
        used = {scene.image_filename for scene in self.scenes(split)}
        return [name for name in names if name in used]

    def image_file(self, split: str, filename: str) -> bytes:
        """The PNG or JPEG file of an image, as it is stored.

        Raises:
            ShardError: the tar is missing or damaged, or does not hold it.
        """
        tar, member = self._place(split, filename)
        return tar.read(member)

    def image(self, split: str, filename: str) -> Pixels:
        """One image ``(height, width, 3)``, uint8.

        Raises:
            ShardError: the tar or the image is missing or damaged.
        """
        with self._opened(split, filename) as image:
            return np.asarray(image.convert("RGB"))

    def image_size(self, split: str, filename: str) -> tuple[int, int]:
        """Width and height of an image in pixels; its pixels are not decoded.

        Raises:
            ShardError: as `image`.
        """
        with self._opened(split, filename) as image:
            return image.size

    @contextmanager
    def _opened(self, split: str, filename: str) -> Iterator[Image.Image]:
        tar, member = self._place(split, filename)
        try:
            file = io.BytesIO(tar.read(member))
            with Image.open(file, formats=_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"it has more than {MAX_PIXELS} pixels")
                yield image
        except ShardError:
            raise
        except Exception as error:  # Pillow's readers raise all kinds on a broken file
            unknown = isinstance(error, UnidentifiedImageError)
            raise ShardError(
                f"{tar.path}: image {member} cannot be read "
                f"({'no image file' if unknown else error}); remove the tar and run "
                "the rendering again, or download it again"
            ) from error

    def batch(self, split: str, filenames: Sequence[str]) -> Pixels:
        """Images ``(batch, height, width, 3)`` in the order of `filenames`.

        Raises:
            ShardError: an image is missing or damaged, or sizes differ.
        """
        images = [self.image(split, filename) for filename in filenames]
        shapes = {image.shape for image in images}
        if len(shapes) > 1:
            raise ShardError(f"{self.root}: images of {split} differ in size: {shapes}")
        return np.stack(images) if images else np.empty((0, 0, 0, 3), dtype=np.uint8)

    def _place(self, split: str, filename: str) -> tuple[TarIndex, str]:
        index = self._index(split)
        if filename not in index:
            raise ShardError(
                f"{self.root / 'images'}: no tar of split {split} holds {filename!r}; "
                "render or download the data again"
            )
        return index[filename]

    def _index(self, split: str) -> dict[str, tuple[TarIndex, str]]:
        if split not in self._places:
            self._places[split] = self._build_index(split)
        return self._places[split]

    def _build_index(self, split: str) -> dict[str, tuple[TarIndex, str]]:
        places: dict[str, tuple[TarIndex, str]] = {}
        for path in self._tars(split):
            tar = TarIndex(path)
            for member in tar.members:
                name = PurePosixPath(member).name
                if not name.lower().endswith(_IMAGES) or name.startswith("._"):
                    continue
                if name in places:
                    raise ShardError(
                        f"{path}: {member} has the name of another image, "
                        f"{places[name][1]} in {places[name][0].path}; rename one"
                    )
                places[name] = (tar, member)
        return places

    def _tars(self, split: str) -> list[Path]:
        folder = self.root / "images"
        if not folder.is_dir():
            raise ShardError(f"{folder}: no such folder; render or download the data")
        shard = re.compile(rf"{re.escape(split)}(-\d+)?\.tar")
        tars = sorted(p for p in folder.glob("*.tar") if shard.fullmatch(p.name))
        if not tars:
            raise ShardError(
                f"{folder}: no tar of split {split} ({split}.tar or {split}-00000.tar);"
                " render or download the data"
            )
        return tars
