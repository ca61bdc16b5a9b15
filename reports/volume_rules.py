"""The rules about amounts: silence, denied requests, and what is out of the usual range or unknown."""

from __future__ import annotations

from datetime import date

from kubedossier.analytics.figures import COLLECTED, NOT_YET
from kubedossier.reports.numbers import counted, percent, short_day, tenths
from kubedossier.reports.observed import NAMES_SHOWN, Observed
from kubedossier.reports.pieces import Part, Value
from kubedossier.reports.rules import Verdict, rule


@rule(
    "silent-clusters",
    section="completeness",
    statement="Every cluster keeps reporting.",
    method=lambda limits: (
        "Review: a cluster had events in the period and none on its last "
        f"{counted(limits.silent_clusters.days, 'day')}, though these were collected."
    ),
)
def silent_clusters(seen: Observed) -> Verdict | None:
    """Review where a cluster that had events has none on the last days of the period, and these were collected."""
    if seen.clusters.step != "day":
        return None
    last = seen.thresholds.silent_clusters.days
    days: dict[str | None, list[tuple[date, int, str]]] = {}
    for day, cluster, events, state in seen.clusters.rows:
        if state == NOT_YET:
            continue
        days.setdefault(cluster, []).append((day, events, state))  # type: ignore[arg-type]
    if any(len(of_cluster) <= last for of_cluster in days.values()):
        return None  # whoever had an event had it on one of the last days
    ends = {cluster: sorted(of_cluster)[-last:] for cluster, of_cluster in days.items()}
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
    spoke = f"{len(known)} of {counted(len(days), 'cluster')} had events on the last {counted(last, 'day')}."
    return Verdict(
        "review" if silent else "met",
        f"{counted(len(silent), 'cluster')} fell silent." if silent else "Clusters reported to the end.",
        (*names, f"{more}.") if silent else (spoke,),
        (seen.marks["clusters"],),
    )


@rule(
    "denied",
    section="denied",
    statement="Denied requests stay in the usual range.",
    method=lambda limits: (
        f"Review: at least {limits.denied.at_least:,} denied requests that are {percent(limits.denied.share)} of all "
        f"or more, or {limits.denied.growth:g} times the share of the period before."
    ),
)
def denied(seen: Observed) -> Verdict | None:
    """Review where denied requests are a large share, or have doubled against the period before."""
    if not seen.events:
        return None
    limits = seen.thresholds.denied
    share = seen.denied / seen.events
    before = seen.previous_denied / seen.previous_events if seen.previous_events else 0.0
    grown = seen.previous_known and before > 0 and share >= limits.growth * before
    review = seen.denied >= limits.at_least and (share >= limits.share or grown)
    against = f", against {tenths(before)} {seen.previous_when}" if seen.previous_known else ""
    return Verdict(
        "review" if review else "met",
        "Denied requests stand out." if review else "Denied requests are in the usual range.",
        (f"{counted(seen.denied, 'request')} denied, {tenths(share)} of all{against}.",),
        (seen.marks["activity"],),
    )


@rule(
    "volume",
    section="activity",
    statement="Activity stays in the usual range.",
    method=lambda limits: (
        f"Review: {percent(limits.volume.change)} more or fewer events than in the period before. While the period is "
        "not over, only more of them are judged."
    ),
)
def volume(seen: Observed) -> Verdict | None:
    """Review where the number of events moved by half or more against the period before."""
    if not seen.previous_known or not seen.previous_events:
        return None
    ratio = seen.events / seen.previous_events - 1
    review = abs(ratio) >= seen.thresholds.volume.change
    if seen.to_come and not (review and ratio > 0):
        return None
    return Verdict(
        "review" if review else "met",
        f"Activity {'rose' if ratio > 0 else 'fell'} by {percent(abs(ratio))}."
        if review
        else "Activity is in the usual range.",
        (f"{counted(seen.events, 'event')} against {seen.previous_events:,} {seen.previous_when}.",),
        (seen.marks["activity"],),
    )


@rule(
    "vocabulary",
    section="activity",
    statement="Every technique is mapped to a tactic.",
    method="Review: the record names techniques that this version does not know; they count, without a tactic.",
)
def vocabulary(seen: Observed) -> Verdict | None:
    """Review where the source used techniques that the bundled table does not know."""
    if not seen.unknown_techniques:
        return None
    names = [Value(name) for name in seen.unknown_techniques[:NAMES_SHOWN]]
    text: list[Part] = [part for name in names for part in (name, ", ")][:-1]
    more = len(seen.unknown_techniques) - len(names)
    return Verdict(
        "review",
        f"{counted(len(seen.unknown_techniques), 'technique')} without a known meaning.",
        (*text, f" and {more} more." if more else "."),
        (seen.marks["techniques"],),
    )
