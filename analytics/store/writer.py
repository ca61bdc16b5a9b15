"""Writes the Parquet files of one commit: one a month, through a descriptor of ours, hashed while written.

Row groups are flushed when a month holds enough rows, or when all buffers together are too large, so memory does not
grow with the input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.ledger import time_text

ROW_GROUP_ROWS = 65_536
BUFFER_BYTES = 96 * 1024 * 1024
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


class _Month:
    def __init__(self, stack: ExitStack, writer: Writer, staged: str) -> None:
        self.staged = staged
        self.file = HashingFile(stack.enter_context(writer.stage(staged)))
        self.parquet = stack.enter_context(
            pq.ParquetWriter(
                self.file,
                EVENT_SCHEMA,
                compression="zstd",
                compression_level=3,
                use_dictionary=_leaves(name for name in EVENT_SCHEMA.names if name not in _PLAIN),
                write_statistics=_leaves(name for name in EVENT_SCHEMA.names if name not in _NO_STATISTICS),
                write_page_checksum=True,
            )
        )
        self.pending: list[pa.RecordBatch] = []
        self.rows = self.incomplete = self.pending_rows = self.pending_bytes = 0
        self.low: int | None = None
        self.high: int | None = None

    def flush(self) -> None:
        if self.pending:
            table = pa.Table.from_batches(self.pending, EVENT_SCHEMA)
            self.parquet.write_table(table, row_group_size=2 * ROW_GROUP_ROWS)
            self.pending, self.pending_rows, self.pending_bytes = [], 0, 0


class EventFiles:
    """The event files of one commit, one a month, in ``tmp/`` until they are published."""

    def __init__(self, writer: Writer, snapshot: str) -> None:
        self._writer = writer
        self._snapshot = snapshot
        self._stack = ExitStack()
        self._months: dict[str, _Month] = {}

    def __enter__(self) -> EventFiles:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._stack.__exit__(*exc)

    def write(self, month: str, batch: pa.RecordBatch, *, incomplete: int) -> None:
        """Add events of one month; ``incomplete`` of them may be hidden by a later stage."""
        if month not in self._months:
            staged = f"{self._snapshot}-{month}.parquet"
            self._months[month] = _Month(self._stack, self._writer, staged)
        target = self._months[month]
        target.pending.append(batch)
        target.pending_rows += batch.num_rows
        target.pending_bytes += batch.nbytes
        target.rows += batch.num_rows
        target.incomplete += incomplete
        _widen(target, batch)
        if target.pending_rows >= ROW_GROUP_ROWS:
            target.flush()
        while sum(one.pending_bytes for one in self._months.values()) > BUFFER_BYTES:
            max(self._months.values(), key=lambda one: one.pending_bytes).flush()

    def publish(self) -> list[dict[str, Any]]:
        """Make the files durable and move them to their places; the ledger's ``files.add`` for them."""
        for one in self._months.values():
            one.flush()
        self._stack.close()
        added = []
        for number, (month, one) in enumerate(sorted(self._months.items()), 1):
            path = f"events/month={month}/{self._snapshot}-{number}.parquet"
            self._writer.publish(one.staged, path)
            added.append(
                {
                    "path": path,
                    "role": "events",
                    "month": month,
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


def _widen(month: _Month, batch: pa.RecordBatch) -> None:
    bounds = pc.min_max(batch.column("time").cast(pa.int64())).as_py()
    low, high = bounds["min"], bounds["max"]
    if low is not None:
        month.low = low if month.low is None else min(month.low, low)
        month.high = high if month.high is None else max(month.high, high)


def _moment(micros: int | None) -> str | None:
    return None if micros is None else time_text(_EPOCH + timedelta(microseconds=micros))
