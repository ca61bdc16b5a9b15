"""The rules that rate a period: few, named, each with its threshold in words beside its code.

A rule reads counts that the report shows anyway and returns a finding, or None where it has nothing to judge. It
proposes; the decision is the reviewer's. No rule may say that a control is complied with: evidence supports a
statement, partly supports it, or does not evidence it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from kubedossier.analytics.figures import COLLECTED, DROPPED, IMPORTED, MISSING, PARTIAL
from kubedossier.reports.access_rules import (
    anonymous,
    elevated,
    interactive_access,
    newcomer_actions,
    role_changes,
    secret_access,
)
from kubedossier.reports.exception_rules import (
    bulk_secrets,
    burst,
    impaired_defences,
    integrity,
    off_hours_newcomers,
    wide_rights,
)
from kubedossier.reports.judgements import Finding, Rating
from kubedossier.reports.numbers import counted, days_listed, percent, short_day
from kubedossier.reports.observed import NAMES_SHOWN, Observed, finding
from kubedossier.reports.pieces import Part, Value

DENIED_SHARE = 0.10
DENIED_GROWTH = 2.0
DENIED_MINIMUM = 10
VOLUME_CHANGE = 0.5
SILENT_DAYS = 3
_ABOUT_THE_RECORD = ("completeness", "failing-snapshots", "accounting", "population", "integrity")
RATINGS: tuple[Rating, ...] = ("exception", "review", "met")


def judge(seen: Observed) -> tuple[Finding, ...]:
    """Every rule's finding, exceptions first, then in the order of the rules.

    What was not found in a record with holes is supported only in part, and where nothing was recorded at all there
    is nothing to judge but the record itself.
    """
    found = [one for rule in RULES if (one := rule(seen)) is not None]
    if set(seen.days.column("state")) == {MISSING}:
        found = [one for one in found if one.rule in _ABOUT_THE_RECORD]
    if found[0].rating != "met":
        found = [
            replace(one, support="partly supports")
            if one.rating == "met" and one.rule not in _ABOUT_THE_RECORD
            else one
            for one in found
        ]
    return tuple(sorted(found, key=lambda one: RATINGS.index(one.rating)))


def completeness(seen: Observed) -> Finding:
    """Exception where a day was not collected or may have been dropped; Review where only imported or partial."""
    by_state: dict[str, list[date]] = {}
    for day, state in zip(seen.days.column("date"), seen.days.column("state"), strict=True):
        by_state.setdefault(state, []).append(day)
    total, collected = len(seen.days.rows), len(by_state.get(COLLECTED, ()))
    lost = sorted(by_state.get(MISSING, []) + by_state.get(DROPPED, []))
    rating: Rating = "exception" if lost else "met" if collected == total else "review"
    if collected == total:
        title, text = "The record is complete.", f"All {counted(total, 'day')} were collected."
    else:
        incomplete = total - collected
        title = (
            f"{incomplete} of {counted(total, 'day')} {'is' if incomplete == 1 else 'are'} not attested as complete."
        )
        words = {
            DROPPED: "The Console may have dropped events before they were read on {}.",
            MISSING: "Nothing was collected on {}.",
            PARTIAL: "Collected in part: {}.",
            IMPORTED: "Imported from files, so that completeness is not attested: {}.",
        }
        text = " ".join(words[state].format(days_listed(by_state[state])) for state in words if state in by_state)
    return finding(
        "completeness", rating, title, (text,), "completeness", (seen.marks["coverage"],),
        statement="The record of the period is complete.",
        method="Exception: a day was not collected, or the Console may have dropped events of it. Review: a day was "
        "collected in part, or only imported. Met: all days were collected.",
    )  # fmt: skip


def accounting(seen: Observed) -> Finding | None:
    """Exception where received is not the sum of its parts; Review where records were rejected."""
    if not seen.received and not seen.rejected:
        return None
    parts = seen.new + seen.duplicate + seen.rejected
    text = (
        f"{counted(seen.received, 'record')} received: {seen.new:,} new, {seen.duplicate:,} already held, "
        f"{seen.rejected:,} rejected."
    )
    if parts != seen.received:
        rating: Rating = "exception"
        title, text = "Records are unaccounted for.", f"{text} The difference is {seen.received - parts:,}."
    elif seen.rejected:
        rating, title = "review", f"{counted(seen.rejected, 'record')} could not be read as events."
    else:
        rating, title = "met", "Every record received is accounted for."
    return finding(
        "accounting", rating, title, (text,), "completeness", (seen.marks["receipts"],),
        statement="Every record received is accounted for.",
        method="Exception: new, duplicate and rejected records do not add up to those received. Review: records were "
        "rejected. Met otherwise.",
    )  # fmt: skip


def population(seen: Observed) -> Finding | None:
    """Review where the Console's own count changed while a window was read, even on the second reading."""
    if not seen.windows:
        return None
    stable = seen.windows - seen.unstable_windows
    return finding(
        "population", "review" if seen.unstable_windows else "met",
        "The Console's count and the record agree."
        if not seen.unstable_windows
        else "The Console's count changed while it was read.",
        (f"In {stable:,} of {counted(seen.windows, 'window')} the Console's Total-Count was the same before and after, "
         "and equal to the rows received.",),
        "completeness", (seen.marks["windows"],),
        statement="The record holds the population that the source reported.",
        method="Review: in a window the count before, the count after and the rows received differ. Met otherwise.",
    )  # fmt: skip


