"""The report as JSON: what the PDF says, for programs.

The same model, so the same numbers and the same seal. Audited strings stand in it as they were received; a reader that
shows them has to make them harmless itself. The rows of the answers are not in it, for the
PDF carries them, but for those that templates of users' sections were given.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any

from kubedossier.reports.event_ids import EventIds
from kubedossier.reports.evidence import MANIFEST_NAME
from kubedossier.reports.judgements import Finding
from kubedossier.reports.model import Report
from kubedossier.reports.pieces import Cell, Fact, Value


def json_bytes(report: Report) -> bytes:
    """The report as one JSON object: UTF-8, keys in the order of the report, one LF at the end."""
    manifest = next(item for item in report.attachments if item.name == MANIFEST_NAME)
    content = {
        field.name: _plain(getattr(report, field.name))
        for field in fields(report)
        if field.name not in ("attachments", "logo")
    }
    content["manifest"] = json.loads(manifest.data)
    return (json.dumps(content, indent=1, ensure_ascii=True) + "\n").encode()


def _plain(value: object) -> Any:
    if isinstance(value, Value):
        return {"value": value.raw}
    if isinstance(value, Cell):
        return _cell(value)
    if isinstance(value, EventIds):
        return list(value)
    if isinstance(value, Finding | Fact) or is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _cell(cell: Cell) -> Any:
    """A cell as its text, or as the audited value with what stands under it."""
    if cell.trend:
        return list(cell.trend)
    if cell.bar is not None:
        return cell.bar
    if cell.is_value:
        return {"value": cell.raw, "under": list(cell.lines)} if cell.lines else {"value": cell.raw}
    return f"{cell.text} {cell.under}".strip()
