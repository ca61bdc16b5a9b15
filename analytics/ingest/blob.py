"""What ``eventBlob`` tells: the columns that the Console's 14 fields do not have.

The blob is the original event as a string: an audit.k8s.io Event, or a GKE LogEntry. A blob of another shape tells
nothing; one that is not JSON is flagged ``event_blob_unreadable``. It never costs the record.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from kubedossier.analytics.ingest.paths import NOTHING, ApiPath, parse_resources

# gRPC status of a GKE entry -> HTTP status. Source: google.rpc.Code.
HTTP_OF_GRPC = {
    1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500,
    14: 503, 15: 500, 16: 401,
}  # fmt: skip


class BlobFacts(NamedTuple):
    """The facts of one blob; None where it does not tell."""

    status_code: int | None = None
    impersonated_user: str | None = None
    user_agent: str | None = None
    audit_id: str | None = None
    stage: str | None = None
    level: str | None = None
    body_present: bool | None = None
    path: ApiPath = NOTHING
    flags: tuple[str, ...] = ()


_new = tuple.__new__
_OPENING = frozenset(b"{[")
BLANK = BlobFacts()
UNREADABLE = BlobFacts(flags=("event_blob_unreadable",))


class _Named(msgspec.Struct, gc=False):
    username: str | None = None


class _Status(msgspec.Struct, gc=False):
    code: int | None = None


class _ObjectRef(msgspec.Struct, gc=False):
    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    apiGroup: str | None = None  # noqa: N815 - Kubernetes' name
    apiVersion: str | None = None  # noqa: N815
    subresource: str | None = None


class _Metadata(msgspec.Struct, gc=False):
    callerSuppliedUserAgent: str | None = None  # noqa: N815


class _Payload(msgspec.Struct, gc=False):
    resourceName: str | None = None  # noqa: N815
    status: _Status | None = None
    requestMetadata: _Metadata | None = None  # noqa: N815
    request: Raw | UnsetType = UNSET
    response: Raw | UnsetType = UNSET


class _Plain(msgspec.Struct, gc=False):
    auditID: str | None = None  # noqa: N815
    stage: str | None = None
    level: str | None = None
    userAgent: str | None = None  # noqa: N815
    impersonatedUser: _Named | None = None  # noqa: N815
    responseStatus: _Status | None = None  # noqa: N815
    requestObject: Raw | UnsetType = UNSET  # noqa: N815
    responseObject: Raw | UnsetType = UNSET  # noqa: N815
    insertId: str | None = None  # noqa: N815
    protoPayload: _Payload | None = None  # noqa: N815


class _Blob(_Plain, gc=False):
    objectRef: _ObjectRef | None = None  # noqa: N815


_decode = msgspec.json.Decoder(_Blob).decode
_decode_plain = msgspec.json.Decoder(_Plain).decode


def read_blob(text: str, *, with_path: bool = True) -> BlobFacts:
    """Read an ``eventBlob``; without its path where that is known from elsewhere, which is quicker."""
    try:
        if not with_path:
            plain = _decode_plain(text)
            return _gke(plain, plain.protoPayload) if plain.protoPayload else _facts(plain, NOTHING)
        blob = _decode(text)
    except msgspec.ValidationError:
        return _read_loosely(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return UNREADABLE
    if blob.protoPayload is not None:
        return _gke(blob, blob.protoPayload)
    ref = blob.objectRef
    if ref is None:
        return _facts(blob, NOTHING)
    group = (ref.apiGroup or "core") if ref.resource else None
    path = (group, ref.apiVersion, ref.namespace or None, ref.resource, ref.name or None, ref.subresource or None)
    return _facts(blob, ApiPath(*path))


def _facts(blob: _Plain, path: ApiPath) -> BlobFacts:
    status, request, response = blob.responseStatus, blob.requestObject, blob.responseObject
    code = status.code if status is not None else None
    impersonated = blob.impersonatedUser
    body = (request is not UNSET and memoryview(request)[0] in _OPENING) or (
        response is not UNSET and memoryview(response)[0] in _OPENING
    )
    return _new(
        BlobFacts,
        (
            code if code is not None and 0 < code < 1000 else None,
            impersonated.username if impersonated is not None else None,
            blob.userAgent,
            blob.auditID,
            blob.stage,
            blob.level,
            body,
            path,
            (),
        ),
    )


def body_present(*bodies: object) -> bool:
    """Whether a request or response body was logged; the API server's stand-in for a too big one is none.

    A body is JSON text from a decoder that left it unread, or the value itself.
    """
    for body in bodies:
        if isinstance(body, dict | list):
            return True
        if isinstance(body, Raw | bytes) and bytes(memoryview(body)[:1]) in b"{[":
            return True
    return False


def _gke(blob: _Plain, payload: _Payload) -> BlobFacts:
    code = payload.status.code if payload.status else None
    path = parse_resources(payload.resourceName)
    status = 101 if not code and path.subresource in ("exec", "attach", "portforward") else 200
    return BlobFacts(
        HTTP_OF_GRPC.get(code) if code else status,
        None,
        payload.requestMetadata.callerSuppliedUserAgent if payload.requestMetadata else None,
        blob.insertId,
        None,
        None,
        body_present(payload.request, payload.response),
        path,
    )


def _read_loosely(text: str) -> BlobFacts:
    """A blob with a field of the wrong type: what can be read of it."""
    try:
        value: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return UNREADABLE
    if not isinstance(value, dict):
        return BLANK

    def text_of(key: str, inside: Any = value) -> str | None:
        found = inside.get(key) if isinstance(inside, dict) else None
        return found if isinstance(found, str) and found else None

    return BlobFacts(
        impersonated_user=text_of("username", value.get("impersonatedUser")),
        user_agent=text_of("userAgent"),
        audit_id=text_of("auditID"),
        stage=text_of("stage"),
        level=text_of("level"),
        body_present=any(isinstance(value.get(key), dict | list) for key in ("requestObject", "responseObject")),
    )
