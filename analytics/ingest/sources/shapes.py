"""What a record is, when it is none of ours: look-alikes by their shape, and damage a fast decoder does not see.

A look-alike is counted under a name of this file. None is built from the record: the ledger repeats these names.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kubedossier.analytics.ingest.parsing import MAX_DEPTH, parse_strict

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class SkippedRecord(Exception):  # noqa: N818 - the field's word
    """A look-alike: well-formed, but not an audit event. The text says what it is."""


def is_utf8(raw: bytes) -> bool:
    """Whether bytes are UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_sound(raw: bytes) -> bool:
    """Whether JSON that a decoder let through unread is UTF-8 and nests no deeper than the limit."""
    if not raw.isascii() and not is_utf8(raw):
        return False
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return True
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return not brackets


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse one object, fast where that is safe.

    Raises:
        RejectedRecord: as ``parse_strict`` does.
    """
    if is_sound(raw):
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return parse_strict(raw)
        if type(value) is dict:
            return value
    return parse_strict(raw)


def look_alike(value: dict[str, Any]) -> str | None:
    """What an object is that is no audit event; None where its shape is none of the known ones."""
    kind = value.get("kind")
    if kind == "Event" and ("involvedObject" in value or "regarding" in value):
        return "core/v1 Event"
    if kind == "EventList":
        return None
    if kind in ("AdmissionReview", "Status", "List"):
        return f"Kubernetes {kind}"
    if isinstance(kind, str) and "metadata" in value and ("spec" in value or "apiVersion" in value):
        return "Kubernetes object"
    if "logName" in value and value.keys() & {"insertId", "textPayload", "jsonPayload", "receiveTimestamp"}:
        return "other Google Cloud log"
    if value.get("messageType") == "CONTROL_MESSAGE" and "logEvents" in value:
        return "CloudWatch control message"
    if "eventSource" in value and "eventVersion" in value:
        return "other AWS log"
    if "category" in value and value.keys() & {"resourceId", "operationName"}:
        return "other Azure log"
    if "TimeGenerated" in value and value.keys() & {"Type", "TableName", "Category", "_ResourceId"}:
        return "other Azure log"
    return None
