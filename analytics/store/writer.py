"""Writes the Parquet files of one commit, through a descriptor of ours, hashed while written.

Row groups are written by a thread of their own, when a file has enough rows or all buffers together are too large, so
memory does not grow with the input.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.ledger import time_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = frozenset(("time", "resources", "request_uri", "name", "audit_id", "audit_key", "event_id", "raw"))
_NO_STATISTICS = frozenset(("authorization", "audit_key", "event_id", "context", "raw"))


def _leaves(names: Iterable[str]) -> list[str]:
    """The Parquet column paths of the given columns."""
    paths = []
    for name in names:
        kind = EVENT_SCHEMA.field(name).type
        if pa.types.is_list(kind):
            paths.append(f"{name}.list.element")
        elif pa.types.is_map(kind):
            paths += [f"{name}.key_value.key", f"{name}.key_value.value"]
        else:
            paths.append(name)
    return paths


class HashingFile:
    """A file that knows the SHA-256 and size of what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        """Write a buffer."""
        view = memoryview(data)
        self._hash.update(view)
        self.size_bytes += view.nbytes
        self._file.write(view)
        return view.nbytes

    def flush(self) -> None:
        """Nothing to do: the commit makes the file durable."""

    def tell(self) -> int:
        """Where the next byte goes."""
        return self.size_bytes

    def close(self) -> None:
        """Mark as closed for pyarrow; the descriptor stays the commit's."""
        self.closed = True

    def readable(self) -> bool:
        """Never."""
        return False

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Never."""
        return False

    @property
    def sha256(self) -> str:
        """Lower-case hex of all bytes so far."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Profile:
    """How to write: quickly at receipt, or small and sorted when files are merged.

    Attributes:
        level: of zstd.
        page_bytes: uncompressed size of a data page; larger ones compress raw texts better.
        rows: in a row group, at most.
        buffer_bytes: what may wait to be written, of all files of a commit together; as much again is being written.
        ordered: whether rows of a row group are sorted so that alike ones stand together.
    """

    level: int
    page_bytes: int
    rows: int
    buffer_bytes: int
    ordered: bool


_MIB = 1024 * 1024
RECEIPT = Profile(level=3, page_bytes=_MIB, rows=65_536, buffer_bytes=32 * _MIB, ordered=False)
COMPACT = Profile(level=9, page_bytes=32 * _MIB, rows=122_880, buffer_bytes=192 * _MIB, ordered=True)
# Events of one object are nearly the same text: side by side they compress to 0.94 of what cluster, verb, user and time
# as the order give, so that level 9 of zstd makes smaller files than level 12 did, in half the time.
_ORDER = [(name, "ascending") for name in ("verb", "namespace", "name", "user", "time", "event_id")]


class _File:
    def __init__(self, stack: ExitStack, writer: Writer, staged: str, month: str, profile: Profile) -> None:
        self.staged = staged
        self.month = month
        self.profile = profile
        self.file = HashingFile(stack.enter_context(writer.stage(staged)))
        self.parquet = stack.enter_context(
            pq.ParquetWriter(
                self.file,
                EVENT_SCHEMA,
                compression="zstd",
                compression_level=profile.level,
                data_page_size=profile.page_bytes,
                use_dictionary=_leaves(name for name in EVENT_SCHEMA.names if name not in _PLAIN),
                write_statistics=_leaves(name for name in EVENT_SCHEMA.names if name not in _NO_STATISTICS),
                write_page_checksum=True,
            )
        )
        self.pending: list[pa.RecordBatch] = []
        self.rows = self.incomplete = self.pending_rows = self.pending_bytes = 0
        self.low: int | None = None
        self.high: int | None = None

    def take(self) -> list[pa.RecordBatch]:
        """What is buffered, for ``write``; the buffer is empty then."""
        taken, self.pending, self.pending_rows, self.pending_bytes = self.pending, [], 0, 0
        return taken

    def write(self, batches: list[pa.RecordBatch]) -> None:
        """One row group; called by the writing thread."""
        table = pa.Table.from_batches(batches, EVENT_SCHEMA)
        if self.profile.ordered:
            table = table.sort_by(_ORDER)
        self.parquet.write_table(table, row_group_size=2 * self.profile.rows)


