"""The state of an archive in one answer: coverage, gaps, counts, drift, size and head.

The auditor's first question is what is missing. Days without events are told apart by what is attested: collected and
empty, not collected, or perhaps dropped by the Console before anyone read it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.coverage import collected
from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.ingest.rederive import outdated
from kubedossier.analytics.ingest.techniques import rules_version
from kubedossier.analytics.periods import Period, parse_period
from kubedossier.analytics.schema import UNDATED
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.damage import ReplacedError


@dataclass(frozen=True, slots=True)
class Month:
    """What lies in one month's partition.

    Attributes:
        month: ``YYYY-MM`` or ``undated``.
        records: stored, all stages counted.
        bytes, files: of its Parquet.
    """

    month: str
    records: int
    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time that is not attested, and why; aware UTC, half-open."""

    console: str | None
    start: datetime | None
    end: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the calendar: events, and the state in the words of the query ``coverage``."""

    day: date
    events: int
    state: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The state of techniques that rules of this program found in raw audit logs.

    Attributes:
        version: of the rules in force.
        others: versions of rules that judged what is stored and are in force no longer.
        months: with records that these judged.
        records: in the files that hold such records; sealed_files: how many more are sealed and stay as they are.
        unreadable: why it cannot be told; empty where it can.
    """

    version: str
    others: tuple[str, ...]
    months: tuple[str, ...]
    records: int
    sealed_files: int
    unreadable: str


@dataclass(frozen=True, slots=True)
class Status:
    """The state of an archive.

    Attributes:
        archive_id: its UUID.
        head: number and SHA-256 of the newest entry.
        head_at: when it was written, ledger time text.
        witnessed: whether this head is in this machine's witness file.
        months: what is stored, by month.
        counts: ``received, new, duplicate, rejected, skipped`` over all runs; a reject that was read again counts once.
        rejects: rejects that are kept.
        reject_bytes: of their files.
        drift: how often each flag was set, most often first.
        last_collected: end of the last collected range of each Console, aware UTC.
        period: what the calendar shows.
        calendar: days by cluster; the key None is the whole archive.
        gaps: that touch the period.
        retracted: snapshots that were taken out of the views.
        judged: by which technique rules; those of the process are in force.
    """

    archive_id: str
    head: tuple[int, str]
    head_at: str
    witnessed: bool
    months: tuple[Month, ...]
    counts: dict[str, int]
    rejects: int
    reject_bytes: int
    drift: dict[str, int]
    last_collected: dict[str, datetime]
    period: Period
    calendar: dict[str | None, tuple[Day, ...]]
    gaps: tuple[Gap, ...]
    retracted: int
    judged: Judged


def read_status(archive: Archive, period: Period | None = None) -> Status:
    """Tell the state of an archive.

    Args:
        archive: opened at any entry.
        period: what the calendar shows; None is the newest month with anything in it.

    Raises:
        ReplacedError: a file is gone, since a later entry replaced it.
        StorageError: a file cannot be read.
    """
    ledger = archive.ledger
    seq, digest = ledger.head
    chosen = period or _newest_month(archive)
    rejects = ledger.live("rejects")
    return Status(
        archive_id=ledger.archive_id,
        head=(seq, digest),
        head_at=ledger.entries[-1]["at"],
        witnessed=witness.known_heads(ledger.archive_id).get(seq) == digest,
        months=_months(archive),
        counts=_counts(archive, sum(file.rows for file in rejects)),
        rejects=sum(file.rows for file in rejects),
        reject_bytes=sum(file.bytes for file in rejects),
        drift=dict(sum((Counter(entry.get("drift", {})) for entry in ledger.entries), Counter()).most_common()),
        last_collected={span.console or "": span.end for span in collected(ledger)},
        period=chosen,
        calendar=_calendar(archive, chosen),
        gaps=_gaps(archive, chosen),
        retracted=len(ledger.retracted),
        judged=_judged(archive),
    )


def _judged(archive: Archive) -> Judged:
    try:
        found = outdated(archive.ledger)
    except ReplacedError:
        raise
    except StorageError as error:  # the rest of the state can be told all the same
        return Judged(rules_version(), (), (), 0, 0, error.message)
    return Judged(
        rules_version(),
        tuple(sorted({version for one in found for version in one.versions})),
        tuple(one.month for one in found),
        sum(one.events for one in found),
        sum(one.sealed for one in found),
        "",
    )


def _months(archive: Archive) -> tuple[Month, ...]:
    found: dict[str, list[Any]] = {}
    for file in archive.ledger.live():
        found.setdefault(file.month, []).append(file)
    return tuple(
        Month(month, sum(one.rows for one in files), sum(one.bytes for one in files), len(files))
        for month, files in sorted(found.items())
    )


def _counts(archive: Archive, rejected: int) -> dict[str, int]:
    total: Counter[str] = sum((Counter(entry.get("counts", {})) for entry in archive.ledger.entries), Counter())
    new, duplicate = total["new"], total["duplicate"]
    received = new + duplicate + rejected
    return {
        "received": received,
        "new": new,
        "duplicate": duplicate,
        "rejected": rejected,
        "skipped": total["skipped"],
    }


def _newest_month(archive: Archive) -> Period:
    months = [file.month for file in archive.ledger.live() if file.month != UNDATED]
    spans = [f"{span.end:%Y-%m}" for span in collected(archive.ledger)]
    newest = max(months or spans or [archive.ledger.entries[0]["at"][:7]])
    return parse_period(newest, now=datetime.now(UTC))


def _calendar(archive: Archive, period: Period) -> dict[str | None, tuple[Day, ...]]:
    whole = archive.query("coverage", period=period, limit=0, source="all")
    calendar: dict[str | None, list[Day]] = {
        None: [Day(row["date"], row["events"], row["state"]) for row in whole.iter_rows(named=True)]
    }
    parts = archive.query("coverage_by_cluster", period=period, limit=0, source="all")
    for row in parts.iter_rows(named=True):
        name = "(no cluster)" if row["cluster"] is None else row["cluster"]
        calendar.setdefault(name, []).append(Day(row["date"], row["events"], row["state"]))
    return {name: tuple(days) for name, days in calendar.items()}


def _gaps(archive: Archive, period: Period) -> tuple[Gap, ...]:
    rows = archive.table(
        'select console, start, "end", reason from gaps '
        'where (start is null or start < $period_end) and ("end" is null or "end" > $period_start) '
        "order by start, console, reason",
        {"period_start": period.start.replace(tzinfo=None), "period_end": period.end.replace(tzinfo=None)},
    )
    return tuple(Gap(row["console"], row["start"], row["end"], row["reason"]) for row in rows.to_pylist())
