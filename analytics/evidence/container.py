"""The file a bundle is: a zip whose bytes follow from its content alone, and bags as they are read again.

Nothing is compressed, names are plain, time stamps and attributes are fixed. Reading never extracts and never trusts a
name.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.evidence.subject import SAFE_NAME
from kubedossier.analytics.store.verify import Finding

BLOCK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_STAMPS = (_EPOCH, _UNIX, 0, 0, 0, b"")
_ATTRIBUTES = ((stat.S_IFREG | 0o644) << 16, (stat.S_IFREG | 0o755) << 16)
_DOS_DATE = 0 << 9 | 1 << 5 | 1
_VERSIONS = (20, 45)  # without and with sizes or places beyond 4 GiB
_LOCAL_HEADER, _END = struct.Struct("<4s5H3I2H"), struct.Struct("<4s4H2IH")
_LISTED_BYTES, _LARGE_END_BYTES = 46, 56 + 20


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
        return (self._root / name).open("rb")

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
                self.findings += _hidden(file, self._zip, path.stat().st_size)

    def open(self, name: str) -> IO[bytes]:
        """A file of the bag; reading it to its end checks its CRC-32."""
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


def _hidden(file: IO[bytes], archive: zipfile.ZipFile, size: int) -> Iterator[Finding]:
    """Bytes before, between and after the members, which no list of files would show, and headers that say two things.

    The format of zip's headers, Source: APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
    """
    at = directory = 0
    for info in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if info.header_offset != at:
            yield Finding("zip-altered", info.filename, f"begins at byte {at}", f"begins at byte {info.header_offset}")
            return
        file.seek(at)
        header = file.read(_LOCAL_HEADER.size)
        length = _LOCAL_HEADER.unpack(header)[-1] if len(header) == _LOCAL_HEADER.size else 0
        large = length > 0
        sizes = (0xFFFFFFFF,) * 2 if large else (info.file_size,) * 2
        name = info.filename.encode()
        said = (b"PK\3\4", _VERSIONS[large], 0, 0, 0, _DOS_DATE, info.CRC, *sizes, len(name), length)
        versions = {info.extract_version, info.create_version}
        if header != _LOCAL_HEADER.pack(*said) or versions != {_VERSIONS[bool(info.extra)]}:
            yield Finding("zip-altered", info.filename, "one header for one file", "headers that differ")
            return
        at += _LOCAL_HEADER.size + len(name) + length + info.file_size
        directory += _LISTED_BYTES + len(name) + len(info.extra)
    if at != archive.start_dir:
        yield Finding("zip-altered", "the list of files", f"begins at byte {at}", f"begins at byte {archive.start_dir}")
        return
    file.seek(at + directory)
    end = file.read()
    count = len(archive.infolist())
    small = _END.pack(b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), directory, min(at, 0xFFFFFFFF), 0)
    if end[-_END.size :] != small or len(end) not in (_END.size, _END.size + _LARGE_END_BYTES):
        yield Finding("zip-altered", "its end", f"{size - len(end) + _END.size} bytes", f"{size} bytes, or others")
