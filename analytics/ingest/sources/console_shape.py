"""The shape of the Console's record for the typed decoder, and the proof that no key of it stood twice.

A typed decoder keeps the last of two equal keys and tells nobody, so what it read must account for the whole record.
What repeats from record to record (users, authorizations, lists) is left unread by it, and read once for each distinct
text.

Source: the vendor's OpenAPI 33.01, schema ``kubeaudit.Audit``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import astuple

from kubedossier.analytics import vocabulary
from kubedossier.analytics.ingest.identity import identity_json

_Text = str | None | UnsetType
_ABSENT = Raw(b"")


class Audit(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One record: 14 fields, all optional."""

    time: _Text = UNSET
    verb: _Text = UNSET
    user: Raw = _ABSENT
    authorizationInfo: Raw = _ABSENT  # noqa: N815 - the vendor's name
    message: _Text = UNSET
    sourceIPs: list[str] | UnsetType | None = UNSET  # noqa: N815
    resources: _Text = UNSET
    requestURI: _Text = UNSET  # noqa: N815
    attackTechniques: Raw = _ABSENT  # noqa: N815
    cluster: _Text = UNSET
    accountID: _Text = UNSET  # noqa: N815
    provider: _Text = UNSET
    collections: Raw = _ABSENT
    eventBlob: _Text = UNSET  # noqa: N815


