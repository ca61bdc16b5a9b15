"""The Console's own records: ``kubeaudit.Audit`` of its API, 14 fields, all optional.

This is the strict reader, for any record; ``console_columns`` reads ordinary ones by the chunk and gives the same.
``eventBlob`` (the original event) is read for the columns the 14 fields do not have.

Source: the vendor's OpenAPI 33.01, schema ``kubeaudit.Audit``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.blob import BLANK, read_blob
from kubedossier.analytics.ingest.fields import Reader, read_flags
from kubedossier.analytics.ingest.identity import identity
from kubedossier.analytics.ingest.paths import NOTHING, parse_request_uri, parse_resources
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.sources.console_shape import (
    DECISION,
    FIELDS,
    TEXT_FIELDS,
    USER_FIELDS,
)
from kubedossier.analytics.ingest.times import UNREADABLE, parse_time

FORMAT = "console-json"

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
    texts = {key: reader.text(key) for key in TEXT_FIELDS}
    lists = {key: _tuple(reader.texts(key)) for key in ("sourceIPs", "attackTechniques", "collections")}
    wrong = dict(reader.wrong)
    if inner:
        wrong |= inner.wrong
    flags = read_flags(value, FIELDS, USER_FIELDS if user is not None else frozenset(), "user")
    named = (
        texts["time"], texts["verb"], username, uid, _tuple(groups), tuple(sorted(info.items())) if info else None,
        texts["message"], lists["sourceIPs"], texts["resources"], texts["requestURI"], lists["attackTechniques"],
        texts["cluster"], texts["accountID"], texts["provider"], texts["eventBlob"],
    )  # fmt: skip
    hashed = [wrong.get(key, one) for key, one in zip(_IDENTITY_FIELDS, named, strict=True)]
    decision = info.get(DECISION) or None if info else None
    return _row(
        raw,
        named,
        identity(hashed),
        vocabulary.user_kind(username),
        decision,
        lists["collections"],
        (*reader.flags, *flags),
        unreadable_time="time" in wrong,
    )


def _row(
    raw: bytes,
    named: tuple[Any, ...],
    event_id: bytes,
    user_kind: str | None,
    decision: str | None,
    collections: tuple[str, ...] | None,
    flags: tuple[str, ...] = (),
    *,
    unreadable_time: bool = False,
) -> Row:
    """The row of a record whose values, ``named``, stand in the order of ``_IDENTITY_FIELDS``."""
    (
        time_text, verb, username, uid, groups, pairs, message, source_ips, resources, request_uri, techniques,
        cluster, account, provider, event_blob,
    ) = named  # fmt: skip
    micros, time_flags = (None, UNREADABLE) if unreadable_time else parse_time(time_text)
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
        cluster, account, provider, collections, read_action(verb), path[0], path[1], path[3], path[5], path[2],
        path[4], user_kind, status_code, impersonated, agent, audit_id, None, stage, level, body, None, None, FORMAT,
        (*flags, *time_flags, *vocabulary_flags(techniques, provider), *blob_flags) or None, event_id, raw,
    )  # fmt: skip


_IDENTITY_FIELDS = (
    "time", "verb", "user.username", "user.uid", "user.groups", "authorizationInfo", "message", "sourceIPs",
    "resources", "requestURI", "attackTechniques", "cluster", "accountID", "provider", "eventBlob",
)  # fmt: skip


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None


@lru_cache(maxsize=4096)
def read_action(verb: str | None) -> str | None:
    """The plain Kubernetes verb: the last part of GKE's method name, else the verb itself."""
    return verb.rpartition(".")[2].lower() or None if verb else None


@lru_cache(maxsize=4096)
def vocabulary_flags(techniques: tuple[str, ...] | None, provider: str | None) -> tuple[str, ...]:
    """What is odd about the techniques and the provider: that the vendor's list does not have them."""
    known = vocabulary.techniques()
    flags = ("unknown_technique",) if any(one not in known for one in techniques or ()) else ()
    return flags if provider is None or provider in vocabulary.PROVIDERS else (*flags, "unknown_provider")
