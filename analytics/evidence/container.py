"""The file a bundle is: a zip whose bytes follow from its content alone, and bags as they are read again.

Nothing is compressed, names are plain, time stamps and attributes are fixed. Reading never extracts and never trusts a
name.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.evidence.subject import SAFE_NAME
from kubedossier.analytics.store.plain import open_plain
from kubedossier.analytics.store.verify import Finding

BLOCK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_STAMPS = (_EPOCH, _UNIX, 0, 0, 0, b"")
_ATTRIBUTES = ((stat.S_IFREG | 0o644) << 16, (stat.S_IFREG | 0o755) << 16)
_DOS_DATE = 0 << 9 | 1 << 5 | 1
LARGE_BYTES = (1 << 31) - 1
"""From here on Python's zipfile writes sizes and places elsewhere than in their four bytes."""
_ELSEWHERE = 0xFFFFFFFF
_VERSION, _LARGE_VERSION = 20, 45
_LOCAL, _LISTED = struct.Struct("<4s5H3I2H"), struct.Struct("<4s4B4H3I5H2I")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle.

    Attributes:
        name: inside the bundle's folder, with ``/``.
        size: in bytes.
        sha256: lower-case hex.
        blocks: gives the bytes, block by block, each time it is called.
        executable: whether it is a program.
    """

    name: str
    size: int
    sha256: str
    blocks: Callable[[], Iterable[bytes]]
    executable: bool = False


def text_member(name: str, data: bytes, *, executable: bool = False) -> Member:
    """A member that is held in memory."""
    return Member(name, len(data), hashlib.sha256(data).hexdigest(), lambda: (data,), executable)


def file_member(name: str, path: Path, *, size: int, sha256: str) -> Member:
    """A member that is copied from a file, whose size and SHA-256 are known."""

    def blocks() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from iter(lambda: file.read(BLOCK_BYTES), b"")

    return Member(name, size, sha256, blocks)


def file_digest(file: IO[bytes]) -> str:
    """The SHA-256 of an open file, from where it stands to its end, lower-case hex."""
    found = hashlib.sha256()
    for block in iter(lambda: file.read(BLOCK_BYTES), b""):
        found.update(block)
    return found.hexdigest()


class Spooled:
    """A member that is written to a spool file first, one after another in the same file.

    Args:
        name: of the member.
        spool: the file; nothing else may be written to it until ``member`` was called.
    """

    def __init__(self, name: str, spool: IO[bytes]) -> None:
        self._name, self._spool = name, spool
        self._start = spool.seek(0, os.SEEK_END)
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes, /) -> None:
        """Take the next bytes."""
        self._spool.write(data)
        self._hash.update(data)
        self._size += len(data)

    def member(self) -> Member:
        """The member, complete."""
        self._spool.flush()
        start, size, spool = self._start, self._size, self._spool

        def blocks() -> Iterator[bytes]:
            for at in range(0, size, BLOCK_BYTES):
                yield os.pread(spool.fileno(), min(BLOCK_BYTES, size - at), start + at)

        return Member(self._name, size, self._hash.hexdigest(), blocks)


def write_zip(out: IO[bytes], folder: str, members: Iterable[Member]) -> None:
    """Write members into a zip, in their order, below one folder.

    Raises:
        IntegrityError: a member is not what its SHA-256 says: a file changed meanwhile.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for one in members:
            info = zipfile.ZipInfo(f"{folder}/{one.name}", _EPOCH)
            info.create_system = _UNIX
            info.external_attr = _ATTRIBUTES[one.executable]
            info.file_size = one.size
            found = hashlib.sha256()
            with archive.open(info, "w") as target:
                for block in one.blocks():
                    found.update(block)
                    target.write(block)
            if found.hexdigest() != one.sha256:
                raise IntegrityError(f"'{one.name}' changed while it was copied", hint="Run 'kubedossier verify'.")


class Bag(Protocol):
    """A bundle that is read: the sizes of its files by name, and what is wrong with its container."""

    sizes: dict[str, int]
    findings: list[Finding]

    def open(self, name: str) -> IO[bytes]:
        """A file of the bag; it can seek."""


