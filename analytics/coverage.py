"""What the ledger attests about collection, as tables: snapshots, windows, gaps, collected ranges and rejects.

It must never claim what was not attested: only the ranges that an unfiltered snapshot recorded as collected count,
retracted entries are left out, and so are stretches whose events a snapshot did not store because a retracted one had
them; a gap closes only through a later run. Times are UTC without a zone.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.store.ledger import Entry, Ledger, read_time
from kubedossier.analytics.vocabulary import techniques

if TYPE_CHECKING:
    import pyarrow as pa

    from kubedossier.analytics.schema import FileRef

_BATCH = 1000

SCHEMAS = {
    "snapshots": "seq int64, snapshot string, run string, type string, at timestamp, console string, filtered bool, "
    "received int64, new int64, duplicate int64, rejected int64, skipped int64, tool string, host string, "
    "actor string, console_total int64, console_oldest timestamp",
    "windows": "snapshot string, console string, start timestamp, end timestamp, total_before int64, "
    "total_after int64, received int64, stable bool",
    "gaps": "console string, start timestamp, end timestamp, reason string, snapshot string",
    "collected": "console string, start timestamp, end timestamp",
    "rejects": "snapshot string, reason string, source string, position string, raw string",
    "attack_techniques": "value string, attack_id string, attack_name string, tactics list, confidence string, "
    "note string",
}
"""Columns and types of the views made from the ledger, in their order."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of time of one Console, aware UTC."""

    console: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Stream:
    """A table that is made anew each time it is read, through the Arrow C stream interface.

    Attributes:
        name: of the view, in ``SCHEMAS``.
        rows: gives the rows, in their order.
    """

    name: str
    rows: Callable[[], Iterable[dict[str, Any]]]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows out as record batches; nothing is read before the first is asked for."""
        import pyarrow as pa

        kinds = {"timestamp": pa.timestamp("us"), "list": pa.list_(pa.string())}
        fields = [part.split(" ") for part in SCHEMAS[self.name].split(", ")]
        schema = pa.schema([(name, kinds.get(kind, kind)) for name, kind in fields])
        reader = pa.RecordBatchReader.from_batches(schema, self._batches(schema))
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        batch: list[dict[str, Any]] = []
        for row in self.rows():
            batch.append(row)
            if len(batch) == _BATCH:
                yield pa.RecordBatch.from_pylist(batch, schema=schema)
                batch = []
        if batch:
            yield pa.RecordBatch.from_pylist(batch, schema=schema)


def tables(ledger: Ledger) -> dict[str, Stream]:
    """The views made from the ledger, by name."""
    rows: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        "snapshots": lambda: map(_snapshot_row, runs(ledger)),
        "windows": lambda: _window_rows(ledger),
        "gaps": lambda: _gap_rows(ledger),
        "collected": lambda: map(_span_row, collected(ledger)),
        "rejects": lambda: _reject_rows(ledger),
        "attack_techniques": _technique_rows,
    }
    return {name: Stream(name, make) for name, make in rows.items()}


def runs(ledger: Ledger) -> Iterator[Entry]:
    """The entries that brought records in and were not retracted, oldest first."""
    for entry in ledger.entries:
        if entry["type"] in ("snapshot", "import") and entry["id"] not in ledger.retracted:
            yield entry


def collected(ledger: Ledger) -> list[Span]:
    """The ranges that unfiltered snapshots attest, merged, by Console and start."""
    return merge(span for entry in runs(ledger) for span in _attested(ledger, entry))


def merge(spans: Iterable[Span]) -> list[Span]:
    """Join ranges of a Console that touch or overlap; empty ones fall away."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.console, one.start, one.end)):
        if span.start >= span.end:
            continue
        last = merged[-1] if merged else None
        if last is not None and last.console == span.console and span.start <= last.end:
            merged[-1] = Span(last.console, last.start, max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def subtract(span: Span, others: Iterable[Span]) -> list[Span]:
    """What is left of a range without others of the same Console."""
    left = []
    start = span.start
    for other in merge(one for one in others if one.console == span.console):
        if other.end <= start or other.start >= span.end:
            continue
        if other.start > start:
            left.append(Span(span.console, start, other.start))
        start = max(start, other.end)
    if start < span.end:
        left.append(Span(span.console, start, span.end))
    return left


class Cover:
    """Ranges joined as they are added, for a ledger of many entries: each step costs little, however many there are."""

    def __init__(self) -> None:
        self._bounds: dict[str, tuple[list[datetime], list[datetime]]] = {}

    def add(self, span: Span) -> None:
        """Take a range in; an empty one is none."""
        if span.start >= span.end:
            return
        starts, ends = self._bounds.setdefault(span.console, ([], []))
        first, last = bisect_left(ends, span.start), bisect_right(starts, span.end)
        if first < last:
            span = Span(span.console, min(starts[first], span.start), max(ends[last - 1], span.end))
        starts[first:last], ends[first:last] = [span.start], [span.end]

    def missing(self, span: Span) -> list[Span]:
        """What is left of a range without those that were added."""
        starts, ends = self._bounds.get(span.console, ([], []))
        first, last = bisect_right(ends, span.start), bisect_left(starts, span.end)
        return subtract(span, [Span(span.console, starts[at], ends[at]) for at in range(first, last)])


def naive(moment: datetime) -> datetime:
    """An aware moment as UTC without a zone, the form of the views."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _attested(ledger: Ledger, entry: Entry) -> Iterator[Span]:
    if entry["type"] == "snapshot" and entry.get("filtered") is False and entry.get("console"):
        hidden = list(_hidden(ledger, entry))
        for one in entry.get("collected", ()):
            yield from subtract(Span(entry["console"], read_time(one["from"]), read_time(one["to"])), hidden)


def _hidden(ledger: Ledger, entry: Entry) -> Iterator[Span]:
    """Where events may be hidden that a snapshot received and left to earlier entries, which were retracted since."""
    withdrawn = [one for one in ledger.retractions if one.seq < entry["seq"] < one.retracted_by and one.files]
    if not withdrawn:
        return
    observed, added = entry.get("observed", {}), entry.get("added", {})
    repeated = {month for month, one in observed.items() if one["n"] > added.get(month, {"n": 0})["n"]}
    for one in withdrawn:
        for file in one.files:
            if file["month"] in repeated and file["min_time"] and file["max_time"]:
                end = read_time(file["max_time"]) + timedelta(microseconds=1)
                yield Span(entry["console"], read_time(file["min_time"]), end)


def _gap_rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    later = Cover()
    for entry in reversed(list(runs(ledger))):
        for gap in entry.get("gaps", ()):
            span = Span(entry.get("console") or "", read_time(gap["from"]), read_time(gap["to"]))
            facts = {"reason": gap["reason"], "snapshot": entry["id"]}
            rows += [_span_row(part) | facts for part in later.missing(span)]
        for one in _attested(ledger, entry):
            later.add(one)
    yield from sorted(rows, key=lambda row: tuple(row.values()))


def _span_row(span: Span) -> dict[str, Any]:
    return {"console": span.console, "start": naive(span.start), "end": naive(span.end)}


def _snapshot_row(entry: Entry) -> dict[str, Any]:
    counts = entry.get("counts", {})
    row = {name: entry.get(name) for name in ("seq", "run", "type", "console", "tool", "host", "actor")}
    row |= {name: counts.get(name) for name in ("received", "new", "duplicate", "rejected", "skipped")}
    oldest = entry.get("console_oldest")
    return row | {
        "snapshot": entry["id"],
        "at": naive(read_time(entry["at"])),
        "filtered": entry.get("filtered"),
        "console_total": entry.get("console_total"),
        "console_oldest": naive(read_time(oldest)) if oldest else None,
    }


def _window_rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for entry in runs(ledger):
        for window in entry.get("windows", ()):
            yield {
                "snapshot": entry["id"],
                "console": entry.get("console"),
                "start": naive(read_time(window["from"])),
                "end": naive(read_time(window["to"])),
            } | {name: window.get(name) for name in ("total_before", "total_after", "received", "stable")}


def _technique_rows() -> Iterator[dict[str, Any]]:
    for one in techniques().values():
        yield asdict(one) | {"tactics": list(one.tactics)}


def _reject_rows(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for file in ledger.live("rejects"):
        for line in _lines(ledger.root, file):
            reject = json.loads(line)
            raw = reject.get("raw")
            if raw is None and "raw_base64" in reject:
                raw = base64.b64decode(reject["raw_base64"]).decode("utf-8", "backslashreplace")
            yield {"snapshot": file.snapshot, "raw": raw} | {
                name: None if reject.get(name) is None else str(reject[name])
                for name in ("reason", "source", "position")
            }


def _lines(root: Path, file: FileRef) -> Iterator[bytes]:
    import pyarrow as pa

    try:
        with pa.input_stream(str(root / file.path), compression="zstd") as stream:
            rest = b""
            while block := stream.read(1 << 20):
                *lines, rest = (rest + block).split(b"\n")
                yield from lines
            if rest:
                yield rest
    except OSError as error:
        raise StorageError(
            f"Cannot read '{file.path}', which the ledger names: {error}", hint="Run 'kubedossier verify'."
        ) from error
