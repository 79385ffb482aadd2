"""Pictures that users bring: found, read with care, made square for a model."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from igllm_pipelines.model.preprocess import fit_image

Pixels = NDArray[np.uint8]  # (height, width, 3)

# No format whose reader starts another program, as Pillow's does for EPS.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm"),
    "JPEG2000": (".jp2",),
    "TGA": (".tga",),
    "ICO": (".ico",),
}
_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes of 16 bit


class PictureError(ValueError):
    """A picture that cannot be read: says which and why."""


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """Files as they are given, and every picture below the folders, sorted.

    Hidden files are passed over, and each file comes once.

    Raises:
        PictureError: a path does not exist, or a folder holds no picture.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(filter(_is_picture, path.rglob("*")))
            if not inside:
                raise PictureError(f"{path}: the folder holds no picture")
            found |= dict.fromkeys(inside)
        elif path.exists():
            found[path] = None
        else:
            raise PictureError(f"{path}: there is no such file")
    return list(found)


def _is_picture(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in _SUFFIXES and not hidden and path.is_file()


def read_picture(source: Path | bytes) -> Pixels:
    """The first frame of a picture file, as it is meant to be seen.

    Turned as EXIF says; what is transparent shows white; 16 bit become 8; palettes,
    gray and CMYK become RGB.

    Args:
        source: a file or its content.

    Returns:
        ``(height, width, 3)``.

    Raises:
        PictureError: it is no picture, broken, too large, or of another format.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    name = str(source) if isinstance(source, Path) else "the picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF fields
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = source if isinstance(source, Path) else BytesIO(source)
            with Image.open(file, formats=list(FORMATS)) as image:
                return _rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise PictureError(f"{name}: it is no picture of {known}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        most = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise PictureError(
            f"{name}: it has more than {most} million pixels; make it smaller"
        ) from error
    except Exception as error:  # Pillow's readers raise all kinds on a broken file
        reason = error.strerror if isinstance(error, OSError) else None
        raise PictureError(f"{name}: it cannot be read ({reason or error})") from error


def _rgb(image: Any) -> Pixels:
    """8 bit RGB of a Pillow image, over white."""
    from PIL import Image

    if image.mode in _DEEP:
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bit: save it with 8 or 16")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


class NamedPictures:
    """Pictures of any size, made square as a tower takes them.

    A tower that knows only images of its own size sees the middle of others.

    Args:
        pictures: by name, each ``(height, width, 3)``.
        settings: the tower's, `Tower.settings`.
    """

    def __init__(
        self, pictures: Mapping[str, Pixels], settings: Mapping[str, Any]
    ) -> None:
        self._pictures = pictures
        fit = settings.get("fit", "exact")
        self._fit = "square" if fit == "exact" else fit
        self._side = int(settings["image_px"])

    def batch(self, split: str, filenames: Sequence[str]) -> Pixels:
        """Images ``(batch, side, side, 3)`` in the order of `filenames`."""
        images = (self._pictures[name] for name in filenames)
        return np.stack([fit_image(i, self._fit, self._side) for i in images])
