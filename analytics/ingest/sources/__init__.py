"""Where events come from: one file a format, found by shape, record by record.

Every format module has ``FORMAT``, a fast ``read`` (None where the strict reader must look) and ``read_object`` for
any object of its shape. What is none of them is a reject with its reason, or a look-alike that is counted.
"""

from __future__ import annotations

from typing import Any

from kubedossier.analytics.ingest.parsing import RejectedRecord, parse_strict
from kubedossier.analytics.ingest.row import Record, Row
from kubedossier.analytics.ingest.sources import console_json, kubernetes

FORMATS = (console_json.FORMAT, kubernetes.FORMAT)


class SkippedRecord(Exception):  # noqa: N818 - the field's word
    """A look-alike: well-formed, but not an audit event. The text says what it is."""


def derive(record: Record) -> Row:
    """The typed row of a record.

    Raises:
        RejectedRecord: it cannot be read as an event; the reason is kept beside it.
        SkippedRecord: it is something else (an AdmissionReview, a core/v1 Event ...).
    """
    kind = record.source_format
    if kind != kubernetes.FORMAT and (row := console_json.read(record.raw)) is not None:
        return row
    if kind != console_json.FORMAT and (row := kubernetes.read(record.raw, record.context)) is not None:
        return row
    value = parse_strict(record.raw)
    if kind == console_json.FORMAT:
        return _console(record.raw, value)
    if kubernetes.is_event(value):
        return kubernetes.read_object(record.raw, value, record.context)
    if what := _look_alike(value):
        raise SkippedRecord(what)
    return _console(record.raw, value)


def expand(record: Record) -> list[Record]:
    """The records inside an envelope (an EventList), or the record itself."""
    items = None if record.source_format else kubernetes.list_items(record.raw)
    if items is None:
        return [record]
    return [
        Record(item, None, record.context, f"{record.position}, item {number}", record.console, record.source)
        for number, item in enumerate(items, 1)
    ]


def _console(raw: bytes, value: dict[str, Any]) -> Row:
    if not value.keys() & console_json.FIELDS:
        raise RejectedRecord("no_known_field")
    return console_json.read_object(raw, value)


def _look_alike(value: dict[str, Any]) -> str | None:
    kind = value.get("kind")
    if kind == "Event" and "involvedObject" in value:
        return "core/v1 Event"
    if kind in ("AdmissionReview", "Status", "List") or (
        isinstance(kind, str) and "spec" in value and "metadata" in value
    ):
        return f"Kubernetes {kind}" if len(str(kind)) <= 63 else "Kubernetes object"
    return None
