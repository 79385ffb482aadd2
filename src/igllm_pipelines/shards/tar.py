"""Tar files with random access: written whole under a temporary name, read by offset.

A tar keeps an index of its members beside it (``.index/<name>.json``). The index is
trusted only while the tar has the size it was made for, and each read checks the
member's own header, so that a replaced tar is noticed.
"""

import json
import os
import tarfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

BLOCK = tarfile.BLOCKSIZE
MAX_HEADER = 2**20  # bytes of a long name and of what else stands before a member
MAX_MEMBER = 2**30  # bytes of an image or label that are read at once
# what `tarfile` and `json` raise where a hostile file leads them astray
_CONFUSED = (ValueError, OverflowError, RecursionError)
Span = tuple[int, int]  # where a member's data begin, and how long they are


class ShardError(RuntimeError):
    """Images on disk that cannot be used: says which, what is wrong, what to do."""


def member_header(name: str, size: int) -> bytes:
    """A header block without time, owner and other traces of this machine."""
    check_name(name, "a new shard")
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, 0
    return info.tobuf(tarfile.USTAR_FORMAT)


def member_bytes(name: str, data: bytes) -> bytes:
    """A whole member: header, data, padding to full blocks."""
    return member_header(name, len(data)) + data + b"\0" * (-len(data) % BLOCK)


def check_name(name: str, where: str) -> None:
    """Refuses a member name that would leave the folder it is unpacked into.

    Raises:
        ShardError: the name is absolute or climbs up.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.name:
        raise ShardError(f"{where}: member {name!r} would leave its folder; not read")


def write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Writes `members` in the order given; a tar under `path` is whole or absent.

    Raises:
        OSError: it cannot be written, the disk is full for one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            for name, data in members:
                file.write(member_bytes(name, data))
            file.write(b"\0" * (2 * BLOCK))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f"{path}: cannot be written ({error})") from error


def scan(path: Path) -> dict[str, Span]:
    """The members that are files, in their order in the tar.

    Raises:
        ShardError: the file is missing, no tar, cut off, a member's name leads out of
            its folder, two have one name, or a header lies.
    """
    try:
        with path.open("rb") as file:
            members, end = _scan_open(_Headers(file, path.stat().st_size))
    except FileNotFoundError:
        raise ShardError(f"{path}: no such file; render or download it") from None
    except (tarfile.TarError, EOFError, *_CONFUSED) as error:
        raise ShardError(_broken(path, str(error))) from error
    if not end or not _ends_well(path, end):
        raise ShardError(_broken(path, "its end is missing"))
    for name in members:
        check_name(name, str(path))
    return members


class _Headers:
    """A file of which `tarfile` reads headers alone, whatever size they claim."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise tarfile.ReadError(f"a header claims {size} bytes")
        return self._file.read(size)

    def seek(self, position: int) -> int:
        if not 0 <= position <= self._size:
            raise tarfile.ReadError("unexpected end of data")
        return self._file.seek(position)


def _scan_open(file: _Headers) -> tuple[dict[str, Span], int]:
    """The members that are files, and where the last member ends."""
    members: dict[str, Span] = {}
    with tarfile.open(fileobj=file, mode="r:") as tar:  # type: ignore[call-overload]
        while (found := tar.next()) is not None:
            _check_member(found, tar.offset)
            if found.isfile():
                if found.name in members:
                    raise tarfile.ReadError(f"two members are called {found.name!r}")
                members[found.name] = found.offset_data, found.size
            # `tarfile` keeps them all, of a million members half a gigabyte
            tar.members = []
        return members, tar.offset


def _check_member(member: tarfile.TarInfo, end: int) -> None:
    """Raises a ReadError for what leads back, on for ever, or is not there as it is."""
    if member.size < 0 or end < member.offset_data:
        raise tarfile.ReadError(f"{member.name!r} has a negative size")
    if member.issparse():
        raise tarfile.ReadError(f"{member.name!r} is sparse, which is not read")


