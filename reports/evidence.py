"""What the numbers rest on: each answer as an attached CSV, and the manifest whose SHA-256 is the seal.

The manifest describes the evidence and never the rendering: the same answers of the same ledger entry give the same
seal on every paper and in every format. Text cells that a spreadsheet would run as a formula get a leading
apostrophe, and the manifest says so.
"""

from __future__ import annotations

import hashlib
import json
import platform
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import metadata

from kubedossier import __version__
from kubedossier.analytics.answers import Answer, Digest
from kubedossier.reports.csv_rows import csv_head, csv_rows, plain, time_text
from kubedossier.reports.model import Attachment, Evidence

ATTACHED_ROWS = 50_000
"""Rows of one answer that are attached; what is beyond is in the archive, and counted in the digest of the rows."""
MANIFEST_NAME = "manifest.json"
_LEVEL = 6
"""Of zlib: the highest would take twice the time for a twentieth less."""
_LIBRARIES = ("duckdb", "polars", "pyarrow")


@dataclass(frozen=True, slots=True)
class Written:
    """The rows of an answer as evidence.

    Attributes:
        rows: how many there are; attached: how many of them are in ``data``, a CSV.
        digest: SHA-256 of all of them in canonical form, lower-case hex.
        sha256, size_bytes: of ``data``; packed: ``data`` as zlib packs it.
    """

    rows: int
    attached: int
    digest: str
    sha256: str
    size_bytes: int
    packed: bytes


class Writer:
    """Writes the rows of an answer down as they come, in one part or several: all are hashed, the first attached."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._digest = Digest(names)
        self._rows = self._attached = 0
        self._file = _Packer([csv_head(names)])

    def add(self, answer: Answer) -> None:
        """Take the next rows."""
        self._digest.add(answer.fetched)
        self._rows += len(answer.fetched)
        first = answer.fetched.head(ATTACHED_ROWS - self._attached)
        if len(first):
            self._file.add(csv_rows(first.table(answer.columns)))
            self._attached += len(first)

    def written(self) -> Written:
        """All that came."""
        return Written(self._rows, self._attached, self._digest.hexdigest(), *self._file.packed())


class _Packer:
    """Packs a file as it comes: the attached rows are some 30 MB in a busy month, and a quarter of that when packed."""

    def __init__(self, first: Iterable[bytes]) -> None:
        self._sha256, self._size, self._deflate = hashlib.sha256(), 0, zlib.compressobj(_LEVEL)
        self._packed: list[bytes] = []
        self.add(first)

    def add(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._sha256.update(piece)
            self._size += len(piece)
            self._packed.append(self._deflate.compress(piece))

    def packed(self) -> tuple[str, int, bytes]:
        """SHA-256 and size of the file, and the file as zlib packs it."""
        return self._sha256.hexdigest(), self._size, b"".join((*self._packed, self._deflate.flush()))


def written(answer: Answer) -> Written:
    """An answer that is there as a whole."""
    writer = Writer(answer.fetched.names)
    writer.add(answer)
    return writer.written()


class Collection:
    """The answers of one report in the order they were asked; gives each its mark."""

    def __init__(self) -> None:
        self.items: list[tuple[Evidence, Attachment]] = []

    def add(self, answer: Answer, *, about: str = "", rows: Written | None = None) -> str:
        """Keep an answer and return its mark.

        ``about`` tells two runs of one query apart; ``rows`` is given where they came in parts and are gone.
        """
        mark = f"E{len(self.items) + 1}"
        name = f"e{len(self.items) + 1:02d}-{answer.name.replace('_', '-')}{about}.csv"
        rows = rows or written(answer)
        parameters = tuple((key, shown_parameter(value)) for key, value in answer.parameters.items())
        evidence = Evidence(
            mark=mark,
            name=answer.name,
            title=answer.title,
            question=answer.question,
            sql=answer.sql.strip(),
            parameters=parameters,
            rows=rows.rows,
            attached=rows.attached,
            digest=rows.digest,
            notes=answer.notes,
            file=name,
            sha256=rows.sha256,
            size_bytes=rows.size_bytes,
            repeats=next((one.mark for one, _ in self.items if one.name == answer.name), ""),
        )
        file = Attachment(name, f"Rows of {mark}: {answer.title}", "Data", rows.packed, rows.size_bytes)
        self.items.append((evidence, file))
        return mark

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All that was asked, in order."""
        return tuple(evidence for evidence, _ in self.items)


def shown_parameter(value: object) -> str:
    """A parameter's value as one line of text."""
    if isinstance(value, datetime | date):
        return time_text(value).replace(".000000Z", "Z")
    return json.dumps(plain(value), ensure_ascii=False)


def tool_versions() -> tuple[tuple[str, str], ...]:
    """The program and the libraries that counted, with their versions."""
    libraries = [(name, metadata.version(name)) for name in _LIBRARIES]
    return (("kubedossier", __version__), ("Python", platform.python_version()), *libraries)


def manifest(head: Mapping[str, object], collection: Collection) -> Attachment:
    """The evidence manifest; the SHA-256 of its bytes is the seal."""
    content = {
        **head,
        "format": 1,
        "csv": "UTF-8, LF; null is an empty cell; text that starts with = + - @ TAB or CR has an apostrophe before it",
        "tools": dict(tool_versions()),
        "queries": [
            {
                "mark": one.mark,
                "name": one.name,
                "title": one.title,
                "sql": one.sql,
                "parameters": dict(one.parameters),
                "rows": one.rows,
                "rows_attached": one.attached,
                "rows_sha256": one.digest,
                "file": one.file,
                "file_sha256": one.sha256,
                "file_bytes": one.size_bytes,
            }
            for one in collection.evidence
        ],
    }
    text = (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode()
    about = "Evidence manifest: what was asked and the digests"
    return Attachment(MANIFEST_NAME, about, "Source", zlib.compress(text, _LEVEL), len(text))
