"""From the archive's answers to what the rules look at: counts, actions and what is new.

Nothing is asked here and nothing is judged.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from kubedossier.analytics import figures
from kubedossier.analytics.thresholds import Anonymous, Thresholds
from kubedossier.analytics.vocabulary import techniques as known_techniques
from kubedossier.reports import wording
from kubedossier.reports.actions import Actions
from kubedossier.reports.asking import Asked
from kubedossier.reports.job_troubles import troubles_noted
from kubedossier.reports.observed import Observed

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period


def observed(
    asked: Asked,
    period: Period,
    events: int,
    archive: Archive,
    checked: int,
    thresholds: Thresholds,
    until: datetime | None = None,
) -> Observed:
    """All counts that the rules read; ``checked`` files were compared with the ledger.

    Days that were not over at ``until`` are told apart; None takes all for over.
    """
    activity, before = asked.frame("activity"), asked.frame("activity_before")
    runs = asked.frame("receipts")
    known = known_techniques()
    names = sorted({name for name in asked.frame("techniques")["technique"].to_list() if name not in known})
    return Observed(
        days=figures.day_strip(asked.answers["coverage"], period, until=until),
        clusters=figures.cluster_calendar(asked.answers["clusters"], period, until=until),
        events=events,
        denied=int(activity["denied"].sum()),
        previous_events=int(before["events"].sum()),
        previous_denied=int(before["denied"].sum()),
        previous_known=asked.has_past,
        previous_when=period.previous().when(),
        previous_short=f"{period.previous().start:%b}" if period.is_month else "before",
        actions=asked.actions,
        before=asked.before,
        grave=Actions.from_rows(asked.frame("grave_changes")).told(asked.new),
        files_checked=checked,
        retracted=sum(entry["type"] == "retract" for entry in archive.ledger.entries),
        rollbacks=sum("rollback" in entry for entry in archive.ledger.entries),
        anonymous_served=_anonymous_served(asked, thresholds.anonymous),
        troubles=troubles_noted(archive.ledger.entries),
        received=total(runs, "received"),
        new=total(runs, "new"),
        duplicate=total(runs, "duplicate"),
        rejected=total(runs, "rejected"),
        skipped=total(runs, "skipped"),
        windows=asked.frame("windows").height,
        unstable_windows=asked.frame("windows")["stable"].to_list().count(False),
        unknown_techniques=tuple(names),
        marks=asked.marks,
        thresholds=thresholds,
    )


def total(frame: pl.DataFrame, column: str) -> int:
    """The sum of a column; 0 where there is no row."""
    return int(frame[column].sum() or 0)


def _anonymous_served(asked: Asked, limits: Anonymous) -> int:
    """Requests of anonymous callers that were not denied, but for the paths that clusters open to everybody."""
    rows = asked.frame("anonymous_access").iter_rows(named=True)
    return sum(row["requests"] for row in rows if not row["denied"] and not limits.allows(row["path"] or ""))


def distinct(asked: Asked) -> tuple[int, int, int]:
    """Clusters, providers and identities of the period."""
    return tuple(asked.frame(topic).height for topic in ("cluster_ranking", "provider_ranking", "users"))  # type: ignore[return-value]


def previous_counts(asked: Asked) -> wording.Previous:
    """Counts of the period before."""
    states = asked.frame("coverage_before")["state"].to_list()
    return wording.Previous(
        collected=states.count(figures.COLLECTED),
        days=len(states),
        actions=asked.before.total,
        identities=asked.frame("users_before").height,
    )
