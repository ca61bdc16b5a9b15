"""The deep check: every event made again from its raw text, and every digest computed again from disk.

What a hash of a file cannot show is whether the file was right when it was hashed. This reads each live event file
with its page checksums, derives each row from raw, context and format, compares every column, and compares the digests
of each snapshot and month with the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record, Row, build_batch, month_name
from kubedossier.analytics.ingest.sources import SkippedRecord, derive
from kubedossier.analytics.schema import EVENT_SCHEMA, FileRef
from kubedossier.analytics.store.digests import digest, leaf
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import Finding

_BATCH_ROWS = 16_384
BY_RULES = frozenset(("techniques_derived", "rules_version", "message", "flags"))
"""Columns of raw audit logs that depend on the version of the technique rules."""


def recheck_events(ledger: Ledger, files: Sequence[FileRef]) -> Iterator[Finding]:
    """Check the events of live files, month by month.

    Yields:
        ``file-unreadable``, ``file-rows``, ``schema``, ``event-altered``, ``event-misplaced``, ``event-repeated`` and
        ``digest`` findings.
    """
    by_month: dict[str, list[FileRef]] = defaultdict(list)
    for one in files:
        if one.role == "events":
            by_month[one.month].append(one)
    leaves: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for month, some in sorted(by_month.items()):
        seen: set[bytes] = set()
        for file in some:
            yield from _file(ledger, file, month, leaves, seen)
    yield from _digests(ledger, leaves, {one.month for one in files})


def _file(
    ledger: Ledger,
    file: FileRef,
    month: str,
    leaves: dict[tuple[str, str], list[bytes]],
    seen: set[bytes],
) -> Iterator[Finding]:
    rows = 0
    try:
        with pq.ParquetFile(ledger.root / file.path, page_checksum_verification=True) as parquet:
            if not parquet.schema_arrow.equals(EVENT_SCHEMA):
                yield Finding("schema", file.path, "the columns of format 1", ", ".join(parquet.schema_arrow.names))
                return
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
                yield from _batch(ledger, file.path, month, batch, rows, leaves, seen)
                rows += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        yield Finding("file-unreadable", file.path, "Parquet with sound pages", str(error).splitlines()[0])
        return
    if rows != file.rows:
        yield Finding("file-rows", file.path, f"{file.rows} events", f"{rows} events")


def _batch(
    ledger: Ledger,
    path: str,
    month: str,
    batch: pa.RecordBatch,
    first: int,
    leaves: dict[tuple[str, str], list[bytes]],
    seen: set[bytes],
) -> Iterator[Finding]:
    stored = batch.select(["raw", "context", "source_format", "console", "snapshot", "event_id"]).to_pylist()
    rows, records, kept = [], [], []
    for index, one in enumerate(stored):
        where = f"{path} row {first + index + 1}"
        raw = one["raw"].encode()
        leaves[one["snapshot"], month].append(leaf(raw))
        if one["event_id"] in seen and one["snapshot"] not in ledger.retracted:
            yield Finding("event-repeated", where, "each event once", one["event_id"].hex())
        if one["snapshot"] not in ledger.retracted:
            seen.add(one["event_id"])
        record = Record(raw, one["source_format"], one["context"], "", one["console"])
        try:
            row = derive(record)
        except (RejectedRecord, SkippedRecord) as error:
            yield Finding("event-altered", where, "a record that is an event", str(error))
            continue
        flag_late(row, one["snapshot"])
        if month_name(row.epoch_day) != month:
            yield Finding("event-misplaced", where, f"an event of {month}", month_name(row.epoch_day))
        rows.append(row)
        records.append((record, one["snapshot"]))
        kept.append(index)
    yield from _differences(path, first, batch.take(pa.array(kept, pa.int32())), kept, rows, records)


def _differences(
    path: str, first: int, stored: pa.RecordBatch, kept: list[int], rows: list[Any], records: list[tuple[Record, str]]
) -> Iterator[Finding]:
    if not rows:
        return
    again = build_batch(rows, [record for record, _ in records], "")
    # What the technique rules of another version said is not what the present ones say, and need not be.
    same_rules = pc.equal(stored.column("rules_version"), again.column("rules_version")).to_pylist()
    for name in EVENT_SCHEMA.names:
        left, right = stored.column(name), again.column(name)
        if name == "snapshot" or left.equals(right):
            continue
        for index, (found, expected) in enumerate(zip(left.to_pylist(), right.to_pylist(), strict=True)):
            if found != expected and not (name in BY_RULES and same_rules[index] is False):
                where = f"{path} row {first + kept[index] + 1} column {name}"
                yield Finding("event-altered", where, _short(expected), _short(found))


def _digests(ledger: Ledger, leaves: dict[tuple[str, str], list[bytes]], months: set[str]) -> Iterator[Finding]:
    for entry in ledger.entries:
        for month, fact in entry.get("added", {}).items():
            here = leaves.pop((entry["id"], month), [])
            found = {"n": len(here), "digest": digest(here)}
            if found != fact and month in months:
                where = f"entry {entry['seq']} ({entry['id']}), {month}"
                yield Finding(
                    "digest", where, f"{fact['n']} events {fact['digest']}", f"{found['n']} events {found['digest']}"
                )
    for (snapshot, month), here in sorted(leaves.items()):
        yield Finding("digest", f"{snapshot}, {month}", "a snapshot the ledger knows", f"{len(here)} events")


def flag_late(row: Row, snapshot: str) -> None:
    """Flag a row that was derived again where its time is later than the receipt of its snapshot."""
    if row.time is not None and row.time > receipt_time(snapshot):
        row.flags = (*(row.flags or ()), "time_after_receipt")


def receipt_time(snapshot: str) -> int:
    """When a snapshot began, from its id, in microseconds since the epoch; 0 where the id is not one of ours."""
    try:
        moment = datetime.strptime(snapshot[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return 0
    return int(moment.timestamp()) * 1_000_000


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
