"""Files of a bag beside what they should be: read as lines, hashed, compared while the expected bytes come in."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO

from kubedossier.analytics.evidence.container import Bag, file_digest
from kubedossier.analytics.store.verify import Finding

_LINE_BYTES = 64 * 1024 * 1024


class Comparison:
    """A sink that compares what is written to it with a file of the bag."""

    def __init__(self, bag: Bag, name: str) -> None:
        self._name = name
        self._file = _opened(bag, name)
        self._line = 1
        self._finding: Finding | None = None

    def __enter__(self) -> Comparison:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, data: bytes, /) -> None:
        """Compare the next bytes."""
        if self._finding is not None:
            return
        try:
            found = self._file.read(len(data)) if self._file is not None else b""
        except zipfile.BadZipFile as error:
            found = str(error).encode()
        if found == data:
            self._line += data.count(b"\n")
            return
        pairs = itertools.zip_longest(data.splitlines(keepends=True), found.splitlines(keepends=True), fillvalue=b"")
        for expected, other in pairs:
            if expected != other:
                self._finding = Finding("text", f"{self._name} line {self._line}", *_apart(expected, other))
                return
            self._line += 1

    def findings(self) -> Iterator[Finding]:
        """The first difference, where there is one."""
        if self._finding is None and self._file is not None and (rest := _rest(self._file)):
            self._finding = Finding("text", f"{self._name} line {self._line}", "its end", _short(rest))
        if self._finding is not None:
            yield self._finding


def _opened(bag: Bag, name: str) -> IO[bytes] | None:
    try:
        return bag.open(name) if name in bag.sizes else None
    except (OSError, zipfile.BadZipFile):
        return None


def compare(bag: Bag, name: str, blocks: Iterable[bytes]) -> Iterator[Finding]:
    """The first difference between a file of the bag and what it should be."""
    with Comparison(bag, name) as comparison:
        for block in blocks:
            comparison.write(block)
        yield from comparison.findings()


def _rest(file: IO[bytes]) -> bytes:
    try:
        return file.read(200)
    except zipfile.BadZipFile as error:
        return str(error).encode()


def _apart(expected: bytes, found: bytes) -> tuple[str, str]:
    """Two lines from shortly before where they part."""
    same = next((at for at, (one, other) in enumerate(zip(expected, found, strict=False)) if one != other), 0)
    start = max(0, same - 20)
    return _short(expected[start:]), _short(found[start:]) if found else "no line"


def _short(data: bytes) -> str:
    return repr(data[:80])[2:-1]


def sha256_of(bag: Bag, name: str) -> str:
    """The SHA-256 of a file of the bag, or why it cannot be read."""
    try:
        with bag.open(name) as file:
            return file_digest(file)
    except (OSError, zipfile.BadZipFile) as error:
        return f"cannot be read: {error}"


def lines(bag: Bag, name: str) -> Iterator[bytes]:
    """The lines of a file, with their ends; none where there is no such file, or it cannot be read."""
    if name not in bag.sizes:
        return
    try:
        with bag.open(name) as file:
            while line := file.readline(_LINE_BYTES):
                yield line
    except (OSError, zipfile.BadZipFile):
        return
