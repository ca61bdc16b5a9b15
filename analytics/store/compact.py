"""Compaction: many small files become few, and nothing that can be asked changes.

In the open month, finished days are merged, a file a day; a closed month becomes one file. Rows keep their snapshot, so
digests by snapshot and month stay what they were: they are computed from disk, before and after, and nothing is
committed unless they are equal. The old files leave the ledger's list and wait for ``gc``. A sealed file is never
touched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.schema import EVENT_SCHEMA, UNDATED, FileRef
from kubedossier.analytics.store.commit import Writer, new_id, storage_errors, telling
from kubedossier.analytics.store.digests import digest, leaf
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import file_sha256
from kubedossier.analytics.store.writer import COMPACT, EventFiles

CLOSED_AFTER = timedelta(days=2)
"""How long after its end a month counts as closed: late events of the usual overlap have come by then."""
_BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge to do, or done.

    Attributes:
        month: the partition.
        files: what is merged.
        by_day: whether the result is a file a day (the month is open) or one file.
    """

    month: str
    files: tuple[FileRef, ...]
    by_day: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """What one merge did: files and bytes before and after."""

    month: str
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int


def plan(ledger: Ledger, now: datetime) -> list[Merge]:
    """What there is to merge.

    Args:
        ledger: of the archive.
        now: aware UTC; decides which month is closed and which day is over.
    """
    made = {entry["id"] for entry in ledger.entries if entry["type"] == "compact"}
    sealed = sealed_files(ledger)
    months: dict[str, list[FileRef]] = defaultdict(list)
    for file in ledger.live():
        if file.path not in sealed:
            months[file.month].append(file)
    merges = []
    for month, files in sorted(months.items()):
        fresh = [file for file in files if file.snapshot not in made]
        if _is_closed(month, now):
            if len(files) > 1 or fresh:
                merges.append(Merge(month, tuple(files), by_day=False))
        elif len(over := [file for file in fresh if _is_over(file, now)]) > 1:
            merges.append(Merge(month, tuple(over), by_day=True))
    return merges


def compact(root: Path, now: datetime, *, wait: bool = False) -> Iterator[Merged]:
    """Do what ``plan`` says, one ledger entry a month.

    Yields:
        What each merge did; it is durable then.

    Raises:
        IntegrityError: a file is not as recorded, or the digests differ; nothing of that merge is committed.
        StorageError: the disk failed; the archive is as it was before that merge. The hint names the months before.
    """
    with Writer(root, wait=wait) as writer:
        done: list[str] = []
        for merge in plan(writer.ledger, now):
            with telling("Merged", done):
                merged = _merge(writer, merge)
            done.append(merge.month)
            yield merged


def _merge(writer: Writer, merge: Merge) -> Merged:
    entry_id = new_id(datetime.now(UTC))
    with storage_errors("Compacting the archive"):
        paths = sound_paths(writer.root, merge.files)
        with EventFiles(writer, entry_id, COMPACT) as target:
            for batch in _in_order(merge.files, writer.root):
                for part, rows in _parts(batch, merge.by_day):
                    target.write(merge.month, rows, part=part)
            staged = target.finish()
            before, after = digests_of(paths), digests_of(staged)
            if before != after:
                raise IntegrityError(
                    f"Merging {merge.month} would have changed events; nothing was committed for it",
                    hint="Run 'kubedossier verify --deep'.",
                )
            added = target.publish()
        body = {
            "files": {"add": added, "remove": [file.path for file in merge.files]},
            "digests": {snapshot: {merge.month: {"n": n, "digest": one}} for snapshot, (n, one, _) in after.items()},
        }
        writer.append("compact", entry_id, body)
    return Merged(
        merge.month,
        len(merge.files),
        len(added),
        sum(file.bytes for file in merge.files),
        sum(int(one["bytes"]) for one in added),
    )


def sealed_files(ledger: Ledger) -> frozenset[str]:
    """Paths of files that a seal covers; nothing may replace them."""
    return frozenset(path for entry in ledger.entries if entry["type"] == "seal" for path in entry.get("covers", ()))


def sound_paths(root: Path, files: Sequence[FileRef]) -> list[Path]:
    """Where files lie that are about to be replaced.

    Raises:
        IntegrityError: one of them is not what the ledger says.
    """
    paths = [root / file.path for file in files]
    for file, path in zip(files, paths, strict=True):
        if file_sha256(path) != file.sha256:
            raise IntegrityError(f"'{path}' is not what the ledger says", hint="Run 'kubedossier verify'.")
    return paths


def _is_closed(month: str, now: datetime) -> bool:
    if month == UNDATED:
        return True
    year, number = map(int, month.split("-"))
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return end + CLOSED_AFTER <= now


def _is_over(file: FileRef, now: datetime) -> bool:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return file.max_time is not None and file.max_time < today


def _in_order(files: Sequence[FileRef], root: Path) -> Iterator[pa.RecordBatch]:
    """The rows of the files, file by file in the order of their times."""
    latest = datetime(9999, 1, 1, tzinfo=UTC)
    for file in sorted(files, key=lambda one: (one.min_time or latest, one.path)):
        with pq.ParquetFile(root / file.path, page_checksum_verification=True) as parquet:
            yield from parquet.iter_batches(batch_size=_BATCH_ROWS)


def _parts(batch: pa.RecordBatch, by_day: bool) -> Iterator[tuple[str, pa.RecordBatch]]:
    batch = batch.cast(EVENT_SCHEMA)
    if not by_day:
        yield "", batch
        return
    days = batch.column("date")
    for day in sorted(pc.unique(days).to_pylist()):
        yield f"-{day:%d}", batch.filter(pc.equal(days, pa.scalar(day, pa.date32())))


def digests_of(paths: Sequence[Path]) -> dict[str, tuple[int, str, str]]:
    """Of files, by snapshot: how many events, the digest of their leaves, and one over identity and leaf together."""
    leaves: dict[str, list[bytes]] = defaultdict(list)
    pairs: dict[str, list[bytes]] = defaultdict(list)
    for path in paths:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=["snapshot", "event_id", "raw"]):
                for one in batch.to_pylist():
                    hashed = leaf(one["raw"].encode())
                    leaves[one["snapshot"]].append(hashed)
                    pairs[one["snapshot"]].append(one["event_id"] + hashed)
    return {snapshot: (len(some), digest(some), digest(pairs[snapshot])) for snapshot, some in sorted(leaves.items())}
