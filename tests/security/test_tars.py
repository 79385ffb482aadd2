"""Hostile tars, their stored indices and the images in them."""

import gzip
import io
import json
import struct
import tarfile
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from igllm_pipelines.infer.pictures import PictureError, read_picture
from igllm_pipelines.shards.journal import Journal
from igllm_pipelines.shards.raw import RawData
from igllm_pipelines.shards.tar import ShardError, TarIndex, read_members, write_tar

END = b"\0" * 1024


def base256(number):
    """A size in the form for those that octal digits cannot say, negative ones too."""
    sign = b"\xff" if number < 0 else b"\x80"
    return sign + (number % 256**11).to_bytes(11, "big")


def header(name=b"a.png", size=b"00000000000", kind=b"0", target=b"", **fields):
    """One header block, its sum as it should be."""
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    places = {"prefix": 345, "numbers": 386, "extended": 482, "real_size": 483}
    values = {0: name.ljust(100, b"\0"), 124: size, 156: kind, 157: target}
    values |= {places[field]: value for field, value in fields.items()}
    for place, value in values.items():
        block[place : place + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name=b"ok.png", data=b"abc", kind=b"0"):
    padded = data.ljust(-(-len(data) // 512) * 512, b"\0")
    return header(name, b"%011o" % len(data), kind) + padded


def pax(**fields):
    """A header of further fields for the member behind it."""
    rows = []
    for name, value in fields.items():
        key = name.replace("__", ".")
        length = len(key) + len(value) + 3
        length += len(str(length + len(str(length))))
        rows.append(f"{length} {key}={value}\n")
    return member(b"pax", "".join(rows).encode(), b"x")


SPARSE = {"numbers": b"00000000000\000000001000\0", "real_size": base256(2**40)}
HOSTILE = {
    "climbs": header(b"../evil.png"),
    "climbs_inside": header(b"a/../../evil.png"),
    "absolute": header(b"/tmp/evil.png"),
    "windows": header(b"..\\evil.png"),
    "prefix_climbs": header(prefix=b"../.."),
    "pax_climbs": pax(path="../../evil.png") + member(),
    "long_name_climbs": member(b"L", b"../" * 60 + b"evil.png\0", b"L") + member(),
    "no_name": header(b""),
    "negative_size": member() + header(size=base256(-512)),
    "negative_odd_size": header(size=base256(-1)),
    "negative_pax": header(kind=b"x", size=base256(-512)) + member(),
    "negative_long_name": header(kind=b"L", size=base256(-512)) + member(),
    "negative_size_in_pax": pax(size="-512") + member(),
    "pax_of_a_terabyte": header(kind=b"x", size=base256(2**40)) + member(),
    "pax_beyond_all_files": header(kind=b"x", size=base256(2**70)) + member(),
    "long_name_of_a_terabyte": header(kind=b"L", size=base256(2**40)) + member(),
    "member_beyond_the_file": header(size=base256(2**62)),
    "member_beyond_all_files": header(size=base256(2**80)),
    "size_beyond_the_file_in_pax": pax(size=str(2**50)) + member(),
    "sparse": header(kind=b"S", size=b"00000001000", **SPARSE) + b"z" * 512,
    "sparse_by_pax": pax(GNU__sparse__map=f"0,{2**40}", GNU__sparse__size=str(2**40))
    + member(),
    "sparse_map_in_the_data": pax(
        GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__name="a.png"
    )
    + member(),
    "headers_without_end": header(kind=b"x") * 3000 + member(),
    "long_names_without_end": (header(kind=b"L", size=b"00000000001") + END[:512])
    * 3000
    + member(),
    "pax_without_length": member(b"pax", b"0 path=x\n", b"x") + member(),
    "twice": member() + member(data=b"xyz"),
    "wrong_sum": b"a.png".ljust(512, b"1"),
}


@pytest.fixture
def place(tmp_path):
    """Where a hostile tar lies; nothing may appear anywhere beside it."""
    folder = tmp_path / "inside" / "images"
    folder.mkdir(parents=True)
    yield folder / "train.tar"
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert {path.name for path in folder.iterdir()} <= {"train.tar", ".index"}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tar(place, name):
    place.write_bytes(HOSTILE[name] + END)
    tracemalloc.start()
    with pytest.raises(ShardError, match=r"train\.tar: "):
        list(read_members(place))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


def test_a_compressed_tar_is_not_unpacked(place):
    place.write_bytes(gzip.compress(b"\0" * 10**7))
    with pytest.raises(ShardError, match="cut off or damaged"):
        list(read_members(place))


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_links_devices_and_pipes_are_no_members(place, kind):
    place.write_bytes(
        header(b"passwd", kind=kind, target=b"/etc/passwd") + member() + END
    )
    assert list(read_members(place)) == [("ok.png", b"abc")]
    with pytest.raises(ShardError, match="no member 'passwd'"):
        TarIndex(place).read("passwd")


SIZE = len(member() + END)
INDICES = {
    "infinite": {"ok.png": [float("inf"), 3]},
    "before_the_file": {"ok.png": [-5, 3]},
    "terabyte": {"ok.png": [512, 2**40]},
    "beyond_all_files": {"ok.png": [512, 2**80]},
    "negative": {"ok.png": [512, -600]},
    "climbs": {"../ok.png": [512, 3]},
    "text": {"ok.png": ["{code}", 1]},
    "list": [1],
}


@pytest.mark.parametrize("name", [*INDICES, "deep"])
def test_a_hostile_index_is_made_anew(place, canary, name):
    place.write_bytes(member() + END)
    index = place.parent / ".index" / "train.tar.json"
    index.parent.mkdir()
    text = json.dumps({"tar_size": SIZE, "members": INDICES.get(name)})
    text = text.replace("{code}", canary.code)
    index.write_text("[" * 100_000 if name == "deep" else text)
    assert list(read_members(place)) == [("ok.png", b"abc")]


def test_a_journal_that_leads_back_ends(tmp_path):
    path = tmp_path / "train.partial"
    path.write_bytes(header(b"0.png", base256(-512)) * 3)
    assert Journal(path, ("png",)).keys == set()


def png(width, height, *chunks):
    """A PNG file of so many gray pixels, as its header says."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    found = [(b"IHDR", size), *chunks, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in found)


def gray(mode="L", kind="PNG"):
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).convert(mode).save(file, kind)
    return file.getvalue()


PACKED = zlib.compress(b"\0" * 10**7)
SCRIPT = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({canary}) (w) file\n%%EOF\n"
IMAGES = {
    "bomb": png(30_000, 30_000, (b"IDAT", PACKED)),
    "wide_bomb": png(2**31 - 1, 1, (b"IDAT", PACKED)),
    "just_a_bomb": png(9_000, 9_000, (b"IDAT", PACKED)),
    "truncated": gray()[:-30],
    "no_pixels": png(4, 4),
    "text_bomb": png(4, 4, (b"zTXt", b"a\0\0" + zlib.compress(b"a" * 10**8))),
    "profile_bomb": png(4, 4, (b"iCCP", b"a\0\0" + zlib.compress(b"a" * 10**7))),
    "postscript": SCRIPT,
    "svg": "<svg xmlns='http://www.w3.org/2000/svg'><script>{code}</script></svg>",
    "pickle": b"\x80\x04}.",
    "html": "<html><script>{code}</script></html>",
    "nothing": b"",
}


def content_of(name, canary):
    content = IMAGES[name]
    if isinstance(content, str):
        named = content.replace("{canary}", str(canary.folder))
        content = named.replace("{code}", canary.code).encode()
    return content


@pytest.mark.parametrize("name", IMAGES)
def test_hostile_image_in_a_shard(tmp_path, canary, name):
    tar = tmp_path / "images" / "train.tar"
    write_tar(tar, [("a.png", content_of(name, canary))])
    with pytest.raises(ShardError, match=r"train\.tar: image a\.png cannot be read"):
        RawData(tmp_path).image("train", "a.png")


@pytest.mark.parametrize("name", sorted(IMAGES.keys() - {"just_a_bomb"}))
def test_hostile_picture_of_a_user(tmp_path, canary, name):
    file = tmp_path / "a.png"
    file.write_bytes(content_of(name, canary))
    for source in (file, file.read_bytes()):
        with pytest.raises(PictureError):
            read_picture(source)
