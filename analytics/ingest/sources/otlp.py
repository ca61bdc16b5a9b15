"""OTLP: log records of OpenTelemetry whose body is an audit event. The record is that body, an ordinary event.

Source: the JSON form of OTLP logs; the semantic convention ``k8s.cluster.name``.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from kubedossier.analytics.ingest.sources.origin import add_context


class _Value(msgspec.Struct):
    stringValue: str | None = None  # noqa: N815 - OTLP's names


class _Attribute(msgspec.Struct):
    key: str
    value: _Value | None = None


class _LogRecord(msgspec.Struct):
    body: _Value | None = None


class _Scope(msgspec.Struct):
    logRecords: list[_LogRecord] = []  # noqa: N815 - msgspec copies it


class _Resource(msgspec.Struct):
    attributes: list[_Attribute] = []


class _ResourceLogs(msgspec.Struct):
    resource: _Resource | None = None
    scopeLogs: list[_Scope] = []  # noqa: N815


class _Export(msgspec.Struct):
    resourceLogs: list[_ResourceLogs] | UnsetType = UNSET  # noqa: N815


_decode = msgspec.json.Decoder(_Export).decode


def bodies(raw: bytes, context: str) -> list[tuple[bytes, str]] | None:
    """The bodies of an export, each with its context; None where the record is no export."""
    try:
        found = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found.resourceLogs, UnsetType):
        return None
    return [
        (one.body.stringValue.strip().encode(), _context(logs.resource, context))
        for logs in found.resourceLogs
        for scope in logs.scopeLogs
        for one in scope.logRecords
        if one.body is not None and one.body.stringValue is not None
    ]


def _context(resource: _Resource | None, context: str) -> str:
    names = {one.key: one.value.stringValue for one in (resource.attributes if resource else ()) if one.value}
    cluster = names.get("k8s.cluster.name")
    return add_context(context, (("cluster", cluster),)) if cluster else context
