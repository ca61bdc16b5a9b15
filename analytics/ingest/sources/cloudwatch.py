"""EKS: audit events in the envelopes of CloudWatch Logs. The record is the decoded message, one event.

Envelopes: subscription records (also as Lambda and Kinesis hand them on: gzip in base64), answers of get-log-events
and filter-log-events, rows of Logs Insights as JSON or CSV, and the lines of an export to S3 (``TIME JSON``, kept
whole). The audit log shares its log group with other components; their streams are look-alikes.

Source: CloudWatch Logs: subscription filters, GetLogEvents, GetQueryResults, export tasks; EKS control plane logging,
"Query control plane logs with CloudWatch Logs Insights" (the CSV, and its ``@message``).
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.sources import kubernetes
from kubedossier.analytics.ingest.sources.csv_cells import split_cells, table_columns
from kubedossier.analytics.ingest.sources.framing import MAX_VALUE_BYTES
from kubedossier.analytics.ingest.sources.origin import Origin, add_context, labelled, read_context, without
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord, is_sound, is_utf8

FORMAT = "eks-cloudwatch"
# A line of an export: its time, then an event, or the text another component wrote.
_LINE = re.compile(rb'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) (?=\{|[IWEF]\d{4} |time=")', re.ASCII)
_GROUP = re.compile(r"/aws/eks/([^/]+)/cluster")
_AUDIT_STREAM = "kube-apiserver-audit"
_STREAMS = ("authenticator", "cloud-controller-manager", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_TIMES = (b'"requestReceivedTimestamp"', b'"stageTimestamp"', b'"timestamp"', b'"creationTimestamp"')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Message(NamedTuple):
    """One log event out of an envelope: its text, and the context with what the envelope says."""

    raw: bytes
    context: str


class _LogEvent(msgspec.Struct):
    message: Raw
    timestamp: int | None = None
    logStreamName: str | None = None  # noqa: N815 - CloudWatch's name


class _Envelope(msgspec.Struct):
    """Whatever holds log events; one of the lists is there."""

    owner: str | None = None
    logGroup: str | None = None  # noqa: N815
    logStream: str | None = None  # noqa: N815
    messageType: str | None = None  # noqa: N815
    logEvents: list[_LogEvent] | None = None  # noqa: N815
    events: list[_LogEvent] | None = None
    results: list[list[dict[str, str]]] | None = None
    awslogs: dict[str, str] | None = None
    Records: list[dict[str, Raw]] | None = None


class _Row(msgspec.Struct):
    """A row of Logs Insights."""

    message: Raw = msgspec.field(name="@message")
    timestamp: str | None = msgspec.field(default=None, name="@timestamp")
    stream: str | None = msgspec.field(default=None, name="@logStream")
    log: str | None = msgspec.field(default=None, name="@log")


class _SingleEvent(_LogEvent, kw_only=True):
    """An event of get-log-events by itself; what tells it from other objects with a message is this field."""

    ingestionTime: int  # noqa: N815


_decode = msgspec.json.Decoder(_Envelope).decode
_decode_row = msgspec.json.Decoder(_Row).decode
_decode_single = msgspec.json.Decoder(_SingleEvent).decode
_Shape = TypeVar("_Shape")


def is_line(raw: bytes) -> bool:
    """Whether a record is a line of an export to S3."""
    return _LINE.match(raw) is not None


def messages(raw: bytes, context: str) -> list[Message] | None:
    """The log events in an envelope; None where the record is none, is damaged, or is a control message."""
    if not is_sound(raw):
        return None
    if (found := _decoded_as(_decode, raw)) is not None and (inside := _of_envelope(found, context)) is not None:
        return inside
    if (row := _decoded_as(_decode_row, raw)) is not None:
        return _of_row(row, context)
    if (event := _decoded_as(_decode_single, raw)) is not None:
        return [_message(event, None, None, event.logStreamName, context)]
    return None


def csv_messages(raw: bytes, context: str) -> list[Message] | None:
    """The log event in a CSV row of Logs Insights; None where the row is damaged or has no message."""
    row = _csv_row(raw, context)
    if row is None or row.get("@message") in (None, "", "@message"):
        return None
    found = _Row(
        Raw(msgspec.json.encode(row["@message"])), row.get("@timestamp"), row.get("@logStream"), row.get("@log")
    )
    return _of_row(found, without(context, "csv_header"))


def read_csv(raw: bytes, context: str) -> Row:
    """Say why a CSV row of Logs Insights holds no event; those that do were taken out of it before.

    Raises:
        RejectedRecord: it is not UTF-8, or has other columns than its header.
        SkippedRecord: it is the header once more, or what was asked for was not ``@message``.
    """
    if raw.decode("utf-8", "replace") == read_context(context)["csv_header"]:
        raise SkippedRecord("CSV header")
    if _csv_row(raw, context) is None:
        raise RejectedRecord("csv_columns" if is_utf8(raw) else "not_utf8")
    raise SkippedRecord("Logs Insights row without @message")


def _csv_row(raw: bytes, context: str) -> dict[str, str] | None:
    columns = table_columns(read_context(context)["csv_header"])
    cells = split_cells(raw.decode("utf-8"), ",") if is_utf8(raw) else None
    return dict(zip(columns, cells, strict=True)) if cells is not None and len(cells) == len(columns) else None


def _decoded_as(decode: Callable[[bytes], _Shape], raw: bytes) -> _Shape | None:
    try:
        return decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read(raw: bytes, context: str) -> Row:
    """The row of one log event.

    Raises:
        RejectedRecord: it cannot be read; events that CloudWatch cut short end here.
        SkippedRecord: another component wrote it.
    """
    origin = _origin(context)
    message = raw
    if found := _LINE.match(raw):
        message, origin = raw[found.end() :], origin._replace(time=found[1].decode())
    if not message.startswith(b"{"):
        raise SkippedRecord(_stream(context) or "CloudWatch text line")
    try:
        row = kubernetes.event_row_strictly(message, origin, FORMAT)
    except RejectedRecord:
        if (stream := _stream(context)) is not None:
            raise SkippedRecord(stream) from None
        raise
    row.raw = raw
    return row


def _of_envelope(found: _Envelope, context: str) -> list[Message] | None:
    if found.awslogs is not None:
        return _unpacked([found.awslogs.get("data", "")], context)
    if found.Records is not None:
        inner = [_kinesis_data(one["kinesis"]) for one in found.Records if "kinesis" in one]
        return _unpacked(inner, context) if inner else None
    if found.results is not None:
        rows = [{one.get("field", ""): one.get("value", "") for one in row} for row in found.results]
        parsed = [msgspec.convert({**row, "@message": Raw(msgspec.json.encode(row["@message"]))}, _Row)
                  for row in rows if "@message" in row]  # fmt: skip
        return [one for row in parsed for one in _of_row(row, context)] if parsed or not rows else None
    events = found.logEvents if found.logEvents is not None else found.events
    if events is None or (found.logEvents is not None and found.messageType == "CONTROL_MESSAGE"):
        return None
    return [_message(one, found.owner, found.logGroup, one.logStreamName or found.logStream, context) for one in events]


def _of_row(row: _Row, context: str) -> list[Message]:
    owner, _, group = (row.log or "").rpartition(":")
    time = row.timestamp.replace(" ", "T") + "Z" if row.timestamp else None
    return [_with_context(_decoded(row.message), owner or None, group or None, row.stream, time, context)]


def _message(event: _LogEvent, owner: str | None, group: str | None, stream: str | None, context: str) -> Message:
    time = None
    if event.timestamp is not None and abs(event.timestamp) < 2**47:
        moment = _EPOCH + timedelta(milliseconds=event.timestamp)
        time = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    return _with_context(_decoded(event.message), owner, group, stream, time, context)


def _with_context(
    raw: bytes, owner: str | None, group: str | None, stream: str | None, time: str | None, context: str
) -> Message:
    """The message with what its envelope says; its time only where the message has none, so that contexts repeat."""
    if any(key in raw for key in _TIMES):
        time = None
    added = (("owner", owner), ("log_group", group), ("log_stream", stream), ("event_time", time))
    return Message(raw, add_context(context, tuple((key, value) for key, value in added if value)))


def _decoded(message: Raw) -> bytes:
    """The text of a message; one that is an object stays as it is."""
    raw = bytes(message)
    if not raw.startswith(b'"'):
        return raw
    text: str = msgspec.json.decode(raw)
    return text.strip().encode()


def _unpacked(packed: list[str], context: str) -> list[Message] | None:
    """The log events of subscription records that are compressed (gzip) and in base64."""
    unpacked: list[Message] = []
    for one in packed:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(one, validate=True))) as file:
                raw = file.read(MAX_VALUE_BYTES + 1)
        except (ValueError, OSError, EOFError, zlib.error):
            return None
        inner = messages(raw, context) if len(raw) <= MAX_VALUE_BYTES else None
        # A control message stays what it is, to be counted.
        unpacked += [Message(raw, context)] if inner is None else inner
    return unpacked


def _kinesis_data(raw: Raw) -> str:
    value: Any = msgspec.json.decode(raw)
    data = value.get("data") if isinstance(value, dict) else None
    return data if isinstance(data, str) else ""


@lru_cache(maxsize=1024)
def _origin(context: str) -> Origin:
    value, labels = read_context(context), labelled(context)
    cluster = _GROUP.search(value.get("log_group") or "")
    return Origin(
        cluster[1] if cluster else labels.cluster,
        value.get("owner") or labels.account,
        "aws",
        value.get("event_time"),
        guess_account=True,
    )


@lru_cache(maxsize=1024)
def _stream(context: str) -> str | None:
    """What the stream of another component is called here; None for the audit log's, and where nobody says."""
    stream = read_context(context).get("log_stream")
    if not stream or stream.startswith(_AUDIT_STREAM):
        return None
    known = next((one for one in _STREAMS if stream.startswith(one)), None)
    return f"CloudWatch stream {known}" if known else "other CloudWatch stream"
