"""Where events come from: one file a format, found by shape, record by record.

The two commonest shapes, the Console's records and bare audit events, have typed decoders that refuse whatever is
not exactly theirs, and are tried first: ``console_columns`` for a whole chunk, then ``kubernetes`` for each record.
What they refuse is told apart by its most telling fields; an object is taken
for a record of the Console's last, since a single field in common is enough there. What is none of them is a reject
with its reason, or a look-alike that is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kubedossier.analytics.ingest.parsing import RejectedRecord, parse_strict
from kubedossier.analytics.ingest.row import Record, Row
from kubedossier.analytics.ingest.sources import (
    aks,
    aks_tables,
    cloudwatch,
    console_csv,
    console_json,
    gke,
    kubernetes,
    otlp,
    pubsub,
)
from kubedossier.analytics.ingest.sources.console_shape import FIELDS as CONSOLE_FIELDS
from kubedossier.analytics.ingest.sources.csv_cells import kind_of
from kubedossier.analytics.ingest.sources.event_shape import is_event
from kubedossier.analytics.ingest.sources.framing import split_joined
from kubedossier.analytics.ingest.sources.origin import add_context, read_context
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord, look_alike, parse_object

__all__ = ["FORMATS", "SkippedRecord", "csv_context", "derive", "expand", "read_ordinary"]

FORMATS = (
    console_json.FORMAT,
    console_csv.FORMAT,
    kubernetes.FORMAT,
    cloudwatch.FORMAT,
    aks.FORMAT,
    gke.FORMAT,
)
# Fields that only the Console's records have, whatever else a later version may add to them.
_CONSOLE_ALONE = frozenset(("accountID", "attackTechniques", "authorizationInfo", "eventBlob"))
_READERS: dict[str, Callable[[bytes, str], Row]] = {
    console_csv.FORMAT: console_csv.read,
    cloudwatch.FORMAT: cloudwatch.read,
    aks.FORMAT: aks.read,
    gke.FORMAT: gke.read,
}
_CSV_READERS: dict[str | None, Callable[[bytes, str], Row]] = {
    None: console_csv.read,
    "insights": cloudwatch.read_csv,
    "azure": aks.read,
}
# An envelope has one of these near its beginning or its end; what only looks like one is looked at more closely.
_ENVELOPES = (b'"EventList"', b'"logEvents"', b'"events"', b'"ingestionTime"', b'"@message"', b'"results"',
              b'"awslogs"', b'"kinesis"', b'"records"', b'"resourceLogs"', b'"entries"', b'"tables"', b'"publishTime"',
              b'"receivedMessages"')  # fmt: skip
_CLOUDWATCH = frozenset(_ENVELOPES[1:8])
# Envelopes that are no more than a list of records, which say all themselves.
_LISTS: dict[bytes, Callable[[bytes], list[bytes] | None]] = {
    b'"EventList"': kubernetes.list_items,
    b'"records"': aks.list_items,
    b'"entries"': gke.list_items,
    b'"publishTime"': pubsub.messages,
    b'"receivedMessages"': pubsub.messages,
}
_WINDOW = 4096
_NESTED = 4


def read_ordinary(record: Record) -> Row | None:
    """The row of an ordinary audit event, fast; None for everything else."""
    if record.source_format in (None, kubernetes.FORMAT):
        return kubernetes.read(record.raw, record.context)
    return None


def derive(record: Record) -> Row:
    """The typed row of a record.

    Raises:
        RejectedRecord: it cannot be read as an event; the reason is kept beside it.
        SkippedRecord: it is something else (an AdmissionReview, a core/v1 Event ...).
    """
    if (row := read_ordinary(record)) is not None:
        return row
    kind, raw, context = record.source_format, record.raw, record.context
    if kind is None:
        return _derive_by_shape(raw, context)
    if kind == console_json.FORMAT:
        return _console(raw, parse_strict(raw))
    if kind == kubernetes.FORMAT:
        return kubernetes.read_strictly(raw, context)
    return _READERS[kind](raw, context)


def expand(record: Record) -> list[Record]:
    """The records inside an envelope (an EventList, a CloudWatch subscription ...), or the record itself."""
    return list(_expand(record, _NESTED))


def csv_context(context: str, header: str) -> str:
    """The context of the records of a CSV file."""
    return add_context(context, (("csv_header", header),))


def _derive_by_shape(raw: bytes, context: str) -> Row:
    if (header := read_context(context).get("csv_header")) is not None:
        return _CSV_READERS[kind_of(header)](raw, context)
    if cloudwatch.is_line(raw):
        return cloudwatch.read(raw, context)
    if b'"protoPayload"' in raw and gke.is_entry(value := parse_object(raw)):
        return gke.read_object(raw, value, context)
    value = parse_strict(raw)
    if aks.is_record(value):
        return aks.read_object(raw, value, context)
    if is_event(value) and not value.keys() & _CONSOLE_ALONE:
        return kubernetes.read_object(raw, value, context)
    if what := look_alike(value):
        raise SkippedRecord(what)
    if pubsub.is_message(value):
        pubsub.refuse(value)
    return _console(raw, value)


def _console(raw: bytes, value: dict[str, Any]) -> Row:
    if not value.keys() & CONSOLE_FIELDS:
        raise RejectedRecord("no_known_field")
    return console_json.read_object(raw, value)


def _expand(record: Record, levels: int) -> Iterable[Record]:
    if not levels or record.source_format in (console_json.FORMAT, console_csv.FORMAT):
        return (record,)
    inside = _inside(record)
    if inside is None:
        parts = split_joined(record.raw) if b"}{" in record.raw or b"} {" in record.raw else None
        if parts is None:
            return (record,)
        inside = [(part, record.context, None) for part in parts]
    return (
        one
        for number, (raw, context, kind) in enumerate(inside, 1)
        for one in _expand(
            Record(
                raw,
                kind or record.source_format,
                context,
                record.position,
                record.console,
                record.source,
                f"{record.item}, item {number}",
            ),
            levels - 1,
        )
    )


def _inside(record: Record) -> list[tuple[bytes, str, str | None]] | None:
    """What an envelope holds: text, context and format of each; None where the record is no envelope."""
    raw, context = record.raw, record.context
    if (header := read_context(context).get("csv_header")) is not None:
        rows = cloudwatch.csv_messages(raw, context) if kind_of(header) == "insights" else None
        return None if rows is None else [(one.raw, one.context, cloudwatch.FORMAT) for one in rows]
    ends = raw if len(raw) <= 2 * _WINDOW else raw[:_WINDOW] + raw[-_WINDOW:]
    keys = {key for key in _ENVELOPES if key in ends}
    if not keys:
        return None
    for key, open_ in _LISTS.items():
        if key in keys and (items := open_(raw)) is not None:
            return [(item, context, None) for item in items]
    if b'"resourceLogs"' in keys and (bodies := otlp.bodies(raw, context)) is not None:
        return [(body, labelled, None) for body, labelled in bodies]
    if b'"tables"' in keys and (found := aks_tables.list_rows(raw, context)) is not None:
        return [(row, labelled, aks.FORMAT) for row, labelled in found]
    if keys & _CLOUDWATCH:
        logged = cloudwatch.messages(raw, context)
        return None if logged is None else [(one.raw, one.context, cloudwatch.FORMAT) for one in logged]
    return None
