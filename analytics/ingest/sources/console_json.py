"""The Console's own records: ``kubeaudit.Audit`` of its API, 14 fields, all optional.

Two readers give the same row: a typed decoder for the ordinary record, and the strict parser for whatever that one
refuses. ``eventBlob`` (the original event) is read for the columns the 14 fields do not have.

Source: the vendor's OpenAPI 33.01, schema ``kubeaudit.Audit``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.blob import BLANK, BlobFacts, read_blob
from kubedossier.analytics.ingest.fields import Reader, read_flags
from kubedossier.analytics.ingest.identity import identity
from kubedossier.analytics.ingest.paths import NOTHING, ApiPath, parse_request_uri, parse_resources
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.times import parse_time

FORMAT = "console-json"
_Text = str | None | UnsetType


class _User(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    username: _Text = UNSET
    uid: _Text = UNSET
    groups: list[str] | UnsetType | None = UNSET


class _Audit(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    time: _Text = UNSET
    verb: _Text = UNSET
    user: _User | UnsetType | None = UNSET
    authorizationInfo: dict[str, str] | UnsetType | None = UNSET  # noqa: N815 - the vendor's name
    message: _Text = UNSET
    sourceIPs: list[str] | UnsetType | None = UNSET  # noqa: N815
    resources: _Text = UNSET
    requestURI: _Text = UNSET  # noqa: N815
    attackTechniques: list[str] | UnsetType | None = UNSET  # noqa: N815
    cluster: _Text = UNSET
    accountID: _Text = UNSET  # noqa: N815
    provider: _Text = UNSET
    collections: list[str] | UnsetType | None = UNSET
    eventBlob: _Text = UNSET  # noqa: N815


_USER_FIELDS = frozenset(_User.__struct_fields__)
FIELDS = frozenset(_Audit.__struct_fields__)
_decode = msgspec.json.Decoder(_Audit).decode
_split = msgspec.json.Decoder(list[Raw] | None).decode


def split_array(body: bytes) -> list[bytes]:
    """The elements of a JSON array, each with its exact bytes; ``null`` gives none.

    Raises:
        ValueError: the body is not one whole JSON array.
    """
    try:
        return [bytes(one) for one in _split(body) or ()]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        from kubedossier.analytics.ingest.sources.framing import split_array_slowly

        return split_array_slowly(body)


def read(raw: bytes) -> Row | None:
    """The row of an ordinary record; None where the strict reader must look at it."""
    try:
        audit = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    user = audit.user or None
    info = audit.authorizationInfo or None
    present = sum(value is not UNSET for value in msgspec.structs.astuple(audit))
    if user is not None:
        present += sum(value is not UNSET for value in msgspec.structs.astuple(user))
    if info is not None:
        present += len(info)
    # As many key ends as keys that came out: then no key stood twice (an escaped quote is no key end).
    if raw.count(b'":') - raw.count(b'\\":') != present or not present:
        return None
    return _row(
        raw,
        audit.time or None,
        audit.verb or None,
        (user.username or None, user.uid or None, user.groups or None) if user else (None, None, None),
        sorted(info.items()) if info else None,
        audit.message or None,
        audit.sourceIPs or None,
        audit.resources or None,
        audit.requestURI or None,
        audit.attackTechniques or None,
        audit.cluster or None,
        audit.accountID or None,
        audit.provider or None,
        audit.collections or None,
        audit.eventBlob or None,
        None,
        (),
    )


def read_object(raw: bytes, value: dict[str, Any]) -> Row:
    """The row of any object that the strict parser accepted and that has a field of the Console's.

    Raises:
        RejectedRecord: a number beyond a double stands in a known field.
    """
    reader = Reader(value)
    user = reader.inner("user")
    inner = Reader(user, prefix="user.", flags=reader.flags) if user is not None else None
    username, uid, groups = (
        (inner.text("username"), inner.text("uid"), inner.texts("groups")) if inner else (None, None, None)
    )
    info = reader.text_map("authorizationInfo")
    texts = {
        key: reader.text(key)
        for key in (
            "time",
            "verb",
            "message",
            "resources",
            "requestURI",
            "cluster",
            "accountID",
            "provider",
            "eventBlob",
        )
    }
    lists = {key: reader.texts(key) for key in ("sourceIPs", "attackTechniques", "collections")}
    wrong = dict(reader.wrong)
    if inner:
        wrong |= inner.wrong
    flags = read_flags(value, FIELDS, _USER_FIELDS if user is not None else frozenset(), "user")
    return _row(
        raw,
        texts["time"],
        texts["verb"],
        (username, uid, groups),
        sorted(info.items()) if info else None,
        texts["message"],
        lists["sourceIPs"],
        texts["resources"],
        texts["requestURI"],
        lists["attackTechniques"],
        texts["cluster"],
        texts["accountID"],
        texts["provider"],
        lists["collections"],
        texts["eventBlob"],
        wrong,
        (*reader.flags, *flags),
    )


def _row(
    raw: bytes,
    time_text: str | None,
    verb: str | None,
    user: tuple[str | None, str | None, list[str] | None],
    info: list[tuple[str, str]] | None,
    message: str | None,
    source_ips: list[str] | None,
    resources: str | None,
    request_uri: str | None,
    techniques: list[str] | None,
    cluster: str | None,
    account: str | None,
    provider: str | None,
    collections: list[str] | None,
    event_blob: str | None,
    wrong: dict[str, str] | None,
    flags: tuple[str, ...],
) -> Row:
    username, uid, groups = user
    named: tuple[object, ...] = (
        time_text, verb, username, uid, groups, info, message, source_ips, resources, request_uri, techniques, cluster,
        account, provider, event_blob,
    )  # fmt: skip
    if wrong:
        named = tuple(wrong.get(key, value) for key, value in zip(_IDENTITY_FIELDS, named, strict=True))
    micros, time_flags = (None, ("time_unreadable",)) if wrong and "time" in wrong else parse_time(time_text)
    path = _path(resources, request_uri)
    blob = read_blob(event_blob) if event_blob else BLANK
    if path is NOTHING:
        path = blob.path
    all_flags = (
        *flags,
        *time_flags,
        *_vocabulary_flags(tuple(techniques) if techniques else (), provider),
        *blob.flags,
    )
    return Row(
        raw=raw,
        source_format=FORMAT,
        event_id=identity(named),
        time=micros,
        verb=verb,
        user=username,
        uid=uid,
        groups=tuple(groups) if groups else None,
        decision=_decision(info),
        authorization=tuple(info) if info else None,
        message=message,
        source_ips=tuple(source_ips) if source_ips else None,
        resources=resources,
        request_uri=request_uri,
        techniques_native=tuple(techniques) if techniques else None,
        cluster=cluster,
        account=account,
        provider=provider,
        collections=tuple(collections) if collections else None,
        action=_action(verb),
        api_group=path.api_group,
        api_version=path.api_version,
        resource=path.resource,
        subresource=path.subresource,
        namespace=path.namespace,
        name=path.name,
        user_kind=_user_kind(username),
        **_from_blob(blob),
        flags=all_flags or None,
    )


_IDENTITY_FIELDS = (
    "time", "verb", "user.username", "user.uid", "user.groups", "authorizationInfo", "message", "sourceIPs",
    "resources", "requestURI", "attackTechniques", "cluster", "accountID", "provider", "eventBlob",
)  # fmt: skip


def _from_blob(blob: BlobFacts) -> dict[str, Any]:
    return {
        "status_code": blob.status_code,
        "impersonated_user": blob.impersonated_user,
        "user_agent": blob.user_agent,
        "audit_id": blob.audit_id,
        "stage": blob.stage,
        "level": blob.level,
        "body_present": blob.body_present,
    }


def _decision(info: list[tuple[str, str]] | None) -> str | None:
    return next((value for key, value in info if key == "authorization.k8s.io/decision"), None) if info else None


def _path(resources: str | None, request_uri: str | None) -> ApiPath:
    path = parse_resources(resources)
    return parse_request_uri(request_uri) if path is NOTHING else path


@lru_cache(maxsize=4096)
def _action(verb: str | None) -> str | None:
    """The plain Kubernetes verb: the last part of GKE's method name, else the verb itself."""
    return verb.rpartition(".")[2].lower() or None if verb else None


@lru_cache(maxsize=65536)
def _user_kind(username: str | None) -> str | None:
    return vocabulary.user_kind(username)


@lru_cache(maxsize=4096)
def _vocabulary_flags(techniques: tuple[str, ...], provider: str | None) -> tuple[str, ...]:
    known = vocabulary.techniques()
    flags = ("unknown_technique",) if any(one not in known for one in techniques) else ()
    return flags if provider is None or provider in vocabulary.PROVIDERS else (*flags, "unknown_provider")
