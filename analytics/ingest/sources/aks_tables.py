"""Rows of Log Analytics: as the API, the command line, data export and the portal give them, in JSON or CSV.

A row of AKSAudit or AKSAuditAdmin has no text of the event, only its fields as columns: the event is put together from
them, and the record is the row as it came. Columns that hold objects are objects in data export and text elsewhere.
Log Analytics keeps times in another precision than the API server writes, so that such a row and the same event from
another export may count as two.

Source: the tables AKSAudit, AKSAuditAdmin and AzureDiagnostics of the Azure Monitor reference; the response format of
the Log Analytics query API; ``az monitor log-analytics query`` (rows with ``TableName``, all values as text).
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.sources.csv_cells import split_cells, table_columns
from kubedossier.analytics.ingest.sources.framing import member, split_array_slowly
from kubedossier.analytics.ingest.sources.origin import add_context, read_context
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord

_decode_columns = msgspec.json.Decoder(list[dict[str, str]]).decode
_FIELDS = {
    "AuditId": "auditID",
    "Level": "level",
    "RequestReceivedTime": "requestReceivedTimestamp",
    "RequestUri": "requestURI",
    "Stage": "stage",
    "StageReceivedTime": "stageTimestamp",
    "UserAgent": "userAgent",
    "Verb": "verb",
}
_OBJECTS = {
    "Annotations": "annotations",
    "ImpersonatedUser": "impersonatedUser",
    "ObjectRef": "objectRef",
    "RequestObject": "requestObject",
    "ResponseObject": "responseObject",
    "ResponseStatus": "responseStatus",
    "SourceIps": "sourceIPs",
    "User": "user",
}
_MARKS = frozenset(("ObjectRef", "RequestUri", "Stage", "Verb"))
_ABSENT = (None, "", "None")
# The portal's own way to write a time.
_PORTAL_TIME = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}), (\d{1,2}):(\d\d):(\d\d(?:\.\d+)?) ([AP])M", re.ASCII)


def is_audit_row(value: dict[str, Any]) -> bool:
    """Whether an object is a row of AKSAudit or AKSAuditAdmin."""
    return "AuditId" in value and bool(value.keys() & _MARKS)


def is_row(value: dict[str, Any]) -> bool:
    """Whether an object is a row of a table with audit events, or with other logs of AKS in the same place."""
    return is_audit_row(value) or "log_s" in value or value.get("Type") == "AzureDiagnostics"


def event_of(value: dict[str, Any]) -> bytes:
    """The audit event that a row of AKSAudit holds, as JSON."""
    event = {field: value[column] for column, field in _FIELDS.items() if value.get(column) not in _ABSENT}
    for field in ("requestReceivedTimestamp", "stageTimestamp"):
        if isinstance(event.get(field), str):
            event[field] = time_text(event[field])
    for column, field in _OBJECTS.items():
        if (found := value.get(column)) not in _ABSENT:
            event[field] = as_json(found) if isinstance(found, str) else found
    return msgspec.json.encode(event)


def as_json(text: str) -> Any:
    """The object or list in a text; a text that is none stays one."""
    try:
        return msgspec.json.decode(text) if text.startswith(("{", "[")) else text
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return text


def time_text(text: str) -> str:
    """A time as the API server would write it, where the portal wrote it its own way."""
    if (found := _PORTAL_TIME.fullmatch(text)) is None:
        return text
    month, day, year, hour, minute, seconds, half = found.groups()
    return f"{year}-{month:0>2}-{day:0>2}T{int(hour) % 12 + 12 * (half == 'P'):02d}:{minute}:{seconds}Z"


def list_rows(raw: bytes, context: str) -> list[tuple[bytes, str]] | None:
    """The rows of an answer of the query API with their exact bytes, and the context with the names of their columns.

    None where the record is no such answer.
    """
    if (tables := member(raw, "tables")) is None:
        return None
    try:
        found = []
        for table in split_array_slowly(tables):
            columns = [
                one["name"] for one in msgspec.json.decode(member(table, "columns") or b"", type=list[dict[str, str]])
            ]
            labelled = add_context(context, (("columns", json.dumps(columns)),))
            found += [(one, labelled) for one in split_array_slowly(member(table, "rows") or b"")]
    except (ValueError, KeyError, msgspec.MsgspecError):
        return None
    return found


def row(raw: bytes, context: str) -> dict[str, Any] | None:
    """A row whose columns its context names: of the query API, or of CSV; None for a record that names them itself.

    Raises:
        RejectedRecord: it has other columns than the context names, or is not UTF-8.
        SkippedRecord: it is the header once more.
    """
    known = read_context(context)
    if (header := known.get("csv_header")) is not None:
        columns = table_columns(header)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise RejectedRecord("not_utf8") from None
        if text == header:
            raise SkippedRecord("CSV header")
        values: list[Any] | None = split_cells(text, ",")
    elif "columns" in known and raw.startswith(b"["):
        columns = tuple(json.loads(known["columns"]))
        values = as_json(raw.decode("utf-8", "replace"))
    else:
        return None
    if not isinstance(values, list) or len(values) != len(columns):
        raise RejectedRecord("csv_columns" if header is not None else "table_columns")
    return dict(zip(columns, values, strict=True))
