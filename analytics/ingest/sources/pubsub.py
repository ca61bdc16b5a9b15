"""Pub/Sub: log entries of Google Cloud as a subscription hands them on. The record is the entry inside, decoded.

A message holds the entry in base64. It comes in a push delivery, in the answer of ``pull``, or in the list that
``gcloud pubsub subscriptions pull --format=json`` prints. A message that is empty or damaged stays what it is, to be
counted or kept as a reject.

Source: ``PubsubMessage``, ``ReceivedMessage`` and push delivery in the Pub/Sub reference; Cloud Logging publishes one
``LogEntry`` a message.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.sources.framing import MAX_VALUE_BYTES, split_array_slowly
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord


class _Message(msgspec.Struct):
    data: str | None = None


class _Envelope(msgspec.Struct):
    message: _Message | None = None
    receivedMessages: Raw | UnsetType = UNSET  # noqa: N815 - Pub/Sub's name


_decode = msgspec.json.Decoder(_Envelope).decode


def is_message(value: dict[str, Any]) -> bool:
    """Whether an object is a message with its envelope, whatever it holds."""
    message = value.get("message")
    return isinstance(message, dict) and "messageId" in message


def messages(raw: bytes) -> list[bytes] | None:
    """The entry in a message, or the messages of a pull; None where the record is neither, or the data is damaged."""
    try:
        found = _decode(raw)
        if not isinstance(found.receivedMessages, UnsetType):
            return split_array_slowly(bytes(found.receivedMessages))
        if found.message is None or not found.message.data or len(found.message.data) > 2 * MAX_VALUE_BYTES:
            return None
        entry = base64.b64decode(found.message.data, validate=True).strip()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError):
        return None
    return [entry] if entry.startswith(b"{") else None


def refuse(value: dict[str, Any]) -> NoReturn:
    """Say why a message holds no entry; those that do were opened before.

    Raises:
        RejectedRecord: its data is damaged, or no object.
        SkippedRecord: it has none.
    """
    if value["message"].get("data"):
        raise RejectedRecord("pubsub_data")
    raise SkippedRecord("Pub/Sub message without data")
