"""The Console's own records: ``kubeaudit.Audit`` of its API, 14 fields, all optional.

Two readers give the same row: a typed decoder for the ordinary record, and the strict parser for whatever that one
refuses. ``eventBlob`` (the original event) is read for the columns the 14 fields do not have.

Source: the vendor's OpenAPI 33.01, schema ``kubeaudit.Audit``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import astuple

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.blob import BLANK, read_blob
from kubedossier.analytics.ingest.fields import Reader, read_flags
from kubedossier.analytics.ingest.identity import identity_of_plain
from kubedossier.analytics.ingest.paths import NOTHING, parse_request_uri, parse_resources
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.times import UNREADABLE, parse_time

FORMAT = "console-json"
_Text = str | None | UnsetType


class _User(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    username: _Text = UNSET
    uid: _Text = UNSET
    groups: Raw | UnsetType = UNSET


class _Audit(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    time: _Text = UNSET
    verb: _Text = UNSET
    user: _User | UnsetType | None = UNSET
    authorizationInfo: Raw | UnsetType = UNSET  # noqa: N815 - the vendor's name
    message: _Text = UNSET
    sourceIPs: Raw | UnsetType = UNSET  # noqa: N815
    resources: _Text = UNSET
    requestURI: _Text = UNSET  # noqa: N815
    attackTechniques: Raw | UnsetType = UNSET  # noqa: N815
    cluster: _Text = UNSET
    accountID: _Text = UNSET  # noqa: N815
    provider: _Text = UNSET
    collections: Raw | UnsetType = UNSET
    eventBlob: _Text = UNSET  # noqa: N815


_USER_FIELDS = frozenset(_User.__struct_fields__)
FIELDS = frozenset(_Audit.__struct_fields__)
_TEXT_FIELDS = ("time", "verb", "message", "resources", "requestURI", "cluster", "accountID", "provider", "eventBlob")
_DECISION = "authorization.k8s.io/decision"
_ESCAPED_COLON = re.compile(rb"u003[aA]")
_NOBODY = _User()
_KNOWN_AT_MOST = 20_000
_KNOWN_LISTS: dict[bytes, tuple[tuple[str, ...] | None, int]] = {}
_KNOWN_INFOS: dict[bytes, tuple[tuple[tuple[str, str], ...] | None, int, str | None, int]] = {}

_decode = msgspec.json.Decoder(_Audit).decode
_decode_list = msgspec.json.Decoder(list[str] | None).decode
_decode_map = msgspec.json.Decoder(dict[str, str] | None).decode
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
        user = audit.user or _NOBODY
        groups, colons = _texts(user.groups)
        pairs, info_keys, decision, more = _info(audit.authorizationInfo)
        source_ips, of_ips = _texts(audit.sourceIPs)
        techniques, of_techniques = _texts(audit.attackTechniques)
        collections, of_collections = _texts(audit.collections)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    # Each colon stands behind a key or inside a text. Where all are accounted for, no key stood twice.
    colons += more + of_ips + of_techniques + of_collections
    colons += 14 - astuple(audit).count(UNSET) + 3 - astuple(user).count(UNSET) + info_keys
    short = (
        f"{audit.time}{audit.verb}{audit.message}{audit.resources}{audit.requestURI}{audit.cluster}{audit.accountID}"
        f"{audit.provider}{user.username}{user.uid}"
    )
    blob = audit.eventBlob or ""
    colons += short.count(":") + blob.count(":")
    if raw.count(b":") != colons or not colons or (b"u003" in raw and _ESCAPED_COLON.search(raw)):
        return None
    return _row(
        raw,
        audit.time or None,
        audit.verb or None,
        user.username or None,
        user.uid or None,
        groups,
        pairs,
        decision,
        audit.message or None,
        source_ips,
        audit.resources or None,
        audit.requestURI or None,
        techniques,
        audit.cluster or None,
        audit.accountID or None,
        audit.provider or None,
        collections,
        blob or None,
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
    texts = {key: reader.text(key) for key in _TEXT_FIELDS}
    lists = {key: _tuple(reader.texts(key)) for key in ("sourceIPs", "attackTechniques", "collections")}
    wrong = dict(reader.wrong)
    if inner:
        wrong |= inner.wrong
    flags = read_flags(value, FIELDS, _USER_FIELDS if user is not None else frozenset(), "user")
    return _row(
        raw,
        texts["time"],
        texts["verb"],
        username,
        uid,
        _tuple(groups),
        tuple(sorted(info.items())) if info else None,
        info.get(_DECISION) or None if info else None,
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
    username: str | None,
    uid: str | None,
    groups: tuple[str, ...] | None,
    pairs: tuple[tuple[str, str], ...] | None,
    decision: str | None,
    message: str | None,
    source_ips: tuple[str, ...] | None,
    resources: str | None,
    request_uri: str | None,
    techniques: tuple[str, ...] | None,
    cluster: str | None,
    account: str | None,
    provider: str | None,
    collections: tuple[str, ...] | None,
    event_blob: str | None,
    wrong: dict[str, str] | None = None,
    flags: tuple[str, ...] = (),
) -> Row:
    named: tuple[object, ...] = (
        time_text, verb, username, uid, groups, pairs, message, source_ips, resources, request_uri, techniques,
        cluster, account, provider, event_blob,
    )  # fmt: skip
    if wrong:
        named = tuple(wrong.get(key, value) for key, value in zip(_IDENTITY_FIELDS, named, strict=True))
    micros, time_flags = parse_time(time_text) if not wrong or "time" not in wrong else (None, UNREADABLE)
    path = parse_resources(resources)
    if path is NOTHING:
        path = parse_request_uri(request_uri)
    status_code, impersonated, agent, audit_id, stage, level, body, blob_path, blob_flags = (
        read_blob(event_blob, with_path=path is NOTHING) if event_blob else BLANK
    )
    if path is NOTHING:
        path = blob_path
    return Row(
        micros, verb, username, uid, groups, decision, pairs, message, source_ips, resources, request_uri, techniques,
        cluster, account, provider, collections, _action(verb), path[0], path[1], path[3], path[5], path[2], path[4],
        _user_kind(username), status_code, impersonated, agent, audit_id, None, stage, level, body, None, None, FORMAT,
        (*flags, *time_flags, *_vocabulary_flags(techniques, provider), *blob_flags) or None,
        identity_of_plain(named), raw,
    )  # fmt: skip


_IDENTITY_FIELDS = (
    "time", "verb", "user.username", "user.uid", "user.groups", "authorizationInfo", "message", "sourceIPs",
    "resources", "requestURI", "attackTechniques", "cluster", "accountID", "provider", "eventBlob",
)  # fmt: skip


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None


def _texts(text: Raw | UnsetType) -> tuple[tuple[str, ...] | None, int]:
    """A list of strings and the colons in them; the same few come again and again, so each is read once."""
    if text is UNSET:
        return None, 0
    key = bytes(text)
    try:
        return _KNOWN_LISTS[key]
    except KeyError:
        values = _decode_list(key) or []
    if len(_KNOWN_LISTS) >= _KNOWN_AT_MOST:
        _KNOWN_LISTS.clear()
    found = _KNOWN_LISTS[key] = (_tuple(values), sum(one.count(":") for one in values))
    return found


def _info(text: Raw | UnsetType) -> tuple[tuple[tuple[str, str], ...] | None, int, str | None, int]:
    """``authorizationInfo``: sorted pairs, the number of keys, the decision, and the colons in keys and values."""
    if text is UNSET:
        return None, 0, None, 0
    key = bytes(text)
    try:
        return _KNOWN_INFOS[key]
    except KeyError:
        value = _decode_map(key) or {}
    if len(_KNOWN_INFOS) >= _KNOWN_AT_MOST:
        _KNOWN_INFOS.clear()
    colons = sum(one.count(":") for pair in value.items() for one in pair)
    pairs = tuple(sorted(value.items())) or None
    found = _KNOWN_INFOS[key] = (pairs, len(value), value.get(_DECISION) or None, colons)
    return found


@lru_cache(maxsize=4096)
def _action(verb: str | None) -> str | None:
    """The plain Kubernetes verb: the last part of GKE's method name, else the verb itself."""
    return verb.rpartition(".")[2].lower() or None if verb else None


@lru_cache(maxsize=65536)
def _user_kind(username: str | None) -> str | None:
    return vocabulary.user_kind(username)


@lru_cache(maxsize=4096)
def _vocabulary_flags(techniques: tuple[str, ...] | None, provider: str | None) -> tuple[str, ...]:
    known = vocabulary.techniques()
    flags = ("unknown_technique",) if any(one not in known for one in techniques or ()) else ()
    return flags if provider is None or provider in vocabulary.PROVIDERS else (*flags, "unknown_provider")
