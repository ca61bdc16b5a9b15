"""GKE: Cloud Audit entries of the service k8s.io, one entry a record.

Resource, subresource, namespace and name come from ``resourceName``; the method name gives the verb, and the rest only
where the entry names no resource. The entry's top-level ``labels`` are the event's ``authorizationInfo``; the field of
that name inside ``protoPayload`` is a list of grants and is left alone.

Source: the types ``LogEntry`` and ``AuditLog`` of Cloud Logging; google.rpc.Code.
"""

from __future__ import annotations

import hashlib
from typing import Any

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.blob import HTTP_OF_GRPC, body_present
from kubedossier.analytics.ingest.fields import Reader, read_flags
from kubedossier.analytics.ingest.identity import identity
from kubedossier.analytics.ingest.parsing import RejectedRecord, canonical, parse_strict
from kubedossier.analytics.ingest.paths import NOTHING, ApiPath, parse_method_name, parse_resources
from kubedossier.analytics.ingest.row import Row
from kubedossier.analytics.ingest.sources.framing import member, split_array_slowly
from kubedossier.analytics.ingest.sources.origin import labelled
from kubedossier.analytics.ingest.sources.shapes import SkippedRecord, look_alike, parse_object
from kubedossier.analytics.ingest.techniques import judge, rules_version
from kubedossier.analytics.ingest.times import parse_time

FORMAT = "gke-audit"
_PROVIDER = "gcp"
_SERVICE = "k8s.io"
_METHODS = "io.k8s."
_FIELDS = frozenset(
    (
        "insertId", "labels", "logName", "operation", "protoPayload", "receiveTimestamp", "resource", "severity",
        "timestamp", "trace", "traceSampled", "spanId", "sourceLocation", "split", "httpRequest", "errorGroups",
    )
)  # fmt: skip


def list_items(raw: bytes) -> list[bytes] | None:
    """The entries of a page of ``entries.list`` with their exact bytes; None where the record is none."""
    entries = member(raw, "entries")
    if entries is None:
        return None
    try:
        return split_array_slowly(entries)
    except ValueError:
        return None


def is_entry(value: dict[str, Any]) -> bool:
    """Whether an object is a Cloud Audit entry, of whatever service."""
    return isinstance(value.get("protoPayload"), dict)


def read(raw: bytes, context: str) -> Row:
    """The row of a GKE entry.

    Raises:
        RejectedRecord: the text cannot be read, or is no entry.
        SkippedRecord: it is an entry of another service.
    """
    value = parse_object(raw)
    if not is_entry(value):
        if what := look_alike(value):
            raise SkippedRecord(what)
        raise RejectedRecord("no_known_field")
    return read_object(raw, value, context)


def read_object(raw: bytes, value: dict[str, Any], context: str) -> Row:
    """The row of an entry that was parsed.

    Raises:
        RejectedRecord: a number beyond a double stands in a known field.
        SkippedRecord: it is an entry of another service.
    """
    _check_service(value)
    entry = Reader(value)
    payload = _inner(entry, "protoPayload")
    who, request = (
        _inner(payload, "protoPayload", "authenticationInfo"),
        _inner(payload, "protoPayload", "requestMetadata"),
    )
    labels = _inner(_inner(entry, "resource"), "resource", "labels")
    status = _inner(payload, "protoPayload", "status")
    said = labelled(context)
    cluster, account = labels.text("cluster_name") or said.cluster, labels.text("project_id") or said.account
    method, resource_name = payload.text("methodName"), payload.text("resourceName")
    path = parse_resources(resource_name)
    if resource_name is None:
        path = parse_method_name(method)
    action = method.rpartition(".")[2].lower() or None if method else None
    user, info = who.text("principalEmail"), entry.text_map("labels")
    time_text = entry.text("timestamp") or entry.text("receiveTimestamp")
    micros, time_flags = parse_time(time_text)
    if micros is None and entry.wrong.keys() & {"timestamp", "receiveTimestamp"}:
        time_flags = ("time_unreadable",)
    code = _http_status(status.number("code"), path)
    decision = info.get("authorization.k8s.io/decision") or None if info else None
    body, answer = _body(value, "request"), _body(value, "response")
    # The rules know non-resource requests by their path; it is judged, not stored.
    asked = "/" + resource_name if resource_name and path is NOTHING else None
    verdict = judge(
        action, path, user, None, None, None, asked, decision, code, body or (answer if action == "create" else None)
    )
    address = request.text("callerIp") or request.text("callerIP")
    return Row(
        raw=raw,
        source_format=FORMAT,
        event_id=_identity(raw, entry, cluster, account, time_text),
        time=micros,
        verb=method,
        user=user,
        decision=decision,
        authorization=tuple(sorted(info.items())) if info else None,
        message=verdict.title or status.text("message"),
        source_ips=(address,) if address else None,
        resources=resource_name,
        cluster=cluster,
        account=account,
        provider=_PROVIDER,
        action=action,
        api_group=path.api_group,
        api_version=path.api_version,
        resource=path.resource,
        subresource=path.subresource,
        namespace=path.namespace,
        name=path.name,
        user_kind=vocabulary.user_kind(user),
        status_code=code,
        user_agent=request.text("callerSuppliedUserAgent"),
        audit_id=entry.text("insertId"),
        body_present=body_present(body, answer),
        techniques_derived=verdict.techniques,
        rules_version=rules_version(),
        flags=(
            *dict.fromkeys((*entry.flags, *read_flags(value, _FIELDS, frozenset(), ""))),
            *time_flags,
            *verdict.flags,
        )
        or None,
    )


def _check_service(value: dict[str, Any]) -> None:
    payload = value["protoPayload"]
    service, method = payload.get("serviceName"), payload.get("methodName")
    if service == _SERVICE:
        return
    if service is None and isinstance(method, str) and method.startswith(_METHODS):
        return
    if service == "container.googleapis.com":
        raise SkippedRecord("GKE control-plane call")
    raise SkippedRecord("other Google Cloud log")


def _inner(reader: Reader, *path: str) -> Reader:
    """A reader of an inner object, named from the entry on, that shares the flags; one not there has no fields."""
    return Reader(reader.inner(path[-1]) or {}, prefix=".".join((*path, "")), flags=reader.flags)


def _body(value: dict[str, Any], key: str) -> Any:
    return value["protoPayload"].get(key)


def _http_status(code: int | None, path: ApiPath) -> int | None:
    """The HTTP status for a gRPC code; absent or 0 is success, which an exec answers with 101."""
    if code:
        return HTTP_OF_GRPC.get(code)
    return 101 if path.subresource in ("exec", "attach", "portforward") else 200


def _identity(raw: bytes, entry: Reader, cluster: str | None, account: str | None, time_text: str | None) -> bytes:
    insert_id = entry.text("insertId") or entry.wrong.get("insertId")
    if insert_id is None:
        return hashlib.sha256(canonical(parse_strict(raw)).encode()).digest()
    log_name = entry.text("logName") or entry.wrong.get("logName")
    return identity((cluster, account, _PROVIDER, insert_id, time_text or entry.wrong.get("timestamp"), log_name))
