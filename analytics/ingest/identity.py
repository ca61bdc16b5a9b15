"""Who an event is: the 32 bytes by which a repeat is known, and the key that joins the stages of one request.

The rules are frozen (test vectors in tests/analytics/vectors): absent, null, "", [] and {} are all null; strings are
hashed as received, after JSON decoding; a value of the wrong type stands as the JSON text of itself (sorted keys, no
blanks). The arrays are compact UTF-8 JSON with strings written as RFC 8785 does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

_encode = msgspec.json.Encoder().encode


def identity_json(values: Sequence[object]) -> bytes:
    """The canonical JSON that an identity is the SHA-256 of, of values in which nothing is empty."""
    return _encode(values)


def identity(values: Sequence[object]) -> bytes:
    """SHA-256 (32 bytes) of a JSON array of strings, nulls and lists.

    For Console records the values are ``time, verb, username, uid, groups, authorizationInfo as sorted pairs, message,
    sourceIPs, resources, requestURI, attackTechniques, cluster, accountID, provider, eventBlob``; for raw audit logs
    ``cluster, account, provider, auditID, stage, requestURI, verb, request time text``.
    """
    return hashlib.sha256(_encode([value or None for value in values])).digest()


def audit_key(
    cluster: str | None,
    audit_id: str | None,
    request_uri: str | None,
    verb: str | None,
    time_text: str | None,
) -> bytes:
    """SHA-256 (32 bytes) that all stages of one request share."""
    return identity((cluster, audit_id, request_uri, verb, time_text))
