"""From the archive's answers to what the rules look at: counts, actions and what is new.

Nothing is asked here and nothing is judged.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kubedossier.analytics import figures
from kubedossier.analytics.thresholds import Anonymous, Thresholds
from kubedossier.analytics.vocabulary import techniques as known_techniques
from kubedossier.reports import wording
from kubedossier.reports.asking import Asked
from kubedossier.reports.job_troubles import troubles_noted
from kubedossier.reports.newcomers import Newcomers, denials, newcomers, was_denied
from kubedossier.reports.observed import Action, Observed

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period


def observed(
    asked: Asked, period: Period, events: int, archive: Archive, checked: int, thresholds: Thresholds
) -> Observed:
    """All counts that the rules read; ``checked`` files were compared with the ledger."""
    activity, before = asked.frame("activity"), asked.frame("activity_before")
    runs = asked.frame("receipts")
    known = known_techniques()
    names = sorted({name for name in asked.frame("techniques")["technique"].to_list() if name not in known})
    new = new_in(asked)
    return Observed(
        days=figures.day_strip(asked.answers["coverage"], period),
        clusters=figures.cluster_calendar(asked.answers["clusters"], period),
        events=events,
        denied=int(activity["denied"].sum()),
        previous_events=int(before["events"].sum()),
        previous_denied=int(before["denied"].sum()),
        previous_known=has_past(asked),
        previous_title=period.previous().title(),
        previous_short=f"{period.previous().start:%B}" if period.is_month else "before",
        actions=_actions(asked.frame("privileged_actions"), new),
        actions_before=_actions(asked.frame("privileged_before"), new),
        grave=_actions(asked.frame("grave_changes"), new),
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


def new_in(asked: Asked) -> Newcomers:
    """The identities and addresses that are new in the period."""
    users, addresses = asked.frame("first_seen_users"), asked.frame("first_seen_ips")
    return newcomers(users["user"].to_list(), addresses["source_ip"].to_list(), has_past=has_past(asked))


def has_past(asked: Asked) -> bool:
    """Whether the period before was recorded, so that something can be new or have changed."""
    return any(state != figures.MISSING for state in asked.frame("coverage_before")["state"].to_list())


def _actions(frame: pl.DataFrame, new: Newcomers) -> list[Action]:
    import polars as pl

    parts = [pl.col(name).replace("", None) for name in ("namespace", "resource", "name", "subresource")]
    rows = frame.select(
        pl.col("time", "user", "kind", "cluster"),
        denials(frame).alias("denied"),
        new.took(frame).alias("is_new"),
        pl.col("action").fill_null(""),
        pl.concat_str(parts, separator="/", ignore_nulls=True).alias("target"),
        pl.col("detail") if "detail" in frame.columns else pl.lit(None).alias("detail"),
        pl.col("source_ips", "status_code", "event_id"),
    )
    with _no_collection():
        return _made(rows.iter_rows())


def _made(rows: Iterable[tuple[Any, ...]]) -> list[Action]:
    held: dict[Any, Any] = {}  # names come again and again, and are held once
    once = held.setdefault
    return [
        Action(
            time,
            once(user, user),
            once(kind, kind),
            once(cluster, cluster),
            denied,
            is_new,
            once(action, action),
            target,
            tuple(detail or ()),
            once(addresses := tuple(source_ips or ()), addresses),
            status,
            event_id,
        )
        for time, user, kind, cluster, denied, is_new, action, target, detail, source_ips, status, event_id in rows
    ]


@contextmanager
def _no_collection() -> Iterator[None]:
    """No search for garbage while a million things are made that are none: it would double the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _anonymous_served(asked: Asked, limits: Anonymous) -> int:
    """Requests of anonymous callers that were not denied, but for the paths that clusters open to everybody."""
    rows = asked.frame("anonymous_access").iter_rows(named=True)
    return sum(not was_denied(row) and not limits.allows(row["request_uri"] or "") for row in rows)


def distinct(asked: Asked) -> tuple[int, int, int]:
    """Clusters, providers and identities of the period."""
    return tuple(asked.frame(topic).height for topic in ("cluster_ranking", "provider_ranking", "users"))  # type: ignore[return-value]


def previous_counts(asked: Asked) -> wording.Previous:
    """Counts of the period before."""
    states = asked.frame("coverage_before")["state"].to_list()
    return wording.Previous(
        collected=states.count(figures.COLLECTED),
        days=len(states),
        actions=asked.frame("privileged_before").height,
        identities=asked.frame("users_before").height,
    )