def silent_clusters(seen: Observed) -> Finding | None:
    """Review where a cluster that had events has none on the last days of the period, and these were collected."""
    if seen.clusters.step != "day":
        return None
    days: dict[str | None, list[tuple[date, int, str]]] = {}
    for day, cluster, events, state in seen.clusters.rows:
        days.setdefault(cluster, []).append((day, events, state))  # type: ignore[arg-type]
    ends = {cluster: sorted(of_cluster)[-SILENT_DAYS:] for cluster, of_cluster in days.items()}
    known = [cluster for cluster, end in ends.items() if all(state == COLLECTED for _, _, state in end)]
    if not known:
        return None
    silent = [
        (cluster or "", max(day for day, events, _ in days[cluster] if events))
        for cluster in known
        if not any(events for _, events, _ in ends[cluster]) and any(events for _, events, _ in days[cluster])
    ]
    names: list[Part] = []
    for cluster, day in silent[:NAMES_SHOWN]:
        names += [", " if names else "", Value(cluster), f" (last event {short_day(day)})"]
    more = f" and {len(silent) - NAMES_SHOWN} more" if len(silent) > NAMES_SHOWN else ""
    spoke = f"{len(known)} of {counted(len(days), 'cluster')} had events on the last {SILENT_DAYS} days."
    return finding(
        "silent-clusters", "review" if silent else "met",
        f"{counted(len(silent), 'cluster')} fell silent." if silent else "Clusters reported to the end.",
        (*names, f"{more}.") if silent else (spoke,),
        "completeness", (seen.marks["clusters"],),
        statement="Every cluster keeps reporting.",
        method=f"Review: a cluster had events in the period and none on its last {SILENT_DAYS} days, though these were "
        "collected. Met: every cluster whose last days were collected had some.",
    )  # fmt: skip


def denied(seen: Observed) -> Finding | None:
    """Review where denied requests are a large share, or have doubled against the period before."""
    if not seen.events:
        return None
    share = seen.denied / seen.events
    before = seen.previous_denied / seen.previous_events if seen.previous_events else 0.0
    grown = seen.previous_known and before > 0 and share >= DENIED_GROWTH * before
    review = seen.denied >= DENIED_MINIMUM and (share >= DENIED_SHARE or grown)
    against = f", against {percent(before)} in {seen.previous_title}" if seen.previous_known else ""
    return finding(
        "denied", "review" if review else "met",
        "Denied requests stand out." if review else "Denied requests are in the usual range.",
        (f"{counted(seen.denied, 'request')} denied, {percent(share)} of all{against}.",),
        "denied", (seen.marks["activity"],),
        statement="Denied requests stay in the usual range.",
        method=f"Review: at least {DENIED_MINIMUM} denied requests that are {percent(DENIED_SHARE)} of all or more, or "
        f"{DENIED_GROWTH:g} times the share of the period before. Met otherwise.",
    )  # fmt: skip


def volume(seen: Observed) -> Finding | None:
    """Review where the number of events moved by half or more against the period before."""
    if not seen.previous_known or not seen.previous_events:
        return None
    ratio = seen.events / seen.previous_events - 1
    review = abs(ratio) >= VOLUME_CHANGE
    return finding(
        "volume", "review" if review else "met",
        f"Activity {'rose' if ratio > 0 else 'fell'} by {percent(abs(ratio))}."
        if review
        else "Activity is in the usual range.",
        (f"{counted(seen.events, 'event')} against {seen.previous_events:,} in {seen.previous_title}.",),
        "activity", (seen.marks["activity"],),
        statement="Activity stays in the usual range.",
        method=f"Review: {percent(VOLUME_CHANGE)} more or fewer events than in the period before. Met otherwise.",
    )  # fmt: skip


def vocabulary(seen: Observed) -> Finding | None:
    """Review where the source used techniques that the bundled table does not know."""
    if not seen.unknown_techniques:
        return None
    names = [Value(name) for name in seen.unknown_techniques[:NAMES_SHOWN]]
    text: list[Part] = [part for name in names for part in (name, ", ")][:-1]
    more = len(seen.unknown_techniques) - len(names)
    return finding(
        "vocabulary", "review", f"{counted(len(seen.unknown_techniques), 'technique')} without a known meaning.",
        (*text, f" and {more} more." if more else "."), "activity", (seen.marks["techniques"],),
        statement="Every technique is mapped to a tactic.",
        method="Review: the record names techniques that this version does not know; they count, without a tactic.",
    )  # fmt: skip


def failing_snapshots(seen: Observed) -> Finding | None:
    """Exception where the schedule noted that a snapshot job fails: what it should have brought may be missing."""
    if not seen.troubles:
        return None
    first, more = seen.troubles[0], len(seen.troubles) - 1
    also = f", and {counted(more, 'other job')} failed, too." if more else "."
    text: list[Part] = [part for one in seen.troubles for part in (f"{one.job}: ", Value(one.reason), "; ")][:-1]
    return finding(
        "failing-snapshots", "exception", f"{first.words}{also}", (*text, "."), "completeness",
        (seen.marks["coverage"],),
        statement="Collection runs as scheduled.",
        method="Exception: when the report was scheduled, the newest note of the schedule in the ledger told of "
        "snapshot jobs that fail.",
    )  # fmt: skip


RULES: tuple[Callable[[Observed], Finding | None], ...] = (
    completeness,
    failing_snapshots,
    accounting,
    population,
    integrity,
    wide_rights,
    impaired_defences,
    off_hours_newcomers,
    bulk_secrets,
    anonymous,
    newcomer_actions,
    role_changes,
    secret_access,
    interactive_access,
    elevated,
    burst,
    silent_clusters,
    denied,
    volume,
    vocabulary,
)  # fmt: skip