class FolderBag:
    """An unpacked bundle."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.sizes: dict[str, int] = {}
        self.findings: list[Finding] = []
        self._walk(root, "")

    def open(self, name: str) -> IO[bytes]:
        """A file of the bag."""
        return open_plain(self._root / name)

    def _walk(self, folder: Path, prefix: str) -> None:
        with os.scandir(folder) as inside:
            entries = sorted(inside, key=lambda one: one.name)
        for one in entries:
            name = prefix + one.name
            if one.is_symlink():
                self.findings.append(Finding("link", name, "no symbolic link", str(Path(one.path).readlink())))
            elif one.is_dir():
                self._walk(Path(one.path), f"{name}/")
            elif one.is_file():
                self.sizes[name] = one.stat().st_size
            else:
                self.findings.append(Finding("file-unknown", name, "a plain file", "something else"))


class ZipBag:
    """A bundle as it was written: one zip.

    Raises:
        zipfile.BadZipFile: it is none, or damaged beyond reading.
    """

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path)
        self.sizes: dict[str, int] = {}
        self.findings: list[Finding] = []
        self._members: dict[str, zipfile.ZipInfo] = {}
        infos = self._zip.infolist()
        self.folder = infos[0].filename.split("/")[0] if infos else ""
        for info in infos:
            self._take(info)
        if not self.findings:
            with path.open("rb") as file:
                self.findings += _hidden(file, infos)

    def open(self, name: str) -> IO[bytes]:
        """A file of the bag; reading it to its end checks its CRC-32."""
        with warnings.catch_warnings():
            # Newer releases of Python warn of members that overlap, which is a finding here.
            warnings.simplefilter("ignore", UserWarning)
            return self._zip.open(self._members[name])

    def __enter__(self) -> ZipBag:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _take(self, info: zipfile.ZipInfo) -> None:
        folder, _, name = info.filename.partition("/")
        if folder != self.folder or not SAFE_NAME.fullmatch(info.filename) or not name:
            found = Finding("file-unknown", info.filename, f"plain names below {self.folder}/", "another name")
        elif name in self.sizes:
            found = Finding("file-twice", name, "one file of a name", "two")
        elif info.compress_type != zipfile.ZIP_STORED or info.flag_bits or info.compress_size != info.file_size:
            found = Finding("zip-altered", name, "stored as it is", "compressed or encrypted")
        elif not stat.S_ISREG(info.external_attr >> 16):
            found = Finding("link", name, "a plain file", f"mode {info.external_attr >> 16:o}")
        elif _stamps(info) != _STAMPS or info.external_attr not in _ATTRIBUTES:
            found = Finding("zip-altered", name, "fixed stamps and attributes", "others")
        else:
            self.sizes[name] = info.file_size
            self._members[name] = info
            return
        self.findings.append(found)


def _stamps(info: zipfile.ZipInfo) -> tuple[object, ...]:
    return info.date_time, info.create_system, info.internal_attr, info.volume, info.reserved, info.comment


def _hidden(file: IO[bytes], infos: Sequence[zipfile.ZipInfo]) -> Iterator[Finding]:
    """Whatever no list of files would show: bytes before, between and after the members, and in their headers.

    All bytes that are no file's are made again and compared, so that they cannot say two things to two readers.
    """
    at = 0
    directory = b""
    for info in infos:
        if info.header_offset != at:
            yield Finding("zip-altered", info.filename, f"begins at byte {at}", f"begins at byte {info.header_offset}")
            return
        choices = list(_headers(info))
        file.seek(at)
        found = file.read(max(len(local) for local, _ in choices))
        match = next(((local, listed) for local, listed in choices if found.startswith(local)), None)
        if match is None:
            yield Finding("zip-altered", info.filename, "the one header that its file has", "another")
            return
        at += len(match[0]) + info.file_size
        directory += match[1]
    end = directory + _end(len(infos), at, len(directory))
    file.seek(at)
    if file.read(len(end) + 1) != end:
        yield Finding("zip-altered", "the list of files and its end", f"the {len(end)} bytes they have", "others")


def _headers(info: zipfile.ZipInfo) -> Iterator[tuple[bytes, bytes]]:
    """The bytes before a file and those in the list of files, as Python's releases write them.

    The format of zip's headers, Source: APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.5.3.
    """
    size, name = info.file_size, info.filename.encode()
    large = [size, size] * (size > LARGE_BYTES) + [info.header_offset] * (info.header_offset > LARGE_BYTES)
    more = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    listed_size = _ELSEWHERE if size > LARGE_BYTES else size
    offset = _ELSEWHERE if info.header_offset > LARGE_BYTES else info.header_offset
    said: list[tuple[int, int]] = []
    extra = b""
    if size * 1.05 > LARGE_BYTES:  # what Python leaves room for, since it writes the header before the file
        extra = struct.pack("<HHQQ", 1, 16, size, size)
        said.append((_LARGE_VERSION, _ELSEWHERE))
    if size <= LARGE_BYTES:
        said.append((_VERSION, size))
    for version, told in said:
        same = (0, 0, 0, _DOS_DATE, info.CRC)
        local = _LOCAL.pack(b"PK\3\4", version, *same, told, told, len(name), len(extra)) + name + extra
        needs = max(version, _LARGE_VERSION if more else _VERSION)
        sizes = (listed_size, listed_size, len(name), len(more), 0, 0, 0, info.external_attr, offset)
        yield local, _LISTED.pack(b"PK\1\2", needs, _UNIX, needs, 0, *same, *sizes) + name + more


def _end(count: int, start: int, length: int) -> bytes:
    """The bytes after the list of files. Source: APPNOTE.TXT 6.3, sections 4.3.14 to 4.3.16."""
    large = b""
    if count > 0xFFFF or start > LARGE_BYTES or length > LARGE_BYTES:
        versions = (_LARGE_VERSION, _LARGE_VERSION)
        large = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, *versions, 0, 0, count, count, length, start)
        large += struct.pack("<4sIQI", b"PK\6\7", 0, start + length, 1)
    counted = min(count, 0xFFFF)
    places = (min(length, _ELSEWHERE), min(start, _ELSEWHERE))
    return large + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, counted, counted, *places, 0)