class _User(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    username: _Text = UNSET
    uid: _Text = UNSET
    groups: list[str] | UnsetType | None = UNSET


class Known(msgspec.Struct, frozen=True, eq=False, gc=False, kw_only=True):
    """What one distinct text says; two are equal only where they are the same one, which is quick to tell.

    Attributes:
        identity: what stands for it in the canonical JSON of an identity.
        surplus: by how much it is longer in a record, name included, than in the identity; ``REFUSED`` where it is not
            of its type, or a key in it may have stood twice.
    """

    identity: Raw
    surplus: int


class KnownUser(Known, frozen=True, eq=False, gc=False, kw_only=True):
    """A user; None where the record does not tell."""

    username: str | None = None
    uid: str | None = None
    groups: tuple[str, ...] | None = None
    kind: str | None = None


class KnownInfo(Known, frozen=True, eq=False, gc=False, kw_only=True):
    """An ``authorizationInfo``: its pairs, sorted, and the decision among them."""

    pairs: tuple[tuple[str, str], ...] | None = None
    decision: str | None = None


class KnownList(Known, frozen=True, eq=False, gc=False, kw_only=True):
    """A list of strings; None where it is empty or absent."""

    values: tuple[str, ...] | None = None


_Value = TypeVar("_Value", bound=Known)


class _Table(dict[bytes, _Value]):
    """What each distinct text says, read when it first comes; forgotten when there are too many.

    A look-up is a plain one of a dict, without a call of Python's: that is what makes it quick.
    """

    def __init__(self, read: Callable[[bytes], _Value], refused: _Value) -> None:
        self._read = read
        self._refused = refused

    def __missing__(self, text: bytes) -> _Value:
        try:
            value = self._read(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            value = self._refused
        if len(self) >= _KNOWN_AT_MOST:
            self.clear()
        self[text] = value
        return value


FIELDS = frozenset(Audit.__struct_fields__)
USER_FIELDS = frozenset(_User.__struct_fields__)
TEXT_FIELDS = ("time", "verb", "message", "resources", "requestURI", "cluster", "accountID", "provider", "eventBlob")
_READ_FIELDS = (*TEXT_FIELDS, "sourceIPs")
DECISION = "authorization.k8s.io/decision"
_ESCAPED_COLON = re.compile(rb"u003[aA]")
_KNOWN_AT_MOST = 20_000
# What a member costs in a record besides its value: its name, two quotes, a colon, and a comma or the closing brace.
_MEMBER = 4
_READ_MEMBERS = sum(len(name) + _MEMBER for name in _READ_FIELDS)
# A record is a brace and its members; the array of an identity is two brackets, 14 commas and its values.
_FRAMES = 1 - 16
USUAL_EXCESS = _FRAMES + _READ_MEMBERS
"""By how much a record without blanks is longer than its identity and the surplus of what is known of it."""
REFUSED = 10**12

decode = msgspec.json.Decoder(Audit).decode
_decode_user = msgspec.json.Decoder(_User | None).decode
_decode_list = msgspec.json.Decoder(list[str] | None).decode
_decode_map = msgspec.json.Decoder(dict[str, str] | None).decode


def each_key_stood_once(raw: bytes, audit: Audit, excess: int) -> bool:
    """Whether the keys of a record were distinct; also False where that cannot be told.

    The identity holds what was decoded, written as short as JSON can be. So where the record is as long as the same
    values written without blanks, nothing else can have stood in it. A longer one has blanks, longer escapes or a
    repeated key, which its colons tell: each stands behind a key or inside a text.

    Args:
        raw: the record.
        audit: the same, decoded.
        excess: by how much it is longer than its identity and the surplus of what is known of it together.
    """
    if excess < -REFUSED // 2:
        return False
    values = (
        audit.time, audit.verb, audit.message, audit.resources, audit.requestURI, audit.cluster, audit.accountID,
        audit.provider, audit.eventBlob, audit.sourceIPs,
    )  # fmt: skip
    if excess == USUAL_EXCESS - sum(map(_shortfall, _READ_FIELDS, values)):
        return True
    nested = [value for value in astuple(audit) if isinstance(value, Raw) and value != _ABSENT]
    colons = len(values) - values.count(UNSET) + len(nested)
    colons += sum(text.count(":") for text in (*values, *(audit.sourceIPs or ())) if isinstance(text, str))
    colons += sum(bytes(one).count(b":") for one in nested)
    return raw.count(b":") == colons and colons > 0 and not _ESCAPED_COLON.search(raw)


def _shortfall(name: str, value: str | list[str] | UnsetType | None) -> int:
    """By how much what is absent, null or empty is shorter than the ``null`` it is in the identity."""
    if value is UNSET:
        return len("null") + len(name) + _MEMBER
    return len("null") - len('""') if value in ("", []) else 0


def _surplus(name: str, text: bytes, *values: Any) -> int:
    written = len(name) + _MEMBER + len(text) if text else 0
    return written - sum(len(identity_json([value])) - len("[]") for value in values)


def _refuse_repeated_keys(text: bytes, keys: int, values: list[str]) -> None:
    colons = keys + sum(value.count(":") for value in values)
    if text.count(b":") != colons or _ESCAPED_COLON.search(text):
        raise msgspec.ValidationError("A key may stand twice")


def _in_identity(*values: Any) -> Raw:
    return Raw(identity_json(values)[1:-1])


def _read_user(text: bytes) -> KnownUser:
    user = (_decode_user(text) if text else None) or _User()
    username, uid, groups = user.username or None, user.uid or None, tuple(user.groups or ()) or None
    keys = len(USER_FIELDS) - astuple(user).count(UNSET)
    _refuse_repeated_keys(text, keys, [*(groups or ()), username or "", uid or ""])
    return KnownUser(
        identity=_in_identity(username, uid, groups),
        surplus=_surplus("user", text, username, uid, groups),
        username=username,
        uid=uid,
        groups=groups,
        kind=vocabulary.user_kind(username),
    )


def _read_info(text: bytes) -> KnownInfo:
    found = (_decode_map(text) if text else None) or {}
    _refuse_repeated_keys(text, len(found), [one for pair in found.items() for one in pair])
    pairs = tuple(sorted(found.items())) or None
    return KnownInfo(
        identity=_in_identity(pairs),
        surplus=_surplus("authorizationInfo", text, pairs),
        pairs=pairs,
        decision=found.get(DECISION) or None,
    )


def _read_list(text: bytes, *, name: str, identifies: bool = True) -> KnownList:
    values = tuple((_decode_list(text) if text else None) or ()) or None
    surplus = _surplus(name, text, values) if identifies else _surplus(name, text)
    return KnownList(identity=_in_identity(values), surplus=surplus, values=values)


_NO_LIST = KnownList(identity=_in_identity(None), surplus=REFUSED)
USERS = _Table(_read_user, KnownUser(identity=_in_identity(None, None, None), surplus=REFUSED))
INFOS = _Table(_read_info, KnownInfo(identity=_in_identity(None), surplus=REFUSED))
TECHNIQUES = _Table(partial(_read_list, name="attackTechniques"), _NO_LIST)
COLLECTIONS = _Table(partial(_read_list, name="collections", identifies=False), _NO_LIST)