def _ends_well(path: Path, end: int) -> bool:
    """Whether a block of zeros follows the last member: `tarfile` does not insist."""
    with path.open("rb") as file:
        file.seek(end)
        return file.read(BLOCK) == b"\0" * BLOCK


def _broken(path: Path, why: str) -> str:
    return (
        f"{path}: the tar is cut off or damaged ({why}); remove it and run the "
        "rendering again, or download it again"
    )


class TarIndex:
    """Random access to one tar.

    Safe in several threads and after a fork: reads carry their own position.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, Span] | None = None
        self._file: int | None = None
        self._close: Callable[[], object] = lambda: None

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_members": self._members}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _file=None, _close=lambda: None)

    @property
    def members(self) -> dict[str, Span]:
        """Offset and size of each member by its name."""
        if self._members is None:
            self._members = self._stored() or self._rebuild()
        return self._members

    def read(self, name: str) -> bytes:
        """The bytes of a member.

        Raises:
            ShardError: there is no such member, it is larger than `MAX_MEMBER`, or the
            tar is cut off.
        """
        data = self._read_checked(name)
        if data is None:  # the tar is another one than the index was made for
            self.close()
            self._members = self._rebuild()
            data = self._read_checked(name)
        if data is None:
            raise ShardError(f"{self.path}: no member {name!r}; render the shard again")
        return data

    def close(self) -> None:
        """Closes the file; the next read opens it again."""
        if self._file is not None:
            self._close()
        self._file = None

    def _read_checked(self, name: str) -> bytes | None:
        if name not in self.members:
            return None
        offset, size = self.members[name]
        if size > MAX_MEMBER:
            raise ShardError(f"{self.path}: member {name!r} is too large: {size} bytes")
        block = os.pread(self._descriptor(), BLOCK + size, offset - BLOCK)
        if len(block) != BLOCK + size or not _is_header(block[:BLOCK], name, size):
            return None
        return block[BLOCK:]

    def _descriptor(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self.path, os.O_RDONLY)
                self._close = weakref.finalize(self, os.close, self._file)
            except FileNotFoundError:
                raise ShardError(
                    f"{self.path}: no such file; render or download it"
                ) from None
        return self._file

    @property
    def _index_path(self) -> Path:
        return self.path.parent / ".index" / f"{self.path.name}.json"

    def _stored(self) -> dict[str, Span] | None:
        try:
            stored = json.loads(self._index_path.read_text())
            tar_size = self.path.stat().st_size
            if stored["tar_size"] != tar_size:
                return None
            members = {
                name: (int(o), int(s)) for name, (o, s) in stored["members"].items()
            }
        except (OSError, AttributeError, KeyError, TypeError, *_CONFUSED):
            return None
        inside = all(o >= BLOCK and 0 <= s <= tar_size - o for o, s in members.values())
        return members if inside and not any(map(_may_leave, members)) else None

    def _rebuild(self) -> dict[str, Span]:
        members = scan(self.path)
        stored = {"tar_size": self.path.stat().st_size, "members": members}
        with suppress(OSError):  # a read-only folder: do without
            self._index_path.parent.mkdir(exist_ok=True)
            partial = self._index_path.with_suffix(f".{os.getpid()}.partial")
            partial.write_text(json.dumps(stored))
            os.replace(partial, self._index_path)
        return members


def _may_leave(name: str) -> bool:
    return ".." in name or "\\" in name or name.startswith("/")


def _is_header(block: bytes, name: str, size: int) -> bool:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.TarError, *_CONFUSED):
        return False
    # a long name stands in a block of its own before the header, which then holds its
    # beginning only
    return info.size == size and (info.name == name or len(name) > 99)


def read_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """All members of a tar, in order."""
    index = TarIndex(path)
    try:
        for name in index.members:
            yield name, index.read(name)
    finally:
        index.close()
