"""How an event is written: the Console's own records as they came, all others as the Console would write them.

A record of the Console's CSV becomes the event its cells tell of. Events rebuilt from other sources have the 14 fields
in the vendor's order, what is absent is left out, and ``eventBlob`` holds the original record. The CSV is the same 14
fields; it does not neutralise formulas, because clients read it back.

Source: the vendor's OpenAPI 33.01, schema ``kubeaudit.Audit``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from kubedossier.analytics.ingest.sources import console_csv, console_json

CSV_COLUMNS = (
    "time",
    "verb",
    "user.username",
    "user.uid",
    "user.groups",
    "authorizationInfo",
    "message",
    "sourceIPs",
    "resources",
    "requestURI",
    "attackTechniques",
    "cluster",
    "accountID",
    "provider",
    "collections",
    "eventBlob",
)
_FIELDS = tuple(dict.fromkeys(column.partition(".")[0] for column in CSV_COLUMNS))
_LINES_A_PIECE = 500


def page_body(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A page as JSON; an empty one is ``null``, as the Console writes it."""
    events = [event_bytes(row) for row in rows]
    return b"[" + b",".join(events) + b"]" if events else b"null"


def event_bytes(row: Mapping[str, Any]) -> bytes:
    """One event as JSON."""
    if row["source_format"] == console_json.FORMAT:
        raw: str = row["raw"]
        return raw.encode()
    return json.dumps(rebuilt(row), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def rebuilt(row: Mapping[str, Any]) -> dict[str, Any]:
    """The 14 fields of an event that did not come from the Console, or came as a line of its CSV."""
    if row["source_format"] == console_csv.FORMAT:
        event = console_csv.read_event(row["raw"].encode(), row["context"])
        return {field: event[field] for field in _FIELDS if field in event}
    user = {"username": row["user"], "uid": row["uid"], "groups": row["groups"]}
    fields = {
        "time": time_text(row["time"]),
        "verb": row["verb"],
        "user": {key: value for key, value in user.items() if value},
        "authorizationInfo": dict(row["authorization"] or ()),
        "message": row["message"],
        "sourceIPs": row["source_ips"],
        "resources": row["resources"],
        "requestURI": row["request_uri"],
        "attackTechniques": row["techniques"],
        "cluster": row["cluster"],
        "accountID": row["account"],
        "provider": row["provider"],
        "collections": row["collections"],
        "eventBlob": row["raw"],
    }
    return {key: value for key, value in fields.items() if value}


def csv_pieces(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Events as CSV (RFC 4180), header first; lists and maps as JSON."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    for number, row in enumerate(rows, 1):
        writer.writerow(_csv_row(row))
        if number % _LINES_A_PIECE == 0:
            yield _taken(out)
    yield _taken(out)


def time_text(time: datetime | None) -> str | None:
    """A time as the API writes it: RFC 3339, ``Z``, no zeros at the end of the fraction."""
    if time is None:
        return None
    text = time.isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".") + "Z"


def _csv_row(row: Mapping[str, Any]) -> list[str]:
    event = _own_fields(row["raw"]) if row["source_format"] == console_json.FORMAT else None
    if event is None:
        event = rebuilt(row)
    user = event.get("user")
    flat = event | {f"user.{key}": value for key, value in (user.items() if isinstance(user, dict) else ())}
    return [_cell(flat.get(column)) for column in CSV_COLUMNS]


def _own_fields(raw: str) -> dict[str, Any] | None:
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):  # a number of thousands of digits
        return None
    return event if isinstance(event, dict) else None


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _taken(out: io.StringIO) -> bytes:
    piece = out.getvalue().encode("utf-8", "replace")
    out.seek(0)
    out.truncate()
    return piece
