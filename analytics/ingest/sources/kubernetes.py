"""Raw Kubernetes audit logs: ``audit.k8s.io`` events of any version, one a record, stages kept apart.

Recognised by shape (an audit id, or a stage with a verb), never by ``apiVersion``: items of an EventList have neither
kind nor version, and old events have no version at all. EKS and AKS wrap the same events; their readers hand the inner
text to this one.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any

import msgspec

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.blob import body_present
from kubedossier.analytics.ingest.fields import Reader, read_flags
from kubedossier.analytics.ingest.identity import audit_key, identity
from kubedossier.analytics.ingest.parsing import RejectedRecord, canonical, parse_strict
from kubedossier.analytics.ingest.paths import ApiPath, build_resources, parse_request_uri
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.sources.event_shape import (
    FIELDS,
    USER_FIELDS,
    Event,
    Metadata,
    ObjectRef,
    Status,
    User,
    decode_event,
    decode_list,
    is_event,
)
from kubedossier.analytics.ingest.sources.origin import Origin, labelled
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord, is_sound, look_alike
from kubedossier.analytics.ingest.techniques import judge, rules_version
from kubedossier.analytics.ingest.times import parse_time

FORMAT = "kubernetes-audit"
_TIMES = ("requestReceivedTimestamp", "stageTimestamp", "timestamp")
_TEXTS = ("auditID", "stage", "level", "requestURI", "verb", "userAgent", *_TIMES)
_NOBODY = User()
# The API's word for a provider that nobody names; the identity of an event holds what was said, here nothing.
_NO_PROVIDER = "others"
# The account in an identity of EKS. Source: AWS IAM Authenticator for Kubernetes.
_AWS_UID = re.compile(r"(?:aws-iam-authenticator|heptio-authenticator-aws):(\d{12}):", re.ASCII)
_AWS_ARN = re.compile(r"arn:aws[\w-]*:(?:iam|sts)::(\d{12}):", re.ASCII)


def list_items(raw: bytes) -> list[bytes] | None:
    """The items of an EventList with their exact bytes; None where the record is no EventList."""
    try:
        found = decode_list(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _list_items_slowly(raw)
    return [bytes(one) for one in found.items] if found.kind == "EventList" else None


def read(raw: bytes, context: str) -> Row | None:
    """The row of an ordinary audit event; None where the strict reader must look at it."""
    return event_row(raw, labelled(context))


def read_strictly(raw: bytes, context: str) -> Row:
    """The row of any audit event.

    Raises:
        RejectedRecord: the text cannot be read, or is no audit event.
        SkippedRecord: it is something else.
    """
    return event_row_strictly(raw, labelled(context))


def read_object(raw: bytes, value: dict[str, Any], context: str) -> Row:
    """The row of any audit event that the strict parser accepted.

    Raises:
        RejectedRecord: a number beyond a double stands in a known field.
    """
    return object_row(raw, value, labelled(context))


def event_row(raw: bytes, origin: Origin, source_format: str = FORMAT, whole: bytes | None = None) -> Row | None:
    """The row of an ordinary event in a record of any format; None where the strict reader must look at it.

    Args:
        raw: the event.
        origin: what is known about its cluster.
        source_format: of the record that holds it.
        whole: that record, where it is more than the event.
    """
    try:
        event = decode_event(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not (event.auditID or (event.stage is not msgspec.UNSET and event.verb is not msgspec.UNSET)):
        return None
    return _row(raw, event, origin, source_format, whole) if is_sound(raw) else None


def event_row_strictly(raw: bytes, origin: Origin, source_format: str = FORMAT, whole: bytes | None = None) -> Row:
    """The row of any event in a record of any format; arguments and errors as above."""
    if (row := event_row(raw, origin, source_format, whole)) is not None:
        return row
    value = parse_strict(raw)
    if is_event(value):
        return object_row(raw, value, origin, source_format, whole)
    if what := look_alike(value):
        raise SkippedRecord(what)
    raise RejectedRecord("no_known_field")


def object_row(
    raw: bytes, value: dict[str, Any], origin: Origin, source_format: str = FORMAT, whole: bytes | None = None
) -> Row:
    """The row of an event that the strict parser accepted, in a record of any format."""
    reader = Reader(value)
    parts: dict[str, Any] = {key: reader.text(key) for key in _TEXTS}
    # ViaQ, a log format of OpenShift, gives "level" a meaning of its own and moves the event's beside it.
    for key in ("k8s_audit_level", "openshift_audit_level"):
        parts["level"] = reader.text(key) or parts["level"]
    parts["sourceIPs"] = reader.texts("sourceIPs")
    parts["annotations"] = reader.text_map("annotations")
    for key in ("user", "impersonatedUser"):
        if (user := reader.inner(key)) is not None:
            inner = Reader(user, prefix=f"{key}.", flags=reader.flags)
            extra = user.get("extra")
            parts[key] = User(inner.text("username"), inner.text("uid"), inner.texts("groups"), _text_lists(extra))
    if (ref := reader.inner("objectRef")) is not None:
        inner = Reader(ref, prefix="objectRef.", flags=reader.flags)
        parts["objectRef"] = ObjectRef(**{key: inner.text(key) for key in ObjectRef.__struct_fields__})
    if (status := reader.inner("responseStatus")) is not None:
        inner = Reader(status, prefix="responseStatus.", flags=reader.flags)
        parts["responseStatus"] = Status(inner.number("code"), inner.text("message"))
    if (metadata := reader.inner("metadata")) is not None:
        parts["metadata"] = Metadata(Reader(metadata, prefix="metadata.", flags=reader.flags).text("creationTimestamp"))
    for key in ("requestObject", "responseObject"):
        parts[key] = value.get(key, msgspec.UNSET)
    known_user = USER_FIELDS if isinstance(value.get("user"), dict) else frozenset()
    flags = (*reader.flags, *read_flags(value, FIELDS, known_user, "user"))
    return _row(raw, Event(**parts), origin, source_format, whole, flags, reader.wrong)


def _row(
    raw: bytes,
    event: Event,
    origin: Origin,
    source_format: str,
    whole: bytes | None,
    flags: tuple[str, ...] = (),
    wrong: dict[str, str] | None = None,
) -> Row:
    cluster, account, provider, _, guess_account = origin
    user, ref, status = event.user or _NOBODY, event.objectRef or None, event.responseStatus or None
    uri, verb, stage, audit_id = (
        event.requestURI or None,
        event.verb or None,
        event.stage or None,
        event.auditID or None,
    )
    annotations = event.annotations or None
    if guess_account and account is None:
        account = _aws_account(user)
    time_text, micros, time_flags = _time(event, origin.time, wrong)
    named: list[object] = [cluster, account, provider, audit_id, stage, uri, verb, time_text]
    if wrong:
        for index, key in ((3, "auditID"), (4, "stage"), (5, "requestURI"), (6, "verb")):
            named[index] = wrong.get(key, named[index])
    path = _ref_path(ref) if ref and ref.resource else parse_request_uri(uri)
    username, groups, level = user.username or None, user.groups or None, event.level or None
    action = verb.lower() if verb else None
    code = status.code if status and status.code and 0 < status.code < 1000 else None
    decision = annotations.get("authorization.k8s.io/decision") or None if annotations else None
    acting = event.impersonatedUser or None
    acting_name = acting.username or None if acting else None
    body = event.requestObject or (event.responseObject if action == "create" else None)
    verdict = judge(
        action, path, username, groups, acting_name, acting.groups or None if acting else None, uri, decision, code,
        body,
    )  # fmt: skip
    return Row(
        raw=raw if whole is None else whole,
        source_format=source_format,
        event_id=identity(named) if named[3] else _identity_of_whole(raw, whole),
        audit_key=audit_key(cluster, audit_id, uri, verb, time_text) if audit_id else None,
        time=micros,
        verb=verb,
        user=username,
        uid=user.uid or None,
        groups=tuple(groups) if groups else None,
        decision=decision,
        authorization=tuple(sorted(annotations.items())) if annotations else None,
        message=verdict.title or (status.message or None if status else None),
        source_ips=tuple(event.sourceIPs) if event.sourceIPs else None,
        resources=build_resources(path),
        request_uri=uri,
        cluster=cluster,
        account=account,
        provider=provider or _NO_PROVIDER,
        action=action,
        api_group=path.api_group,
        api_version=path.api_version,
        resource=path.resource,
        subresource=path.subresource,
        namespace=path.namespace,
        name=path.name,
        user_kind=_user_kind(username),
        status_code=code,
        impersonated_user=acting_name,
        user_agent=event.userAgent or None,
        audit_id=audit_id,
        stage=stage,
        level=level,
        body_present=body_present(event.requestObject, event.responseObject),
        techniques_derived=verdict.techniques,
        rules_version=rules_version(),
        flags=(*flags, *time_flags, *_provider_flags(provider), *verdict.flags) or None,
    )


def _time(
    event: Event, fallback: str | None, wrong: dict[str, str] | None
) -> tuple[str | None, int | None, tuple[str, ...]]:
    """The request's time as text and in microseconds, and its flags."""
    text = event.requestReceivedTimestamp or event.stageTimestamp or event.timestamp or None
    if text is None and event.metadata:
        text = event.metadata.creationTimestamp or None
    text = text or fallback
    micros, flags = parse_time(text)
    if micros is None and wrong and any(key in wrong for key in _TIMES):
        flags = ("time_unreadable",)
    return text, micros, flags


