"""What a bundle is about, and the names in it; nothing that an event or a cluster is called ever becomes a name.

The names are part of the bundle's format 1: a change needs a new number.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from kubedossier.analytics.errors import IntegrityError, UsageError
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.schema import UNDATED, FileRef

BUNDLE_FORMAT = 1
SAFE_NAME = re.compile(r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)*")
REPORT, NDJSON, CSV = "data/report.pdf", "data/events.ndjson", "data/events.csv"
LEDGER, COLLECTED, SCHEMA = "data/ledger.jsonl", "data/collected.csv", "data/schema.json"
REFLOWED = "data/leaves/reflowed.txt"

_EVENT_FILE = re.compile(r"events/month=(\d{4}-\d{2}|undated)/([A-Za-z0-9_-][A-Za-z0-9._-]*\.parquet)")
_REJECT_FILE = re.compile(r"rejects/([A-Za-z0-9_-][A-Za-z0-9._-]*\.ndjson\.zst)")
_SNAPSHOT = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Subject:
    """One month of an archive.

    Attributes:
        month: ``YYYY-MM``, or ``undated`` for the records without a usable time.
        start, end: half-open, aware UTC; None for ``undated``.
    """

    month: str
    start: datetime | None = None
    end: datetime | None = None

    @property
    def title(self) -> str:
        """The month as a person reads it."""
        return f"{self.start:%B %Y}" if self.start else "records without a usable time"

    @property
    def period(self) -> str:
        """The month as an ISO 8601 interval, or ``undated``."""
        return f"{self.start:%Y-%m-%dT%H:%M:%SZ}/{self.end:%Y-%m-%dT%H:%M:%SZ}" if self.start else UNDATED


def parse_subject(text: str, *, now: datetime) -> Subject:
    """Read a month as the user wrote it: ``2026-10``, ``last-month``, or ``undated``.

    Raises:
        UsageError: it is no month.
    """
    if text.strip() == UNDATED:
        return Subject(UNDATED)
    period = parse_period(text, now=now)
    if not period.is_month:
        raise UsageError(
            f"A bundle is about one calendar month, and '{text}' is none",
            hint="Write a month such as 2026-10, last-month, or undated.",
        )
    return Subject(period.label, period.start, period.end)


def bundle_id(archive_id: str, month: str, head: tuple[int, str]) -> str:
    """The id of a bundle: the first half of the SHA-256 of ``ARCHIVE_ID MONTH SEQ:HASH`` and LF, 32 hex digits."""
    return hashlib.sha256(f"{archive_id} {month} {head[0]}:{head[1]}\n".encode()).hexdigest()[:32]


def folder_name(month: str, identifier: str) -> str:
    """The one folder of a bundle, and its file's name without ``.zip``."""
    return f"kubedossier-{month}-{identifier[:12]}"


def event_name(file: FileRef) -> str:
    """Where an event file of the archive lies in a bundle.

    Raises:
        IntegrityError: the ledger gives it a path that no archive gives.
    """
    match = _EVENT_FILE.fullmatch(file.path)
    if match is None:
        raise _odd(file.path)
    return f"data/events/{match[1]}/{match[2]}"


def reject_name(file: FileRef) -> str:
    """Where a file of rejects lies in a bundle.

    Raises:
        IntegrityError: the ledger gives it a path that no archive gives.
    """
    match = _REJECT_FILE.fullmatch(file.path)
    if match is None:
        raise _odd(file.path)
    return f"data/rejects/{match[1]}"


def leaves_name(snapshot: str) -> str:
    """Where the leaves of a snapshot lie in a bundle.

    Raises:
        IntegrityError: no snapshot has such an id.
    """
    if not _SNAPSHOT.fullmatch(snapshot) or snapshot == "reflowed":
        raise _odd(snapshot)
    return f"data/leaves/{snapshot}.txt"


def _odd(name: str) -> IntegrityError:
    return IntegrityError(f"The ledger names {name!r}, which no archive would", hint="Run 'kubedossier verify'.")
