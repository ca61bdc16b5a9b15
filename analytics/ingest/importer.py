"""Imports files: reads them whole, refuses what is no audit log, archives the rest in one run.

Compression is found by its first bytes. Progress is yielded, nothing is printed. An import never claims coverage.
"""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from kubedossier.analytics.errors import KubedossierError, StorageError, UsageError
from kubedossier.analytics.ingest.chunks import Chunk, Lines
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.sources import FORMATS, SkippedRecord, csv_context, derive, expand
from kubedossier.analytics.ingest.sources.framing import Framed, frame_pieces
from kubedossier.analytics.ingest.staged import Receipt
from kubedossier.analytics.there import is_file, is_folder, is_there

BLOCK_BYTES = 2 * 1024 * 1024
"""What is read and derived at a time: twice as much saves a twentieth of the time and costs 130 MB."""
COMMIT_RECORDS = 250_000
OWN_FOLDERS = frozenset(("ledger", "events", "rejects", "seals", "tmp"))
"""Folders of an archive; what lies in tmp/ is even removed when it is opened."""
_LOOK_AT = 1000
_LOOK_BACK_BYTES = 512
"""What must still stand before the end of what was read: two logs are not the same there, at the same place."""
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}


@dataclass(frozen=True, slots=True)
class Labels:
    """What raw audit logs do not say about themselves, from the command line; None where not given."""

    cluster: str | None = None
    account: str | None = None
    provider: str | None = None

    def context(self, file: str) -> str:
        """The context of the records of one file, as JSON text."""
        return self.added_to(json.dumps({"file": file}))

    def added_to(self, context: str) -> str:
        """A context with these labels in the place of those it had."""
        named = {"cluster": self.cluster, "account": self.account, "provider": self.provider}
        known = {key: value for key, value in named.items() if value}
        return json.dumps({**json.loads(context), **known}, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: the file, and compressed bytes read of those it has (None where unknown).

    ``changes`` tells of files that did not stay as they were: ``shrank``, ``grew`` or ``replaced``.
    """

    file: str
    bytes_read: int
    bytes_total: int | None
    receipt: Receipt | None = None
    changes: tuple[tuple[str, str], ...] = ()


def import_files(
    archive: Path,
    files: Sequence[str],
    *,
    labels: Labels | None = None,
    input_format: str | None = None,
    stdin: BinaryIO | None = None,
    wait: bool = False,
) -> Iterator[Progress]:
    """Archive the records of files.

    Args:
        archive: where; made when absent.
        files: paths; ``-`` is ``stdin``.
        labels: cluster, account and provider of raw audit logs.
        input_format: one of ``sources.FORMATS``; None finds it by shape, record by record.
        stdin: what ``-`` reads.
        wait: wait for another writer.

    Yields:
        Progress after each block; those with a receipt tell of a commit.

    Raises:
        KubedossierError: a file is no audit log, or is damaged; nothing of the current commit is archived.
        StorageError: a file cannot be read, or the archive not written.
    """
    if input_format is not None and input_format not in FORMATS:
        raise UsageError(f"'{input_format}' is no input format", hint=f"It is one of {', '.join(FORMATS)}.")
    sources = [_Source(name, stdin) for name in files]
    for source in sources:
        source.check(archive)
    known = sum(source.size_bytes or 0 for source in sources)
    with Intake(archive, kind="import", wait=wait, expected_bytes=known) as intake:
        named: list[dict[str, object]] = []
        for source in sources:
            named.append({"name": source.shown, "bytes": source.size_bytes})
            context = (labels or Labels()).context(source.shown)
            for chunk in _chunks(source, context, input_format):
                intake.add(chunk)
                receipt = intake.commit(_facts(named)) if intake.staged >= COMMIT_RECORDS else None
                yield Progress(source.shown, source.bytes_read, source.size_bytes, receipt)
            if source.change:
                named[-1]["changed"] = source.change
        changes = tuple((one.shown, one.change) for one in sources if one.change)
        yield Progress(sources[-1].shown if sources else "", 0, 0, intake.commit(_facts(named)), changes)


def _facts(named: list[dict[str, object]]) -> dict[str, object]:
    return {"source": {"files": [dict(one) for one in named]}}


class _Source:
    """One input file, decompressed on the way."""

    def __init__(self, name: str, stdin: BinaryIO | None) -> None:
        self.name = name
        # A name need not be UTF-8, and what is kept of it must.
        self.shown = "standard input" if name == "-" else os.fsencode(Path(name).name).decode(errors="backslashreplace")
        self._stdin = stdin
        self.bytes_read = 0
        self.size_bytes: int | None = None
        self.change = ""
        self._last = b""
        self._plain = False
        self._was_cut = False

    def check(self, archive: Path) -> None:
        """Fail early where the file cannot be read, or is one of the archive's own, which are no input."""
        if self.name == "-":
            return
        path = Path(self.name)
        try:
            inside = path.resolve().relative_to(archive.resolve()).parts if is_there(archive) else ()
        except (ValueError, OSError, RuntimeError):
            inside = ()
        if len(inside) > 1 and inside[0] in OWN_FOLDERS:
            raise UsageError(
                f"'{path}' lies in '{inside[0]}' of the archive itself",
                hint="What is there is the archive's own; 'kubedossier rejects --retry' reads rejects again.",
            )
        try:
            if is_folder(path):
                raise UsageError(f"'{path}' is a folder", hint=f"Name its files: {path}/*")
            if is_there(path) and not is_file(path):
                return  # a pipe may be opened once only: whoever writes to it would take the first close for the end
            self.size_bytes = path.stat().st_size
            path.open("rb").close()
        except OSError as error:
            raise _cannot_read(self.name, error) from error

    def blocks(self) -> Iterator[bytes]:
        """The decompressed bytes, block by block."""
        with self._open() as file:
            before = self._look(file)
            self._plain = before is not None
            try:
                head = file.read(8)
            except OSError as error:
                raise _cannot_read(self.name, error) from error
            codec = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
            joined = _Rejoined(head, file, self)
            reader = pa.CompressedInputStream(pa.PythonFile(joined, mode="r"), codec) if codec else joined
            try:
                while block := reader.read(BLOCK_BYTES):
                    yield block
            except OSError as error:
                raise KubedossierError(
                    f"'{self.shown}' is damaged or cut short: its {codec or 'bytes'} stream cannot be read ({error})",
                    hint="Fetch the file again.",
                ) from error
            if before is not None:
                self.change = self._changed(file, before, whole=codec is None)

    def follow(self, file: BinaryIO, data: bytes) -> None:
        """Count what was read, and look back whether what was read before it still stands.

        A log that was cut and has grown beyond that place since has another size in between, which nobody sees.
        """
        if self._plain and self._last:
            before = os.pread(file.fileno(), len(self._last), self.bytes_read - len(self._last))
            self._was_cut = self._was_cut or before != self._last
        self._last = data[-_LOOK_BACK_BYTES:] or self._last
        self.bytes_read += len(data)

    def _look(self, file: BinaryIO) -> os.stat_result | None:
        """What a plain file looks like; None of anything else."""
        if self.name == "-":
            return None
        found = os.fstat(file.fileno())
        return found if stat.S_ISREG(found.st_mode) else None

    def _changed(self, file: BinaryIO, before: os.stat_result, *, whole: bool) -> str:
        """What became of a plain file while it was read; empty where it stayed as it was, or was removed at most."""
        now, most = os.fstat(file.fileno()).st_size, max(before.st_size, self.size_bytes or 0)
        if self._was_cut or now < most or (whole and self.bytes_read < most):
            return "shrank"
        if now > (self.bytes_read if whole else before.st_size):
            return "grew"
        with suppress(OSError):
            if not os.path.samestat(before, os.stat(self.name)):  # noqa: PTH116
                return "replaced"
        return ""

    def _open(self) -> AbstractContextManager[BinaryIO]:
        if self.name == "-":
            if self._stdin is None:
                raise UsageError("There is no standard input to read", hint="Name a file.")
            return nullcontext(self._stdin)
        try:
            return Path(self.name).open("rb")
        except OSError as error:  # it is gone meanwhile
            raise _cannot_read(self.name, error) from error


def _cannot_read(name: str, error: OSError) -> StorageError:
    return StorageError(f"Cannot read '{name}': {error.strerror}", hint="Check its name and permissions.")


class _Rejoined(io.RawIOBase):
    """A stream with the bytes put back that were read to find its compression; counts what is read."""

    def __init__(self, head: bytes, file: BinaryIO, source: _Source) -> None:
        self._head = head
        self._file = file
        self._source = source

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._head + (self._file.read(size - len(self._head)) if size != len(self._head) else b"")
        self._head = b""
        self._source.follow(self._file, data)
        return data


def _chunks(source: _Source, context: str, input_format: str | None) -> Iterator[Chunk]:
    """What one file holds; its first records are looked at before anything is let through."""
    chunks = _all_chunks(source, context, input_format)
    held: list[Chunk] = []
    first: list[Record] = []
    for chunk in chunks:
        held.append(chunk)
        start = len(first)
        first += (chunk.records() if isinstance(chunk, Lines) else chunk)[: _LOOK_AT - start]
        if any(map(_is_readable, first[start:])):
            break
        if len(first) >= _LOOK_AT:
            raise _no_audit_log(source, first[0])
    else:
        if first:
            raise _no_audit_log(source, first[0])
    yield from held
    yield from chunks


def _all_chunks(source: _Source, context: str, input_format: str | None) -> Iterator[Chunk]:
    begin = True
    batch: list[Record] = []
    size = 0
    for one in frame_pieces(source.blocks()):
        if isinstance(one, bytes):
            yield Lines(one, input_format, context, source.shown, begin)
            begin = False
            continue
        batch.append(_record(one, context, source, input_format))
        size += len(one.raw)
        if size >= BLOCK_BYTES // 2:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _record(one: Framed, context: str, source: _Source, input_format: str | None) -> Record:
    if one.header is not None:
        context = csv_context(context, one.header)
    return Record(one.raw, input_format, context, one.position, None, source.shown)


def _is_readable(record: Record) -> bool:
    """Whether anything in the record is an event or a look-alike; an empty envelope is."""
    inside = expand(record)
    for one in inside:
        try:
            derive(one)
        except RejectedRecord:
            continue
        except SkippedRecord:
            return True
        return True
    return not inside


def _no_audit_log(source: _Source, first: Record) -> KubedossierError:
    start = first.raw[:60].decode("utf-8", "replace")
    return KubedossierError(
        f"'{source.shown}' is no audit log: it begins with {start!r}",
        hint="Expected are the Console's events (JSON array, NDJSON or CSV), Kubernetes audit logs (audit.k8s.io), or "
        "exports of EKS (CloudWatch), AKS (diagnostic logs) and GKE (Cloud Audit), plain or compressed with gzip, zstd "
        "or bzip2.",
    )