def _ref_path(ref: ObjectRef) -> ApiPath:
    return ApiPath(
        ref.apiGroup or "core",
        ref.apiVersion or None,
        ref.namespace or None,
        ref.resource or None,
        ref.name or None,
        ref.subresource or None,
    )


def _aws_account(user: User) -> str | None:
    if user.uid and (found := _AWS_UID.match(user.uid)):
        return found[1]
    for key in ("arn", "canonicalArn"):
        for arn in (user.extra or {}).get(key, ()):
            if found := _AWS_ARN.match(arn):
                return found[1]
    return None


def _text_lists(value: object) -> dict[str, list[str]] | None:
    if not isinstance(value, dict):
        return None
    return {
        key: texts
        for key, texts in value.items()
        if isinstance(texts, list) and all(isinstance(one, str) for one in texts)
    }


def _identity_of_whole(event: bytes, record: bytes | None) -> bytes:
    """Without an audit id: SHA-256 of the canonical JSON of the whole record; of its event, where it is no object."""
    whole = record if record is not None and record.startswith(b"{") else event
    return hashlib.sha256(canonical(parse_strict(whole)).encode()).digest()


def _list_items_slowly(raw: bytes) -> list[bytes] | None:
    from kubedossier.analytics.ingest.sources.framing import member, split_array_slowly

    if member(raw, "kind") != b'"EventList"':
        return None
    items = member(raw, "items")
    try:
        return split_array_slowly(b"[]" if items == b"null" else items) if items is not None else None
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def _user_kind(username: str | None) -> str | None:
    return vocabulary.user_kind(username)


@lru_cache(maxsize=64)
def _provider_flags(provider: str | None) -> tuple[str, ...]:
    return () if provider is None or provider in vocabulary.PROVIDERS else ("unknown_provider",)
