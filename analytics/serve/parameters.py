"""The nine query parameters, read as the Console's clients send them.

What is unknown is ignored, because older and newer Consoles take more; what is wrong is an error that says
so.

Source: the vendor's OpenAPI 33.01, ``get-audits-kubernetes``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kubedossier.analytics.errors import UsageError

DEFAULT_LIMIT = 50
MOST = 250

SORT_KEYS = {
    "time": "time",
    "verb": "verb",
    "user": '"user"',
    "user.username": '"user"',
    "user.uid": "uid",
    "user.groups": "groups",
    "authorizationInfo": 'cast("authorization" as varchar)',
    "message": "message",
    "sourceIPs": "source_ips",
    "resources": "resources",
    "requestURI": "request_uri",
    "attackTechniques": "techniques",
    "cluster": "cluster",
    "accountID": "account",
    "provider": "provider",
    "collections": "collections",
    "eventBlob": "event_blob",
}
"""Field of the API -> what the archive sorts by."""

LISTS = frozenset(("user.groups", "sourceIPs", "attackTechniques", "collections"))
"""Those of them that are lists of texts; all others but the time are texts."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadParameterError(UsageError):
    """A query parameter has a value that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        offset: rows to leave out.
        limit: rows to give, at most; None where the request names none.
        sort: a key of ``SORT_KEYS``.
        reverse: from the last to the first.
        start_ms, end_ms: bounds in milliseconds since the epoch, both included; None leaves that side open.
        users, techniques, clusters: exact values, any of which an event must have; empty lets all pass.
    """

    offset: int = 0
    limit: int | None = None
    sort: str = "time"
    reverse: bool = False
    start_ms: int | None = None
    end_ms: int | None = None
    users: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()

    @property
    def page_size(self) -> int:
        """The rows of a page: 50 unless asked otherwise, 250 at most."""
        return min(self.limit or DEFAULT_LIMIT, MOST)


def read_parameters(pairs: Iterable[tuple[str, str]]) -> Asked:
    """Read the query string's parameters; a repeated one counts once where only one makes sense.

    Raises:
        BadParameterError: a value cannot be read.
    """
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        if value:
            given.setdefault(name, []).append(value)

    def first(name: str) -> str | None:
        return given[name][0] if name in given else None

    sort = first("sort") or "time"
    if sort not in SORT_KEYS:
        raise BadParameterError(f"sort: no field '{sort}'; fields are {', '.join(SORT_KEYS)}")
    return Asked(
        offset=_number("offset", first("offset")) or 0,
        limit=_number("limit", first("limit")),
        sort=sort,
        reverse=_truth("reverse", first("reverse")),
        start_ms=_milliseconds("from", first("from")),
        end_ms=_milliseconds("to", first("to")),
        users=tuple(given.get("user", ())),
        techniques=tuple(given.get("attackTechniques", ())),
        clusters=tuple(given.get("cluster", ())),
    )


def _number(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadParameterError(f"{name}: '{text}' is not a number from 0 on")
    return int(text)


def _truth(name: str, text: str | None) -> bool:
    known = {None: False, "true": True, "1": True, "false": False, "0": False}
    value = known.get(text if text is None else text.lower())
    if value is None:
        raise BadParameterError(f"{name}: '{text}' is neither true nor false")
    return value


def _milliseconds(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    text = text.replace(" ", "+") if text[19:].count(" ") == 1 else text  # a plus that was not encoded
    try:
        moment = datetime.fromisoformat(text.upper()) if _MOMENT.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise BadParameterError(f"{name}: '{text}' is not a time like 2026-10-01T00:00:00.000Z")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
