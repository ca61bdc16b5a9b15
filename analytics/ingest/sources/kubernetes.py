"""Raw Kubernetes audit logs: ``audit.k8s.io`` events of any version, one a record, stages kept apart.

Recognised by shape (an audit id, or a stage with a verb), never by ``apiVersion``: items of an EventList have neither
kind nor version, and old events have no version at all.

Source: the type ``Event`` of audit.k8s.io/v1 and v1beta1.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.blob import body_present
from kubedossier.analytics.ingest.fields import Reader, read_flags
from kubedossier.analytics.ingest.identity import audit_key, identity
from kubedossier.analytics.ingest.parsing import canonical, parse_strict
from kubedossier.analytics.ingest.paths import ApiPath, build_resources, parse_request_uri
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.times import parse_time

FORMAT = "kubernetes-audit"
_Text = str | None | UnsetType


class _User(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    username: _Text = UNSET
    uid: _Text = UNSET
    groups: list[str] | UnsetType | None = UNSET
    extra: dict[str, list[str]] | UnsetType | None = UNSET


class _ObjectRef(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    resource: _Text = UNSET
    namespace: _Text = UNSET
    name: _Text = UNSET
    uid: _Text = UNSET
    apiGroup: _Text = UNSET  # noqa: N815 - Kubernetes' name
    apiVersion: _Text = UNSET  # noqa: N815
    resourceVersion: _Text = UNSET  # noqa: N815
    subresource: _Text = UNSET


class _Status(msgspec.Struct, gc=False):
    code: int | None = None
    message: str | None = None


class _Metadata(msgspec.Struct, gc=False):
    creationTimestamp: str | None = None  # noqa: N815


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    kind: _Text = UNSET
    apiVersion: _Text = UNSET  # noqa: N815
    metadata: _Metadata | UnsetType | None = UNSET
    level: _Text = UNSET
    timestamp: _Text = UNSET
    auditID: _Text = UNSET  # noqa: N815
    stage: _Text = UNSET
    requestURI: _Text = UNSET  # noqa: N815
    verb: _Text = UNSET
    user: _User | UnsetType | None = UNSET
    impersonatedUser: _User | UnsetType | None = UNSET  # noqa: N815
    authenticationMetadata: Raw | UnsetType = UNSET  # noqa: N815
    sourceIPs: list[str] | UnsetType | None = UNSET  # noqa: N815
    userAgent: _Text = UNSET  # noqa: N815
    objectRef: _ObjectRef | UnsetType | None = UNSET  # noqa: N815
    responseStatus: _Status | UnsetType | None = UNSET  # noqa: N815
    requestObject: Raw | UnsetType = UNSET  # noqa: N815
    responseObject: Raw | UnsetType = UNSET  # noqa: N815
    requestReceivedTimestamp: _Text = UNSET  # noqa: N815
    stageTimestamp: _Text = UNSET  # noqa: N815
    annotations: dict[str, str] | UnsetType | None = UNSET


class _EventList(msgspec.Struct):
    kind: str
    items: list[Raw]


_decode = msgspec.json.Decoder(_Event).decode
_decode_list = msgspec.json.Decoder(_EventList).decode
FIELDS = frozenset(_Event.__struct_fields__)
_USER_FIELDS = frozenset(_User.__struct_fields__)
_TIMES = ("requestReceivedTimestamp", "stageTimestamp", "timestamp")


def is_event(value: dict[str, Any]) -> bool:
    """Whether an object has the shape of an audit event."""
    return bool(value.get("auditID")) or ("stage" in value and "verb" in value)


def list_items(raw: bytes) -> list[bytes] | None:
    """The items of an EventList with their exact bytes; None where the record is no EventList."""
    if b"EventList" not in raw[:4096] and b"EventList" not in raw[-4096:]:
        return None
    try:
        found = _decode_list(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _list_items_slowly(raw)
    return [bytes(one) for one in found.items] if found.kind == "EventList" else None


def read(raw: bytes, context: str) -> Row | None:
    """The row of an ordinary audit event; None where the strict reader must look at it."""
    try:
        event = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not (event.auditID or (event.stage is not UNSET and event.verb is not UNSET)):
        return None
    return _from_parts(raw, context, msgspec.structs.asdict(event))


def read_object(raw: bytes, value: dict[str, Any], context: str) -> Row:
    """The row of any audit event that the strict parser accepted.

    Raises:
        RejectedRecord: a number beyond a double stands in a known field.
    """
    reader = Reader(value)
    parts: dict[str, Any] = {
        key: reader.text(key) for key in ("auditID", "stage", "level", "requestURI", "verb", "userAgent", *_TIMES)
    }
    parts["sourceIPs"] = reader.texts("sourceIPs")
    parts["annotations"] = reader.text_map("annotations")
    for key in ("user", "impersonatedUser"):
        if (user := reader.inner(key)) is not None:
            inner = Reader(user, prefix=f"{key}.", flags=reader.flags)
            parts[key] = _User(inner.text("username"), inner.text("uid"), inner.texts("groups"))
    if (ref := reader.inner("objectRef")) is not None:
        inner = Reader(ref, prefix="objectRef.", flags=reader.flags)
        parts["objectRef"] = _ObjectRef(**{key: inner.text(key) for key in _ObjectRef.__struct_fields__})
    if (status := reader.inner("responseStatus")) is not None:
        inner = Reader(status, prefix="responseStatus.", flags=reader.flags)
        parts["responseStatus"] = _Status(inner.number("code"), inner.text("message"))
    if (metadata := reader.inner("metadata")) is not None:
        parts["metadata"] = _Metadata(
            Reader(metadata, prefix="metadata.", flags=reader.flags).text("creationTimestamp")
        )
    for key in ("requestObject", "responseObject"):
        if isinstance(value.get(key), dict | list):
            parts[key] = b"{"
    known_user = _USER_FIELDS if isinstance(value.get("user"), dict) else frozenset()
    flags = read_flags(value, FIELDS, known_user, "user")
    return _from_parts(raw, context, parts, (*reader.flags, *flags), wrong=reader.wrong, whole=value)


def _from_parts(
    raw: bytes,
    context: str,
    parts: dict[str, Any],
    flags: tuple[str, ...] = (),
    wrong: dict[str, str] | None = None,
    whole: dict[str, Any] | None = None,
) -> Row:
    def get(key: str) -> Any:
        return parts.get(key) or None

    cluster, account, provider = _options(context)
    user = get("user") or _User()
    ref = get("objectRef")
    uri, verb, stage, audit_id = get("requestURI"), get("verb"), get("stage"), get("auditID")
    path = _ref_path(ref) if ref and ref.resource else parse_request_uri(uri)
    time_text = next((get(key) for key in _TIMES if get(key)), None)
    if time_text is None and (metadata := get("metadata")):
        time_text = metadata.creationTimestamp
    micros, time_flags = parse_time(time_text)
    if micros is None and wrong and any(key in wrong for key in _TIMES):
        time_flags = ("time_unreadable",)
    named = [cluster, account, provider, audit_id, stage, uri, verb, time_text]
    if wrong:
        for index, key in ((3, "auditID"), (4, "stage"), (5, "requestURI"), (6, "verb")):
            named[index] = wrong.get(key, named[index])
    status = get("responseStatus")
    annotations = get("annotations")
    impersonated = get("impersonatedUser")
    code = status.code if status and status.code and 0 < status.code < 1000 else None
    return Row(
        raw=raw,
        source_format=FORMAT,
        event_id=identity(named) if named[3] else _identity_of_whole(raw, whole),
        audit_key=audit_key(cluster, audit_id, uri, verb, time_text) if audit_id else None,
        time=micros,
        verb=verb,
        user=user.username or None,
        uid=user.uid or None,
        groups=tuple(user.groups) if user.groups else None,
        decision=annotations.get("authorization.k8s.io/decision") or None if annotations else None,
        authorization=tuple(sorted(annotations.items())) if annotations else None,
        message=status.message or None if status else None,
        source_ips=tuple(get("sourceIPs")) if get("sourceIPs") else None,
        resources=build_resources(path),
        request_uri=uri,
        cluster=cluster,
        account=account,
        provider=provider,
        action=verb.lower() if verb else None,
        api_group=path.api_group,
        api_version=path.api_version,
        resource=path.resource,
        subresource=path.subresource,
        namespace=path.namespace,
        name=path.name,
        user_kind=_user_kind(user.username or None),
        status_code=code,
        impersonated_user=impersonated.username or None if impersonated else None,
        user_agent=get("userAgent"),
        audit_id=audit_id,
        stage=stage,
        level=get("level"),
        body_present=body_present(get("requestObject"), get("responseObject")),
        flags=(*flags, *time_flags, *_provider_flags(provider)) or None,
    )


def _ref_path(ref: _ObjectRef) -> ApiPath:
    return ApiPath(
        ref.apiGroup or "core",
        ref.apiVersion or None,
        ref.namespace or None,
        ref.resource or None,
        ref.name or None,
        ref.subresource or None,
    )


def _identity_of_whole(raw: bytes, whole: dict[str, Any] | None) -> bytes:
    """Without an audit id: SHA-256 of the canonical JSON of the whole record."""
    import hashlib

    return hashlib.sha256(canonical(whole if whole is not None else parse_strict(raw)).encode()).digest()


def _list_items_slowly(raw: bytes) -> list[bytes] | None:
    from kubedossier.analytics.ingest.sources.framing import member, split_array_slowly

    if member(raw, "kind") != b'"EventList"':
        return None
    items = member(raw, "items")
    return split_array_slowly(items) if items is not None else None


@lru_cache(maxsize=1024)
def _options(context: str) -> tuple[str | None, str | None, str | None]:
    value = json.loads(context)
    return value.get("cluster"), value.get("account"), value.get("provider")


@lru_cache(maxsize=65536)
def _user_kind(username: str | None) -> str | None:
    return vocabulary.user_kind(username)


@lru_cache(maxsize=64)
def _provider_flags(provider: str | None) -> tuple[str, ...]:
    return () if provider is None or provider in vocabulary.PROVIDERS else ("unknown_provider",)
