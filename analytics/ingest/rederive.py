"""Old months under new technique rules: events are judged again, and nothing else about them changes.

Files whose rows were judged by rules of another version are written again, one for one and row for row: the same raw
texts, contexts, identities and order, with what the rules in force say beside them. Before anything is committed, both
files are read back from disk: every column but those of the rules must be equal, and so must the digests. The old files
leave the ledger's list and wait for ``gc``, as after a compaction. A sealed file is never touched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.recheck import BY_RULES, flag_late
from kubedossier.analytics.ingest.row import Record, build_batch
from kubedossier.analytics.ingest.sources import SkippedRecord, derive
from kubedossier.analytics.ingest.techniques import own_rules, rules_version
from kubedossier.analytics.schema import EVENT_SCHEMA, FileRef
from kubedossier.analytics.store.commit import Writer, new_id, storage_errors, telling
from kubedossier.analytics.store.compact import digests_of, sealed_files, sound_paths
from kubedossier.analytics.store.damage import replaced
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.plain import plain_reason
from kubedossier.analytics.store.writer import COMPACT, EventFiles

_PROFILE = replace(COMPACT, ordered=False)
_BATCH_ROWS = 8192
_COUNTED_ROWS = 1_000_000
_DERIVE_AGAIN = ("raw", "context", "source_format", "console", "snapshot")


@dataclass(frozen=True, slots=True)
class Outdated:
    """A month with rows that other rules judged.

    Attributes:
        month: the partition.
        files: those to write again.
        sealed: how many others hold such rows and are covered by a seal.
        versions: of the rules that judged them, sorted.
        events: rows of ``files``.
    """

    month: str
    files: tuple[FileRef, ...]
    sealed: int
    versions: tuple[str, ...]
    events: int


def outdated(ledger: Ledger) -> list[Outdated]:
    """The months that hold rows judged by other rules than those in force.

    Raises:
        StorageError: a file cannot be read.
    """
    current, sealed = rules_version(), sealed_files(ledger)
    months: dict[str, list[tuple[FileRef, frozenset[str]]]] = defaultdict(list)
    for file in ledger.live():
        if (found := _versions(ledger, file)) - {current}:
            months[file.month].append((file, found))
    return [
        Outdated(
            month,
            files := tuple(file for file, _ in some if file.path not in sealed),
            len(some) - len(files),
            tuple(sorted(frozenset().union(*(found for _, found in some)) - {current})),
            sum(file.rows for file in files),
        )
        for month, some in sorted(months.items())
    ]


def rederive(root: Path, *, wait: bool = False) -> Iterator[Outdated]:
    """Write again what ``outdated`` names, one ledger entry a month.

    Yields:
        What each entry replaced; it is durable then.

    Raises:
        IntegrityError: a file is not as recorded, or something besides the rules' columns would change; nothing of that
            month is committed.
        StorageError: the disk failed; the archive is as it was before that month.
    """
    with Writer(root, wait=wait) as writer:
        done: list[str] = []
        for month in outdated(writer.ledger):
            if month.files:
                with telling("Judged again", done):
                    _rewrite(writer, month)
                done.append(month.month)
                yield month


def _rewrite(writer: Writer, month: Outdated) -> None:
    entry_id = new_id(datetime.now(UTC))
    with storage_errors("Writing to the archive"):
        before = sound_paths(writer.root, month.files)
        with EventFiles(writer, entry_id, _PROFILE) as target:
            for number, path in enumerate(before):
                for batch in _batches(path):
                    target.write(month.month, _judged(batch, path), part=f"-{number:06d}")
            after = target.finish()
            digests = digests_of(after)
            if digests != digests_of(before) or not all(map(_is_same, before, after)):
                raise IntegrityError(
                    f"Judging {month.month} again would have changed events; nothing was committed for it",
                    hint="Run 'kubedossier verify --deep'.",
                )
            added = target.publish()
        body = {
            "files": {"add": added, "remove": [file.path for file in month.files]},
            "digests": {one: {month.month: {"n": n, "digest": digest}} for one, (n, digest, _) in digests.items()},
            "rules": {"version": rules_version(), "before": list(month.versions)}
            | ({"own": own_rules().facts} if own_rules() else {}),
        }
        writer.append("compact", entry_id, body)


def _versions(ledger: Ledger, file: FileRef) -> frozenset[str]:
    """The versions of the rules that judged the rows of a file."""
    found: set[str | None] = set()
    path = ledger.root / file.path
    try:
        with pq.ParquetFile(path, read_dictionary=["rules_version"]) as parquet:
            for batch in parquet.iter_batches(batch_size=_COUNTED_ROWS, columns=["rules_version"]):
                found.update(batch.column(0).unique().to_pylist())
    except (OSError, pa.ArrowException) as error:
        raise replaced(ledger, [file]) or StorageError(
            f"'{path}' cannot be read: {plain_reason(error)}", hint="Run 'kubedossier verify'."
        ) from error
    return frozenset(one for one in found if one is not None)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
            yield batch.cast(EVENT_SCHEMA)


def _judged(batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
    """The same rows with what the rules in force say of them.

    Raises:
        IntegrityError: a raw text is no event any more.
    """
    stored = batch.select(_DERIVE_AGAIN).to_pylist()
    records = [Record(one["raw"].encode(), one["source_format"], one["context"], "", one["console"]) for one in stored]
    try:
        rows = [derive(record) for record in records]
    except (RejectedRecord, SkippedRecord) as error:
        raise IntegrityError(
            f"'{path}' holds a record that is no event: {error}", hint="Run 'kubedossier verify --deep'."
        ) from error
    again = flag_late(build_batch(rows, records, ""), [one["snapshot"] for one in stored])
    columns = [(again if name in BY_RULES else batch).column(name) for name in EVENT_SCHEMA.names]
    return pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA)


def _is_same(before: Path, after: Path) -> bool:
    """Whether two files on disk hold the same rows in the same order, but for the columns of the rules."""
    kept = [name for name in EVENT_SCHEMA.names if name not in BY_RULES]
    files = (_batches(before), _batches(after))
    left = right = None
    while True:
        left = left if left is not None and left.num_rows else next(files[0], None)
        right = right if right is not None and right.num_rows else next(files[1], None)
        if left is None or right is None:
            return left is right
        rows = min(left.num_rows, right.num_rows)
        if not left.slice(0, rows).select(kept).equals(right.slice(0, rows).select(kept)):
            return False
        left, right = left.slice(rows), right.slice(rows)
