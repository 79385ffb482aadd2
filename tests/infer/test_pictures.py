import contextlib
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.infer.pictures import (
    FORMATS,
    NamedPictures,
    PictureError,
    find_pictures,
    read_picture,
)

LEFT, RIGHT = (250, 10, 20), (10, 20, 250)
ORIENTATION = 0x0112  # of EXIF


def halves(width=16, height=8):
    """The left half red, the right one blue."""
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = LEFT, RIGHT
    return pixels


def encoded(image, kind, **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def close(pixels, expected, tolerance=12):
    return np.abs(pixels.astype(int) - np.asarray(expected)).max() <= tolerance


@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_every_format_is_read(kind, tmp_path):
    picture = Image.fromarray(halves(64, 64))
    options = {"sizes": [(64, 64)]} if kind == "ICO" else {}
    if kind == "GIF":
        picture = picture.quantize(4)
    file = tmp_path / f"a{FORMATS[kind][0]}"
    picture.save(file, kind, **options)
    for source in (file, file.read_bytes()):
        pixels = read_picture(source)
        assert pixels.shape == (64, 64, 3)
        assert pixels.dtype == np.uint8
        assert close(pixels[:, :20], LEFT)
        assert close(pixels[:, -20:], RIGHT)


@pytest.mark.parametrize(
    ("orientation", "shape"), [(1, (8, 16)), (3, (8, 16)), (6, (16, 8)), (8, (16, 8))]
)
def test_a_picture_stands_as_exif_says(orientation, shape):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(Image.fromarray(halves()), "PNG", exif=exif)
    pixels = read_picture(content)
    assert pixels.shape == (*shape, 3)
    # the camera's left side: where it is once the picture is upright
    first = {1: (0, 0), 3: (-1, -1), 6: (0, 0), 8: (-1, -1)}[orientation]
    assert tuple(pixels[first]) == LEFT


def test_transparent_pixels_are_white():
    pixels = np.dstack([halves(), np.zeros((8, 16), np.uint8)])
    pixels[:, :4, 3] = 255
    pixels[:, 4:8, 3] = 128
    found = read_picture(encoded(Image.fromarray(pixels), "PNG"))
    assert (found[:, :4] == LEFT).all()
    assert close(found[:, 4:8], [(c + 255) / 2 for c in LEFT], 1)
    assert (found[:, 8:] == 255).all()


def test_a_transparent_color_of_a_palette_is_white():
    image = Image.fromarray(halves()).quantize(2)
    index = image.getpixel((0, 0))
    found = read_picture(encoded(image, "PNG", transparency=index))
    assert (found[:, :8] == 255).all()
    assert close(found[:, 8:], RIGHT)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind):
    deep = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    found = read_picture(encoded(Image.fromarray(deep), kind))
    assert (found == (deep // 256)[..., None]).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode):
    gray = Image.fromarray(np.full((8, 8), 255, np.uint8))
    kind = {"CMYK": "TIFF", "YCbCr": "JPEG"}.get(mode, "PNG")
    assert (read_picture(encoded(gray.convert("RGB").convert(mode), kind)) == 255).all()


def test_pixels_of_32_bit_are_refused():
    content = encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
    with pytest.raises(PictureError, match="pixels of 32 bit"):
        read_picture(content)


def test_a_file_that_is_no_picture_is_named(tmp_path):
    file = tmp_path / "a.png"
    file.write_text("hello")
    with pytest.raises(PictureError, match=r"a\.png: it is no picture of PNG, JPEG"):
        read_picture(file)
    with pytest.raises(PictureError, match=r"b\.png: .*No such file"):
        read_picture(tmp_path / "b.png")
    with pytest.raises(PictureError, match="Is a directory"):
        read_picture(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_cut_or_scrambled_file_is_an_error_or_a_picture(kind):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    with pytest.raises(PictureError):
        read_picture(content[: len(content) // 2])
    rng = np.random.default_rng(1)
    for _ in range(50):
        broken = bytearray(content)
        for place in rng.integers(0, len(content), 8):
            broken[place] = rng.integers(0, 256)
        with contextlib.suppress(PictureError):
            assert read_picture(bytes(broken)).ndim == 3


def png_of(width, height):
    """A PNG that says it is so large, without its pixels."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


@pytest.mark.parametrize("side", [9_500, 20_000])  # Pillow warns of one, stops at one
def test_a_picture_that_would_fill_the_memory_is_refused(side):
    with pytest.raises(PictureError, match="more than 89 million pixels"):
        read_picture(png_of(side, side))
    with pytest.raises(PictureError, match="truncated"):
        read_picture(png_of(9, 9))


def test_postscript_is_not_run(tmp_path):
    file = tmp_path / "a.eps"
    Image.fromarray(halves()).save(file, "EPS")
    with pytest.raises(PictureError, match="it is no picture"):
        read_picture(file)


def test_pictures_are_found_in_folders_in_order(tmp_path):
    inside = ("b/2.JPG", "b/1.png", "a.webp", "b/._1.png", "b/notes.txt", "c.png/d.gif")
    for name in inside:
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    other = tmp_path / "other.data"
    other.touch()
    found = find_pictures([other, tmp_path / "in", tmp_path / "in" / "a.webp"])
    names = ["other.data", "in/a.webp", "in/b/1.png", "in/b/2.JPG", "in/c.png/d.gif"]
    assert found == [tmp_path / name for name in names]


def test_folders_without_pictures_and_wrong_paths_are_named(tmp_path):
    with pytest.raises(PictureError, match="the folder holds no picture"):
        find_pictures([tmp_path])
    with pytest.raises(PictureError, match=r"nowhere\.png: there is no such file"):
        find_pictures([tmp_path / "nowhere.png"])


@pytest.mark.parametrize("fit", ["exact", "square", "pad"])
def test_pictures_are_made_square(fit):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    settings = {"image_px": 10, "fit": fit}
    batch = NamedPictures({"a": wide, "b": wide[:, 10:20]}, settings).batch(
        "any", ["b", "a"]
    )
    assert batch.shape == (2, 10, 10, 3)
    assert (batch[0] == 200).all()
    # the middle alone, or all of it between bars
    assert (batch[1, 5].mean() > 190) == (fit != "pad")
