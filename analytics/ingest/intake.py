"""The intake: records become rows, repeats are counted, rejects are kept, and one entry commits them all.

The one way events enter an archive, for the Console and for files alike. A record is archived, counted as a duplicate
(of an event, or of a reject that an earlier run kept), kept as a reject, or counted as a look-alike; nothing else can
happen to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.ingest.chunks import Chunk, Derived, Lines
from kubedossier.analytics.ingest.derivation import Derivation
from kubedossier.analytics.ingest.row import Record, month_name
from kubedossier.analytics.ingest.seen import SeenEvents, SeenRejects, bytes_of
from kubedossier.analytics.ingest.staged import Month, Receipt, Staged
from kubedossier.analytics.ingest.techniques import FLAGS as TECHNIQUE_FLAGS
from kubedossier.analytics.ingest.techniques import own_rules, rules_version
from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.commit import Writer, new_id, storage_errors
from kubedossier.analytics.store.digests import LEAF_BYTES, leaf, split
from kubedossier.analytics.store.rejects import Reject, compress
from kubedossier.analytics.store.writer import EventFiles, HashingFile

CHUNK_RECORDS = 2048


class Intake:
    """One run that adds records to an archive; holds the writer's lock while it is open.

    Args:
        root: the archive; made when absent.
        kind: the type of the ledger entries.
        wait: wait for another writer instead of failing.
        workers: processes that derive rows once there are many; None is one a core, 0 none.
        expected_bytes: of the records that are known to come.
        reject_again: keep rejects though an earlier run kept the same, whose files this run is to replace.

    Raises:
        BusyError: another writer is at work.
        StorageError: the archive cannot be written.
    """

    def __init__(
        self,
        root: Path,
        *,
        kind: Literal["snapshot", "import"],
        wait: bool = False,
        reject_again: bool = False,
        workers: int | None = None,
        expected_bytes: int = 0,
    ) -> None:
        self._kind = kind
        self._writer = Writer(root, wait=wait)
        self.run = new_id(datetime.now(UTC))
        self._seen = SeenEvents(self._writer.root, self._writer.ledger.live(), self._writer.ledger.retracted)
        self._rejects = SeenRejects(self._writer.ledger, () if reject_again else self._writer.ledger.live("rejects"))
        self._staged: Staged | None = None
        self._pending: list[Record] = []
        self._derivation = Derivation(workers, expected_bytes)

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ledger(self) -> Any:
        """The ledger as of the newest entry."""
        return self._writer.ledger

    @property
    def unwitnessed(self) -> str:
        """Why the head could not be witnessed; empty where it was."""
        return self._writer.unwitnessed

    def close(self) -> None:
        """Drop what was not committed and give the lock back."""
        self._derivation.close()
        if self._staged is not None:
            staged, self._staged = self._staged, None
            staged.files.__exit__(None, None, None)
        self._writer.close()

    @property
    def staged(self) -> int:
        """How many records are ready for the next commit; some more may be under way."""
        return self._staged.received if self._staged is not None else 0

    def add(self, chunk: Chunk) -> None:
        """Take records in; they are archived by the next ``commit``.

        Raises:
            StorageError: the disk failed; nothing of this commit will be visible.
        """
        if isinstance(chunk, Lines):
            self._give_pending()
            self._give(chunk)
            return
        self._pending.extend(chunk)
        while len(self._pending) >= CHUNK_RECORDS:
            some, self._pending = self._pending[:CHUNK_RECORDS], self._pending[CHUNK_RECORDS:]
            self._give(some)

    def commit(self, facts: Mapping[str, Any], *, remove: Sequence[str] = ()) -> Receipt:
        """Make everything taken in since the last commit durable, as one ledger entry.

        Args:
            facts: what the entry says besides the counts and digests: source, windows, coverage; no floats.
            remove: files that this commit replaces; they leave the views and wait for ``gc``.

        Raises:
            StorageError: the disk failed; the archive is as it was before.
        """
        staged = self._current()
        self._give_pending()
        for derived in self._derivation.rest():
            self._absorb(staged, derived)
        with storage_errors("Writing to the archive"):
            # The digests take the processor while the last row groups and the disk take their time.
            with ThreadPoolExecutor(1, thread_name_prefix="digests") as beside:
                facts_of_it = beside.submit(staged.facts)
                added_files = staged.files.publish()
            if staged.reject_lines:
                added_files.append(self._publish_rejects(staged))
            own = facts_of_it.result()
            if changed := own_rules():
                own["rules"] = {"version": rules_version(), "own": changed.facts}
            body = {**facts, **own, "run": self.run, "files": {"add": added_files, "remove": list(remove)}}
            entry = self._writer.append(self._kind, staged.id, body)
        self._staged = None
        # What was added can be read back from its files: the memory of a run stays that of one commit.
        self._seen = SeenEvents(self._writer.root, self._writer.ledger.live(), self._writer.ledger.retracted)
        return staged.receipt(entry["seq"], own["counts"], self.unwitnessed)

    def _current(self) -> Staged:
        if self._staged is None:
            now = datetime.now(UTC)
            entry_id = new_id(now)
            self._staged = Staged(entry_id, now, EventFiles(self._writer, entry_id))
        return self._staged

    def _give_pending(self) -> None:
        some, self._pending = self._pending, []
        if some:
            self._give(some)

    def _give(self, chunk: Chunk) -> None:
        for derived in self._derivation.give(chunk):
            self._absorb(self._current(), derived)

    def _absorb(self, staged: Staged, derived: Derived) -> None:
        staged.received += derived.batch.num_rows + len(derived.repeats) + len(derived.rejects)
        for record, reason in derived.rejects:
            self._reject(staged, record, reason)
        staged.look_alikes.update(derived.look_alikes)
        if derived.batch.num_rows:
            try:
                with storage_errors("Writing to the archive"):
                    self._stage(staged, derived)
            except IntegrityError:
                self._writer.refuse_other_place()  # then its files are missing for another reason
                raise

    def _reject(self, staged: Staged, record: Record, reason: str) -> None:
        if self._rejects.has(record.source, record.raw):
            staged.known_rejects.append(leaf(record.raw))
            return
        staged.reject_lines.append(Reject(reason, record.source, record.place, record.raw, record.context).line())
        staged.reject_leaves.append(leaf(record.raw))
        staged.reasons[reason] += 1

    def _stage(self, staged: Staged, derived: Derived) -> None:
        batch, leaves, repeats = derived.batch, derived.leaves, derived.repeats
        ids = split(bytes_of(batch.column("event_id")))
        known = self._seen.known(ids, batch.column("time").cast(pa.int64()).to_pylist())
        staged.duplicates += len(repeats)
        for name, rows in _rows_by_month(batch).items():
            month = self._month(staged, name)
            fresh = _fresh(ids, rows, known, staged.ids)
            month.observed += _picked(leaves, rows, batch.num_rows)
            if repeats:
                here = frozenset(rows)
                month.observed += b"".join([one for one, row in repeats if row in here])
            month.added += _picked(leaves, fresh, batch.num_rows)
            staged.duplicates += len(rows) - len(fresh)
            if fresh:
                staged.files.write(name, _completed(staged, derived.rows(fresh)))

    def _month(self, staged: Staged, name: str) -> Month:
        if name not in staged.months:
            staged.months[name] = Month(staged.observed.month(name), staged.added.month(name))
        return staged.months[name]

    def _publish_rejects(self, staged: Staged) -> dict[str, Any]:
        name = f"{staged.id}.ndjson.zst"
        with self._writer.stage(name) as file:
            out = HashingFile(file)
            out.write(compress(staged.reject_lines))
        self._writer.publish(name, f"rejects/{name}")
        return {
            "path": f"rejects/{name}",
            "role": "rejects",
            "month": "",
            "sha256": out.sha256,
            "bytes": out.size_bytes,
            "rows": len(staged.reject_lines),
            "min_time": None,
            "max_time": None,
            "incomplete": 0,
            "schema": 1,
        }


def _rows_by_month(batch: pa.RecordBatch) -> dict[str, Sequence[int]]:
    """The numbers of the rows of each month; mostly that is one."""
    days = batch.column("date").cast(pa.int32())
    months: dict[str, list[int | None]] = {}
    for day in pc.unique(days).to_pylist():
        months.setdefault(month_name(day), []).append(day)
    if len(months) == 1:
        return dict.fromkeys(months, range(batch.num_rows))
    return {
        month: pc.indices_nonzero(pc.is_in(days, value_set=pa.array(months[month], pa.int32()))).to_pylist()
        for month in sorted(months)
    }


def _fresh(ids: list[bytes], rows: Sequence[int], known: set[bytes], added: set[bytes]) -> Sequence[int]:
    """The numbers of the rows whose event is neither known nor added yet; it is added from now on."""
    some = ids if len(rows) == len(ids) else [ids[row] for row in rows]
    stale = known.intersection(some) | added.intersection(some)
    before = len(added)
    if not stale:
        added.update(some)
        if len(added) == before + len(some):
            return rows
    firsts = dict(zip(reversed(some), reversed(rows), strict=True))
    for event_id in stale:
        del firsts[event_id]
    added.update(firsts)
    return sorted(firsts.values())


def _picked(leaves: bytes, rows: Sequence[int], of: int) -> bytes:
    if len(rows) == of:
        return leaves
    return b"".join([leaves[row * LEAF_BYTES : (row + 1) * LEAF_BYTES] for row in rows])


def flag_receipt(flags: list[list[str] | None], times: Sequence[int | None], receipt_us: int) -> None:
    """Flag events whose time is later than their receipt (microseconds since the epoch)."""
    for index, time in enumerate(times):
        if time is not None and time > receipt_us:
            flags[index] = [*(flags[index] or ()), "time_after_receipt"]


def _completed(staged: Staged, batch: pa.RecordBatch) -> pa.RecordBatch:
    """New rows with what only the intake knows, their snapshot and what is odd about their receipt; counts them."""
    receipt_us = int(staged.at.timestamp()) * 1_000_000
    latest = pc.max(batch.column("time").cast(pa.int64())).as_py()
    if latest is not None and latest > receipt_us:
        flags = batch.column("flags").to_pylist()
        flag_receipt(flags, batch.column("time").cast(pa.int64()).to_pylist(), receipt_us)
        batch = _replaced(batch, "flags", pa.array(flags, EVENT_SCHEMA.field("flags").type))
    for one in pc.value_counts(batch.column("source_format")).to_pylist():
        staged.formats[one["values"]] += one["counts"]
    for one in pc.value_counts(pc.list_flatten(batch.column("flags"))).to_pylist():
        if one["values"] not in TECHNIQUE_FLAGS:
            staged.drift[one["values"]] += one["counts"]
    return _replaced(batch, "snapshot", pa.repeat(pa.scalar(staged.id, pa.string()), batch.num_rows))


def _replaced(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    return batch.set_column(EVENT_SCHEMA.get_field_index(name), EVENT_SCHEMA.field(name), column)
