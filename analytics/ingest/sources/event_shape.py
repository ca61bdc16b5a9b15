"""The shape of an ``audit.k8s.io`` event, for the typed decoder: known fields only, bodies left unread.

Source: the type ``Event`` of audit.k8s.io/v1 and v1beta1.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

_Text = str | None | UnsetType


class User(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """``user`` and ``impersonatedUser``."""

    username: _Text = UNSET
    uid: _Text = UNSET
    groups: list[str] | UnsetType | None = UNSET
    extra: dict[str, list[str]] | UnsetType | None = UNSET


class ObjectRef(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """``objectRef``: absent for paths that are no resource."""

    resource: _Text = UNSET
    namespace: _Text = UNSET
    name: _Text = UNSET
    uid: _Text = UNSET
    apiGroup: _Text = UNSET  # noqa: N815 - Kubernetes' name
    apiVersion: _Text = UNSET  # noqa: N815
    resourceVersion: _Text = UNSET  # noqa: N815
    subresource: _Text = UNSET


class Status(msgspec.Struct, gc=False):
    """What is read of ``responseStatus``."""

    code: int | None = None
    message: str | None = None


class Metadata(msgspec.Struct, gc=False):
    """What is read of ``metadata``, which only old events have."""

    creationTimestamp: str | None = None  # noqa: N815


class Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One event. A body is ``Raw`` from the decoder, and any JSON value from the strict reader."""

    kind: _Text = UNSET
    apiVersion: _Text = UNSET  # noqa: N815
    metadata: Metadata | UnsetType | None = UNSET
    level: _Text = UNSET
    timestamp: _Text = UNSET
    auditID: _Text = UNSET  # noqa: N815
    stage: _Text = UNSET
    requestURI: _Text = UNSET  # noqa: N815
    verb: _Text = UNSET
    user: User | UnsetType | None = UNSET
    impersonatedUser: User | UnsetType | None = UNSET  # noqa: N815
    authenticationMetadata: Raw | UnsetType = UNSET  # noqa: N815
    sourceIPs: list[str] | UnsetType | None = UNSET  # noqa: N815
    userAgent: _Text = UNSET  # noqa: N815
    objectRef: ObjectRef | UnsetType | None = UNSET  # noqa: N815
    responseStatus: Status | UnsetType | None = UNSET  # noqa: N815
    requestObject: Raw | UnsetType = UNSET  # noqa: N815
    responseObject: Raw | UnsetType = UNSET  # noqa: N815
    requestReceivedTimestamp: _Text = UNSET  # noqa: N815
    stageTimestamp: _Text = UNSET  # noqa: N815
    annotations: dict[str, str] | UnsetType | None = UNSET


class EventList(msgspec.Struct):
    """Many events in one object."""

    kind: str
    items: list[Raw]


FIELDS = frozenset(Event.__struct_fields__)
USER_FIELDS = frozenset(User.__struct_fields__)
decode_event = msgspec.json.Decoder(Event).decode
decode_list = msgspec.json.Decoder(EventList).decode


def is_event(value: dict[str, Any]) -> bool:
    """Whether an object has the shape of an audit event; never by ``apiVersion``, which may be missing."""
    return bool(value.get("auditID")) or ("stage" in value and "verb" in value)
