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
_LISTED_BYTES, _END_BYTES = 46, (22, 22 + 56 + 20)
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


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
            info.external_attr = (stat.S_IFREG | (0o755 if one.executable else 0o644)) << 16
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
        mode = info.external_attr >> 16
        if folder != self.folder or not SAFE_NAME.fullmatch(info.filename) or not name:
            found = Finding("file-unknown", info.filename, f"plain names below {self.folder}/", "another name")
        elif name in self.sizes:
            found = Finding("file-twice", name, "one file of a name", "two")
        elif info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.compress_size != info.file_size:
            found = Finding("zip-altered", name, "stored as it is", "compressed or encrypted")
        elif not stat.S_ISREG(mode):
            found = Finding("link", name, "a plain file", f"mode {mode:o}")
        else:
            self.sizes[name] = info.file_size
            self._members[name] = info
            return
        self.findings.append(found)


def _hidden(file: IO[bytes], archive: zipfile.ZipFile, size: int) -> Iterator[Finding]:
    """Bytes before, between and after the members, which no list of files would show."""
    at = directory = 0
    for info in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if info.header_offset != at:
            yield Finding("zip-altered", info.filename, f"begins at byte {at}", f"begins at byte {info.header_offset}")
            return
        file.seek(at)
        header = file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size:
            yield Finding("zip-altered", info.filename, "a header", "the end of the file")
            return
        *_, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
        at += _LOCAL_HEADER.size + name_bytes + extra_bytes + info.file_size
        directory += _LISTED_BYTES + len(info.filename) + len(info.extra) + len(info.comment)
    if at != archive.start_dir:
        yield Finding("zip-altered", "the list of files", f"begins at byte {at}", f"begins at byte {archive.start_dir}")
    elif size - at - directory not in _END_BYTES:
        yield Finding("zip-altered", "its end", f"{at + directory + _END_BYTES[0]} bytes", f"{size} bytes")
