"""What an answer of the Console means: a page, a reason to try again, or an error for a person.

A page that cannot be read whole is never "no events": a proxy's HTML page with status 200, a truncated body
or a 204 is a reason to try again, and in the end an error. Nothing here does I/O.

Source: vendor's OpenAPI 33.01; RFC 9110 (status codes, Retry-After).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.ingest.sources.console_json import split_array

PERMISSION = "monitorAccessKubernetes"
_BUSY = frozenset((408, 425, 429))
_BAD_ANSWERS = 5


class Again(Exception):  # noqa: N818 - not an error: a reason to ask once more
    """The same request may succeed later.

    Attributes:
        reason: for people.
        wait_s: what the Console asked to wait, or None.
        slow_down: whether it said that there are too many requests.
        most: how many such answers in a row are borne; None leaves it to the deadline.
    """

    def __init__(
        self, reason: str, *, wait_s: float | None = None, slow_down: bool = False, most: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s
        self.slow_down = slow_down
        self.most = most


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer: status, headers (lower-case names) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """One page of events.

    Attributes:
        rows: the exact bytes of each element.
        total: how many events match in all, or None where the Console does not say.
        sha256: of the body as received.
        size_bytes: of the body.
    """

    rows: tuple[bytes, ...]
    total: int | None
    sha256: bytes
    size_bytes: int


def read_page(reply: Reply) -> Page:
    """The page in a successful answer.

    Raises:
        Again: it is not a whole JSON array (nor ``null``).
    """
    if reply.status != 200:
        raise Again(f"status {reply.status} where a page of events was due", most=_BAD_ANSWERS)
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise Again("a web page where a page of events was due (a proxy or a login page?)", most=_BAD_ANSWERS)
    try:
        rows = split_array(reply.body)
    except ValueError:
        raise Again(f"a body that is no whole JSON array ({len(reply.body)} bytes)", most=_BAD_ANSWERS) from None
    return Page(tuple(rows), _total(reply), hashlib.sha256(reply.body).digest(), len(reply.body))


def read_object(reply: Reply) -> dict[str, object]:
    """The JSON object in a successful answer, such as the login's.

    Raises:
        Again: there is none.
    """
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        value = None
    if reply.status != 200 or not isinstance(value, dict):
        raise Again(f"status {reply.status} and no JSON object where one was due", most=_BAD_ANSWERS)
    return value


def judge(reply: Reply, *, now: datetime, what: str) -> None:
    """Let a success pass, and raise for everything else but 401, which the login handles.

    Args:
        reply: the answer.
        now: aware UTC, for a Retry-After that is a date.
        what: what was asked, for the message.

    Raises:
        Again: it may go better later.
        SourceError: it will not.
    """
    status = reply.status
    if status < 300 or status == 401:
        return
    said = said_in(reply)
    if status in _BUSY or status >= 500:
        raise Again(f"status {status}{said}", wait_s=retry_after(reply, now=now), slow_down=status in (429, 503))
    if status == 403:
        raise SourceError(
            f"The Console does not let this login read {what} (403{said})",
            hint=f"Its role needs the permission {PERMISSION} (read access to Monitor > Events).",
        )
    if status == 404:
        raise SourceError(
            f"The Console has no {what} at this address (404{said})",
            hint="Check --console (a SaaS Console's URL has a path) and --api-version (v1 is the newest).",
        )
    raise SourceError(f"The Console refused to give {what} ({status}{said})", hint="Check the options of this run.")


def said_in(reply: Reply) -> str:
    """The Console's own words, `: words`, or nothing; at most 300 characters."""
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return ""
    words = value.get("err") if isinstance(value, dict) else None
    return f": {words[:300]}" if isinstance(words, str) and words else ""


def retry_after(reply: Reply, *, now: datetime) -> float | None:
    """The seconds that Retry-After asks to wait, given as seconds or as a date; None where it does not."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    moment = time_in(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def time_in(text: str) -> datetime | None:
    """A moment as HTTP writes it, aware UTC; None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _total(reply: Reply) -> int | None:
    text = reply.headers.get("total-count", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
