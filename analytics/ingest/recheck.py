"""The deep check: every event made again from its raw text, and every digest computed again from disk.

What a hash of a file cannot show is whether the file was right when it was hashed. This reads each live event file
with its page checksums, derives each row from raw, context and format, compares every column, and compares the digests
of each snapshot and month with the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.ingest.chunks import derive_chunk
from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record, Row, build_batch, month_name
from kubedossier.analytics.ingest.sources import SkippedRecord, derive
from kubedossier.analytics.ingest.sources.console_json import FORMAT as CONSOLE_JSON
from kubedossier.analytics.ingest.times import from_micros
from kubedossier.analytics.schema import EVENT_SCHEMA, FileRef
from kubedossier.analytics.store.digests import digest, leaf
from kubedossier.analytics.store.ledger import Ledger, time_text
from kubedossier.analytics.store.rejects import read_rejects
from kubedossier.analytics.store.verify import Finding
from kubedossier.analytics.store.writer import incomplete_rows

_BATCH_ROWS = 16_384
BY_RULES = frozenset(("techniques_derived", "rules_version", "message", "flags"))
"""Columns of raw audit logs that depend on the version of the technique rules."""


def recheck_events(ledger: Ledger, files: Sequence[FileRef]) -> Iterator[Finding]:
    """Check the events and rejects of live files, month by month.

    Args:
        ledger: of the archive.
        files: those of its files whose bytes are as recorded; about others something was found already.

    Yields:
        ``file-unreadable``, ``file-rows``, ``file-range``, ``schema``, ``event-altered``, ``event-misplaced``,
        ``event-repeated`` and ``digest`` findings.
    """
    by_month: dict[str, list[FileRef]] = defaultdict(list)
    for one in files:
        if one.role == "events":
            by_month[one.month].append(one)
    sound = {one.path for one in files}
    unsound = {one.month for one in ledger.files.values() if one.path not in sound}
    added = {month for entry in ledger.entries for month in entry.get("added", {})}
    for month in sorted(by_month.keys() | added):
        leaves: dict[str, list[bytes]] = defaultdict(list)
        seen: set[bytes] = set()
        for file in by_month[month]:
            yield from _file(ledger, file, month, leaves, seen)
        if month not in unsound:
            yield from _digests(ledger, leaves, month)
    for one in files:
        if one.role == "rejects":
            yield from _rejects(ledger, one)
    yield from _unlisted_rejects(ledger)


def _file(
    ledger: Ledger, file: FileRef, month: str, leaves: dict[str, list[bytes]], seen: set[bytes]
) -> Iterator[Finding]:
    rows = incomplete = 0
    times: list[int] = []
    try:
        with pq.ParquetFile(ledger.root / file.path, page_checksum_verification=True) as parquet:
            if not parquet.schema_arrow.equals(EVENT_SCHEMA):
                yield Finding("schema", file.path, "the columns of format 1", ", ".join(parquet.schema_arrow.names))
                return
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
                yield from _batch(ledger, file.path, month, batch, rows, leaves, seen)
                rows += batch.num_rows
                incomplete += incomplete_rows(batch)
                bounds = pc.min_max(batch.column("time").cast(pa.int64())).as_py()
                times = [one for one in (*times, *bounds.values()) if one is not None]
                times = [min(times), max(times)] if times else []
    except (OSError, pa.ArrowException) as error:
        yield Finding("file-unreadable", file.path, "Parquet with sound pages", str(error).splitlines()[0])
        return
    if rows != file.rows:
        yield Finding("file-rows", file.path, f"{file.rows} events", f"{rows} events")
    # By these, questions leave out files without opening them.
    listed, found = _range(file.min_time, file.max_time, file.incomplete), _range(*_moments(times), incomplete)
    if listed != found:
        yield Finding("file-range", file.path, listed, found)


def _moments(times: list[int]) -> tuple[datetime | None, datetime | None]:
    return (from_micros(times[0]), from_micros(times[1])) if times else (None, None)


def _range(first: datetime | None, last: datetime | None, incomplete: int) -> str:
    times = f"{time_text(first)} to {time_text(last)}" if first and last else "no times"
    return f"{times}, {incomplete} events may be hidden by later stages"


def _rejects(ledger: Ledger, file: FileRef) -> Iterator[Finding]:
    """The rejects of a file are those that its entry counted."""
    entry = next((one for one in ledger.entries if one["id"] == file.snapshot), {})
    fact = entry.get("rejected") or {}
    try:
        leaves = [leaf(one.raw) for one in read_rejects(ledger.root, file)]
    except StorageError as error:
        yield Finding("file-unreadable", file.path, "rejects", error.message)
        return
    expected = f"{fact.get('n')} rejects {fact.get('digest')}"
    found = f"{len(leaves)} rejects {digest(leaves)}"
    if expected != found:
        yield Finding("digest", file.path, expected, found)


def _unlisted_rejects(ledger: Ledger) -> Iterator[Finding]:
    """An entry that counted rejects added a file of them."""
    for entry in ledger.entries:
        fact = entry.get("rejected") or {}
        if fact.get("n") and not any(one["role"] == "rejects" for one in entry.get("files", {}).get("add", ())):
            where = f"entry {entry['seq']} ({entry['id']}), rejects"
            yield Finding("digest", where, f"{fact['n']} rejects {fact['digest']}", "no file of rejects")


def _batch(
    ledger: Ledger,
    path: str,
    month: str,
    batch: pa.RecordBatch,
    first: int,
    leaves: dict[str, list[bytes]],
    seen: set[bytes],
) -> Iterator[Finding]:
    stored = batch.select(["raw", "context", "source_format", "console", "snapshot", "event_id"]).to_pylist()
    records = [Record(one["raw"].encode(), one["source_format"], one["context"], "", one["console"]) for one in stored]
    for index, (one, record) in enumerate(zip(stored, records, strict=True)):
        leaves[one["snapshot"]].append(leaf(record.raw))
        if one["snapshot"] in ledger.retracted:
            continue
        if one["event_id"] in seen:
            where = f"{path} row {first + index + 1}"
            yield Finding("event-repeated", where, "each event once", one["event_id"].hex())
        seen.add(one["event_id"])
    again, kept, refused = _derived(records)
    for index, reason in refused:
        yield Finding("event-altered", f"{path} row {first + index + 1}", "a record that is an event", reason)
    again = flag_late(again, [stored[index]["snapshot"] for index in kept])
    for index, day in zip(kept, again.column("date").cast(pa.int32()).to_pylist(), strict=True):
        if month_name(day) != month:
            where = f"{path} row {first + index + 1}"
            yield Finding("event-misplaced", where, f"an event of {month}", month_name(day))
    yield from _differences(path, first, batch.take(pa.array(kept, pa.int32())), kept, again)


def _derived(records: list[Record]) -> tuple[pa.RecordBatch, Sequence[int], list[tuple[int, str]]]:
    """The rows of records, which records they are of, and why there is none of the others."""
    if {record.source_format for record in records} == {CONSOLE_JSON}:
        whole = derive_chunk(records)
        if whole.batch.num_rows == len(records):
            return whole.batch, range(len(records)), []
    rows: list[Row] = []
    kept, refused = [], []
    for index, record in enumerate(records):
        try:
            rows.append(derive(record))
        except (RejectedRecord, SkippedRecord) as error:
            refused.append((index, str(error)))
        else:
            kept.append(index)
    return build_batch(rows, [records[index] for index in kept], ""), kept, refused


def _differences(
    path: str, first: int, stored: pa.RecordBatch, kept: Sequence[int], again: pa.RecordBatch
) -> Iterator[Finding]:
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


def _digests(ledger: Ledger, leaves: dict[str, list[bytes]], month: str) -> Iterator[Finding]:
    for entry in ledger.entries:
        fact = entry.get("added", {}).get(month)
        if fact is None:
            continue
        here = leaves.pop(entry["id"], [])
        found = {"n": len(here), "digest": digest(here)}
        if found != fact:
            where = f"entry {entry['seq']} ({entry['id']}), {month}"
            yield Finding(
                "digest", where, f"{fact['n']} events {fact['digest']}", f"{found['n']} events {found['digest']}"
            )
    for snapshot, here in sorted(leaves.items()):
        yield Finding("digest", f"{snapshot}, {month}", "a snapshot the ledger knows", f"{len(here)} events")


def flag_late(batch: pa.RecordBatch, snapshots: Sequence[str]) -> pa.RecordBatch:
    """Rows that were derived again, those flagged whose time is later than the receipt of their snapshot."""
    received = {snapshot: receipt_time(snapshot) for snapshot in set(snapshots)}
    times = batch.column("time").cast(pa.int64()).to_pylist()
    late = [time is not None and time > received[snapshot] for time, snapshot in zip(times, snapshots, strict=True)]
    if not any(late):
        return batch
    flags = [
        [*(flags or ()), "time_after_receipt"] if is_late else flags
        for flags, is_late in zip(batch.column("flags").to_pylist(), late, strict=True)
    ]
    field = EVENT_SCHEMA.field("flags")
    return batch.set_column(EVENT_SCHEMA.get_field_index("flags"), field, pa.array(flags, field.type))


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
