"""The rules that rate a period: few, named, each with its threshold in words beside its code.

A rule reads counts that the report shows anyway and returns a finding, or None where it has nothing to judge. It
proposes; the decision is the reviewer's. No rule may say that a control is complied with: evidence supports a
statement, partly supports it, or does not evidence it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from kubedossier.analytics.figures import COLLECTED, DROPPED, IMPORTED, MISSING, PARTIAL, Figure
from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.model import Finding, Part, Phrase, Rating, Support, Value
from kubedossier.reports.numbers import counted, days_listed, listed, percent, short_day

DENIED_SHARE = 0.10
DENIED_GROWTH = 2.0
DENIED_MINIMUM = 20
VOLUME_CHANGE = 0.5
SILENT_DAYS = 3
NAMES_SHOWN = 3
ELEVATED = ("impersonation", "privileged container", "kubelet access", "certificate approval")

_SUPPORT: dict[Rating, Support] = {
    "met": "supports",
    "review": "partly supports",
    "exception": "not evidenced",
}
RATINGS: tuple[Rating, ...] = ("exception", "review", "met")


@dataclass(frozen=True, slots=True)
class Action:
    """One privileged action, as far as a rule looks at it."""

    time: datetime
    user: str | None
    kind: str
    cluster: str | None
    decision: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """All counts that the rules read.

    Attributes:
        days: coverage of every day of the period; clusters: the calendar by cluster; both may cover whole weeks.
        denied, previous_events, previous_denied: requests; previous_known: whether the period before was recorded.
        anonymous_allowed: requests of anonymous callers that were served, but for health and version paths.
        received, new, duplicate, rejected, skipped: of all runs that touch the period, whole runs.
        unstable_windows: windows read again and still changing; windows: all of the period.
        marks: evidence mark by topic.
    """

    days: Figure
    clusters: Figure
    events: int
    denied: int
    previous_events: int
    previous_denied: int
    previous_known: bool
    previous_title: str
    actions: Sequence[Action]
    anonymous_allowed: int
    received: int
    new: int
    duplicate: int
    rejected: int
    skipped: int
    windows: int
    unstable_windows: int
    unknown_techniques: tuple[str, ...]
    marks: dict[str, str]


def judge(seen: Observed) -> tuple[Finding, ...]:
    """Every rule's finding, exceptions first, then in the order of the rules."""
    found = [finding for rule in RULES if (finding := rule(seen)) is not None]
    return tuple(sorted(found, key=lambda finding: RATINGS.index(finding.rating)))


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
        title = f"The record is complete on {collected} of {counted(total, 'day')}."
        words = {
            DROPPED: "The Console may have dropped events before they were read on {}.",
            MISSING: "Nothing was collected on {}.",
            PARTIAL: "Collected in part: {}.",
            IMPORTED: "Imported from files, so that completeness is not attested: {}.",
        }
        text = " ".join(words[state].format(days_listed(by_state[state])) for state in words if state in by_state)
    return _finding(
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
    return _finding(
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
    return _finding(
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


def anonymous(seen: Observed) -> Finding:
    """Exception where an anonymous caller was served."""
    number = seen.anonymous_allowed
    text = f"{counted(number, 'request')} of system:anonymous {'was' if number == 1 else 'were'} not denied."
    return _finding(
        "anonymous", "exception" if number else "met",
        "Anonymous callers were served." if number else "No anonymous caller was served.",
        (text if number else "Health and version paths, which clusters open to everybody, are left aside.",),
        "privileged", (seen.marks["anonymous_requests"],),
        statement="Nobody is served without an identity.",
        method="Exception: a request of system:anonymous was not denied, health and version paths aside. Met otherwise.",
    )  # fmt: skip


def _by_people(
    kinds: tuple[str, ...], rule: str, noun: str, plural: str, none: str, statement: str
) -> Callable[[Observed], Finding]:
    """A rule that asks for a review of what people did, and names who did most of it."""

    def judged(seen: Observed) -> Finding:
        acts = [one for one in seen.actions if one.kind in kinds and user_kind(one.user) == "human"]
        machines = sum(one.kind in kinds for one in seen.actions) - len(acts)
        text: list[Part] = [*_who_when(acts)]
        if machines:
            verb = "was" if machines == 1 else "were"
            text.append(f"{' Another ' if acts else ''}{machines:,} {verb} of service accounts and nodes.")
        elif not acts:
            text.append("Nor did any service account.")
        return _finding(
            rule, "review" if acts else "met",
            f"{counted(len(acts), noun, plural)} by people." if acts else none,
            tuple(text), "privileged", (seen.marks["privileged"],),
            statement=statement,
            method=f"Review: people\u2019s actions of the kind {listed(list(kinds))}. Met: none in the record.",
        )  # fmt: skip

    return judged


def elevated(seen: Observed) -> Finding:
    """Review where anybody impersonated somebody, or started a privileged container."""
    kinds = Counter(one.kind for one in seen.actions if one.kind in ELEVATED)
    acts = [one for one in seen.actions if one.kind in kinds]
    words = listed([f"{number:,} {kind}" for kind, number in sorted(kinds.items())])
    text: Phrase = (f"{words}. ", *_who_when(acts)) if acts else ("The record holds none.",)
    return _finding(
        "elevated", "review" if acts else "met",
        "Elevated rights were used." if acts else "No elevated rights were used.",
        text, "privileged", (seen.marks["privileged"],),
        statement="Use of elevated rights is known and approved.",
        method=f"Review: actions of the kind {listed(list(ELEVATED))}, of any identity. Met: none in the record.",
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
    return _finding(
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
    return _finding(
        "volume", "review" if review else "met",
        f"Activity {'rose' if ratio > 0 else 'fell'} by {percent(abs(ratio))}." if review else "Activity is in the usual range.",
        (f"{counted(seen.events, 'event')} against {seen.previous_events:,} in {seen.previous_title}.",),
        "activity", (seen.marks["activity"],),
        statement="Activity stays in the usual range.",
        method=f"Review: {percent(VOLUME_CHANGE)} more or fewer events than in the period before. Met otherwise.",
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
    return _finding(
        "silent-clusters", "review" if silent else "met",
        f"{counted(len(silent), 'cluster')} fell silent." if silent else "Clusters reported to the end.",
        (*names, f"{more}.") if silent else (spoke,),
        "completeness", (seen.marks["clusters"],),
        statement="Every cluster keeps reporting.",
        method=f"Review: a cluster had events in the period and none on its last {SILENT_DAYS} days, though these were "
        "collected. Met: every cluster whose last days were collected had some.",
    )  # fmt: skip


def vocabulary(seen: Observed) -> Finding | None:
    """Review where the source used techniques that the bundled table does not know."""
    if not seen.unknown_techniques:
        return None
    names = [Value(name) for name in seen.unknown_techniques[:NAMES_SHOWN]]
    text: list[Part] = [part for name in names for part in (name, ", ")][:-1]
    more = len(seen.unknown_techniques) - len(names)
    return _finding(
        "vocabulary", "review", f"{counted(len(seen.unknown_techniques), 'technique')} without a known meaning.",
        (*text, f" and {more} more." if more else "."), "techniques", (seen.marks["techniques"],),
        statement="Every technique is mapped to a tactic.",
        method="Review: the record names techniques that this version does not know; they count, without a tactic.",
    )  # fmt: skip


RULES: tuple[Callable[[Observed], Finding | None], ...] = (
    completeness,
    accounting,
    population,
    anonymous,
    _by_people(
        ("rbac change",), "role-changes", "change of roles or bindings", "changes of roles or bindings",
        "No person changed roles or bindings.",
        "Changes of access rights are known and approved.",
    ),
    _by_people(
        ("secret access",), "secret-access", "access to secrets", "accesses to secrets",
        "No person accessed secrets.",
        "Access to secrets by people is known and approved.",
    ),
    _by_people(
        ("exec", "debug container", "port forward"), "interactive-access", "interactive session",
        "interactive sessions", "No person opened a session in a container.",
        "Interactive access to containers is known and approved.",
    ),
    elevated,
    silent_clusters,
    denied,
    volume,
    vocabulary,
)  # fmt: skip


def _who_when(acts: Sequence[Action]) -> Phrase:
    """``By a (12), b (3) and 2 others; first on 3 Oct, last on 22 Oct.``"""
    if not acts:
        return ()
    users = Counter(one.user or "" for one in acts)
    ranked = sorted(users.items(), key=lambda item: (-item[1], item[0]))
    names: list[Part] = ["By "]
    for index, (user, number) in enumerate(ranked[:NAMES_SHOWN]):
        names += [", " if index else "", Value(user), f" ({number:,})"]
    others = len(ranked) - NAMES_SHOWN
    names.append(f" and {counted(others, 'other')}" if others > 0 else "")
    first, last = min(one.time for one in acts).date(), max(one.time for one in acts).date()
    when = f"on {short_day(first)}" if first == last else f"from {short_day(first)} to {short_day(last)}"
    return (*names, f", {when}.")


def _finding(
    rule: str, rating: Rating, title: str, text: Phrase, section: str, marks: tuple[str, ...], *, statement: str, method: str
) -> Finding:
    return Finding(rule, rating, title, text, statement, _SUPPORT[rating], method, section, marks)
