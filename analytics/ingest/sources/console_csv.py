"""The Console's CSV, as its ``/download`` writes it: one record a line, the header decides which cell is which field.

The columns are not documented. Names are taken as those of the 14 fields, or as people would write them ("Source IPs",
"Account ID"); case, blanks and punctuation do not matter. A record has the same identity as the same event in JSON.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.sources import console_json
from kubedossier.analytics.ingest.sources.csv_cells import split_cells
from kubedossier.analytics.ingest.sources.origin import read_context
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord

FORMAT = "console-csv"
_DELIMITERS = ",;\t"
_LISTS = frozenset(("sourceIPs", "attackTechniques", "collections", "user.groups"))
_NAMES = {
    "time": ("time", "date", "timestamp", "datetime"),
    "verb": ("verb", "action", "operation"),
    "user.username": ("user", "username", "userusername"),
    "user.uid": ("uid", "useruid", "userid"),
    "user.groups": ("groups", "usergroups", "group"),
    "authorizationInfo": ("authorizationinfo", "authorization"),
    "message": ("message", "rule", "rulename"),
    "sourceIPs": ("sourceips", "sourceip", "sourceipaddress", "sourceipaddresses", "ip", "ips"),
    "resources": ("resources", "resource"),
    "requestURI": ("requesturi", "uri"),
    "attackTechniques": ("attacktechniques", "attacktechnique", "attcktechniques", "mitreattcktechniques",
                         "mitreattacktechniques", "techniques"),
    "cluster": ("cluster", "clustername"),
    "accountID": ("accountid", "account", "cloudaccount", "cloudaccountid"),
    "provider": ("provider", "cloudprovider"),
    "collections": ("collections", "collection"),
    "eventBlob": ("eventblob", "event", "rawevent", "originalevent"),
}  # fmt: skip
_FIELD_OF = {name: field for field, names in _NAMES.items() for name in names}


def is_header(line: str) -> bool:
    """Whether a line names columns of the Console's events: two at least, under names of their own."""
    return len([one for one in _columns(line)[1] if one is not None]) >= 2


def read(raw: bytes, context: str) -> Row:
    """The row of one CSV record; errors as below."""
    row = console_json.read_object(raw, read_event(raw, context))
    row.source_format = FORMAT
    return row


def read_event(raw: bytes, context: str) -> dict[str, Any]:
    """The Console's event that a CSV record holds: as many of the 14 fields as it has cells for.

    Raises:
        RejectedRecord: it is not UTF-8, or has other columns than the header in its context.
        SkippedRecord: it is the header once more.
    """
    header = read_context(context).get("csv_header")
    if not isinstance(header, str):
        raise RejectedRecord("csv_without_header")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RejectedRecord("not_utf8") from None
    if text == header:
        raise SkippedRecord("CSV header")
    delimiter, columns = _columns(header)
    cells = split_cells(text, delimiter)
    if cells is None or len(cells) != len(columns):
        raise RejectedRecord("csv_columns")
    event: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        if column is not None and cell:
            _put(event, column, cell)
    if not event:
        raise RejectedRecord("no_known_field")
    return event


def _put(event: dict[str, Any], column: str, cell: str) -> None:
    if column == "user.username" and cell.startswith("{"):
        user = _json(cell)
        if isinstance(user, dict):
            event["user"] = event.get("user", {}) | user
            return
    value: Any = cell
    if column in _LISTS:
        value = _list(cell)
    elif column == "authorizationInfo":
        value = _json(cell)
    if column.startswith("user."):
        event.setdefault("user", {})[column.removeprefix("user.")] = value
    else:
        event[column] = value


def _list(cell: str) -> Any:
    """A list out of a cell: JSON, or parts between line breaks, semicolons or commas (these not in LDAP names)."""
    if cell.startswith("["):
        return _json(cell)
    for separator in ("\n", ";", ","):
        if separator in cell and not (separator == "," and "=" in cell):
            return [part.strip() for part in cell.split(separator) if part.strip()]
    return [cell]


def _json(cell: str) -> Any:
    """The value of a JSON cell; a text that is none stays a text, and is flagged as a value of the wrong type."""
    try:
        return msgspec.json.decode(cell)
    except (msgspec.MsgspecError, RecursionError):
        return cell


@lru_cache(maxsize=64)
def _columns(header: str) -> tuple[str, tuple[str | None, ...]]:
    """The delimiter of a header, and the field each column is; None for columns that are none, or one once more."""
    best: tuple[str, tuple[str | None, ...]] = (",", ())
    for delimiter in _DELIMITERS:
        names = split_cells(header, delimiter) or []
        fields = [_FIELD_OF.get(re.sub(r"[\W_]", "", name.lower(), flags=re.ASCII)) for name in names]
        unique = tuple(one if one not in fields[:at] else None for at, one in enumerate(fields))
        if sum(one is not None for one in unique) > sum(one is not None for one in best[1]):
            best = (delimiter, unique)
    return best