class EventFiles:
    """The event files of one commit, in ``tmp/`` until they are published.

    Args:
        writer: of the archive.
        entry_id: of the ledger entry that will add them; in their names.
        profile: how to write.
    """

    def __init__(self, writer: Writer, entry_id: str, profile: Profile = RECEIPT) -> None:
        self._writer = writer
        self._entry_id = entry_id
        self._profile = profile
        self._stack = ExitStack()
        self._files: dict[tuple[str, str], _File] = {}
        # Encoding and compression run beside the reading of the next records; one row group is under way at a time.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parquet")
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(self, *exc: Any) -> None:
        """Close the files. Where they were not finished nobody will use them, and a disk that fails hides no error."""
        self._thread.shutdown(cancel_futures=True)
        with suppress(OSError, pa.ArrowException):
            self._stack.__exit__(*exc)

    def write(self, month: str, batch: pa.RecordBatch, *, part: str = "") -> None:
        """Add events of one month; each ``part`` of a month is a file of its own."""
        key = (month, part)
        if key not in self._files:
            staged = f"{self._entry_id}-{month}{part}.parquet"
            self._files[key] = _File(self._stack, self._writer, staged, month, self._profile)
        target = self._files[key]
        target.pending.append(batch)
        target.pending_rows += batch.num_rows
        target.pending_bytes += batch.nbytes
        target.rows += batch.num_rows
        target.incomplete += incomplete_rows(batch)
        _widen(target, batch)
        if target.pending_rows >= self._profile.rows:
            self._flush(target)
        while sum(one.pending_bytes for one in self._files.values()) > self._profile.buffer_bytes:
            self._flush(max(self._files.values(), key=lambda one: one.pending_bytes))

    def finish(self) -> list[Path]:
        """Write what is buffered and make the files durable; where they are staged."""
        for one in self._files.values():
            self._flush(one)
        self._wait(0)
        self._thread.shutdown()
        self._stack.close()
        return [self._writer.root / "tmp" / one.staged for one in self._files.values()]

    def _flush(self, file: _File) -> None:
        if file.pending:
            self._wait(0)
            self._under_way.append(self._thread.submit(file.write, file.take()))

    def _wait(self, at_most: int) -> None:
        """Wait until no more than so many row groups are under way; raises what went wrong in writing one."""
        while len(self._under_way) > at_most:
            self._under_way.popleft().result()

    def publish(self) -> list[dict[str, Any]]:
        """Move the finished files to their places; the ledger's ``files.add`` for them."""
        self.finish()
        added = []
        for number, (_, one) in enumerate(sorted(self._files.items()), 1):
            path = f"events/month={one.month}/{self._entry_id}-{number}.parquet"
            self._writer.publish(one.staged, path)
            added.append(
                {
                    "path": path,
                    "role": "events",
                    "month": one.month,
                    "sha256": one.file.sha256,
                    "bytes": one.file.size_bytes,
                    "rows": one.rows,
                    "min_time": _moment(one.low),
                    "max_time": _moment(one.high),
                    "incomplete": one.incomplete,
                    "schema": 1,
                }
            )
        return added


def incomplete_rows(batch: pa.RecordBatch) -> int:
    """Events that a record of a higher stage may hide."""
    if batch.column("audit_key").null_count == batch.num_rows:
        return 0
    open_ = pc.fill_null(pc.not_equal(batch.column("stage"), "ResponseComplete"), True)
    count: int = pc.sum(pc.and_(batch.column("audit_key").is_valid(), open_)).as_py() or 0
    return count


def _widen(file: _File, batch: pa.RecordBatch) -> None:
    bounds = pc.min_max(batch.column("time").cast(pa.int64())).as_py()
    low, high = bounds["min"], bounds["max"]
    if low is not None:
        file.low = low if file.low is None else min(file.low, low)
        file.high = high if file.high is None else max(file.high, high)


def _moment(micros: int | None) -> str | None:
    return None if micros is None else time_text(_EPOCH + timedelta(microseconds=micros))
