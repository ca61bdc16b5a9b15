"""The rules about what should not happen at all, or not then, not from there, not so much at once.

They know no cluster, name or address of anybody: each compares with a threshold that stands here and is printed in the
report. What they cite is shown with its time, identity, address and events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median

from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.judgements import Finding, Rating
from kubedossier.reports.numbers import counted, listed, short_day
from kubedossier.reports.observed import NAMES_SHOWN, Action, Observed, finding
from kubedossier.reports.pieces import Part, Phrase, Value

OFFICE_OPENS, OFFICE_CLOSES = 6, 20
"""Office hours, Monday to Friday, UTC: wide, since offices lie in several zones."""
BULK_SECRETS = 10
BULK_WITHIN = timedelta(hours=1)
BURST_FACTOR = 5
BURST_MINIMUM = 20
OFFICE = f"Monday to Friday, {OFFICE_OPENS:02}:00 to {OFFICE_CLOSES:02}:00 UTC"


def integrity(seen: Observed) -> Finding:
    """Review where the ledger tells of a restored backup or of a run taken back; a damaged file makes no report."""
    parts = [
        *([f"{counted(seen.rollbacks, 'restored backup')} accepted"] if seen.rollbacks else []),
        *([f"{counted(seen.retracted, 'run')} taken back"] if seen.retracted else []),
    ]
    checked = f"{counted(seen.files_checked, 'file')} of events had the SHA-256 that the ledger says."
    return finding(
        "integrity", "review" if parts else "met",
        f"The ledger tells of {listed(parts)}." if parts else "The archive is as its ledger says.",
        (checked,), "manifest", (seen.marks["receipts"],),
        statement="Nothing was changed since receipt.",
        method="No report is made where a file or the chain of the ledger is damaged. Review: a backup was restored, "
        "or a run taken back. Met otherwise.",
    )  # fmt: skip


def _grave(
    rule: str, kinds: tuple[str, ...], words: tuple[str, str, str], statement: str, what: str
) -> Callable[[Observed], Finding]:
    """A rule by which any such change, not denied, is an exception; ``words`` are one, several and none."""

    def judged(seen: Observed) -> Finding:
        acts = [one for one in seen.grave if one.kind in kinds and not one.denied]
        bound = sorted({one.detail for one in acts if one.detail})
        to = [name for role, *names in bound for name in names]
        text: list[Part] = [*where_when(acts)]
        if to:
            text += [" Bound to ", *_values(to), "."]
        return finding(
            rule, "exception" if acts else "met",
            (words[0] if len(acts) == 1 else words[1].format(len(acts))) if acts else words[2],
            tuple(text) or ("The record holds none.",), "privileged", (seen.marks["grave_changes"],),
            statement=statement, method=f"Exception: {what}, and was not denied. Met: none in the record.", acts=acts,
        )  # fmt: skip

    return judged


wide_rights = _grave(
    "wide-rights",
    ("cluster-admin bound", "rights for everybody", "wildcard role"),
    (
        "Rights over everything were granted.",
        "Rights over everything were granted {:,} times.",
        "Nobody was granted rights over everything.",
    ),
    "Nobody is given rights over everything, and everybody none.",
    "cluster-admin was bound, rights were bound to everybody, or a role with all verbs on all resources was written, "
    "by anybody but the cluster's own components",
)
impaired_defences = _grave(
    "impaired-defences",
    ("events deleted", "webhook deleted"),
    (
        "A trace or a guard was removed.",
        "Traces or guards were removed {:,} times.",
        "No trace and no guard was removed.",
    ),
    "What records and what guards the clusters stays in place.",
    "Kubernetes events, or an admission webhook or policy, were deleted by anybody but the cluster's own components",
)


def off_hours_newcomers(seen: Observed) -> Finding | None:
    """Exception where a new identity, or somebody from a new address, used privileges outside office hours."""
    if not seen.previous_known:
        return None
    acts = [one for one in seen.actions if one.is_new and not one.denied and is_off_hours(one.time)]
    number = counted(len(acts), "privileged action")
    return finding(
        "off-hours-newcomers", "exception" if acts else "met",
        f"{number} of newcomers outside office hours." if acts else "No newcomer used privileges outside office hours.",
        where_when(acts) or ("The record holds none.",), "first-seen",
        (seen.marks["first_seen_ips"], seen.marks["privileged_actions"]),
        statement="Nobody new acts with privileges when nobody watches.",
        method=f"Exception: a privileged action, not denied, outside office hours ({OFFICE}), of an identity or from "
        "an address that the archive does not hold before the period. Met: none in the record.",
        acts=acts,
    )  # fmt: skip


def bulk_secrets(seen: Observed) -> Finding:
    """Exception where somebody read many secrets at once who did not do so in the period before."""
    known = {user for user, _ in _bulks(seen.actions_before)}
    bulks = [(user, acts) for user, acts in _bulks(seen.actions) if user not in known]
    acts = [act for _, of_user in bulks for act in of_user]
    rating: Rating = "met" if not acts else "exception" if seen.previous_known else "review"
    names = counted(len({user for user, _ in bulks}), "identity", "identities")
    return finding(
        "bulk-secrets", rating,
        f"{names} read secrets in bulk." if acts else "No secrets were read in bulk that were not before.",
        where_when(acts) or (f"Nobody read {BULK_SECRETS} different secrets within an hour for the first time.",),
        "privileged", (seen.marks["privileged_actions"],),
        statement="Secrets are read one by one, by whom they are for.",
        method=f"Exception: an identity read {BULK_SECRETS} or more different secrets within an hour, or a person "
        "listed those of all namespaces, and did not in the period before (Review where that was not recorded). "
        "Met otherwise.",
        acts=acts,
    )  # fmt: skip


def burst(seen: Observed) -> Finding:
    """Review where somebody's privileged actions of one day are far above that identity's own median day."""
    days: Counter[tuple[str, object]] = Counter()
    for one in (*seen.actions, *seen.actions_before):
        days[one.user or "", one.time.date()] += 1
    usual: dict[str, list[int]] = {}
    for (user, _), number in days.items():
        usual.setdefault(user, []).append(number)
    acts = [
        one
        for one in seen.actions
        if (number := days[one.user or "", one.time.date()]) >= BURST_MINIMUM
        and len(usual[one.user or ""]) > 1
        and number >= BURST_FACTOR * median(usual[one.user or ""])
    ]
    return finding(
        "burst", "review" if acts else "met",
        f"{counted(len({(one.user, one.time.date()) for one in acts}), 'burst')} of privileged actions."
        if acts
        else "No identity had a burst of privileged actions.",
        where_when(acts) or ("Each identity kept to its own usual day.",), "privileged",
        (seen.marks["privileged_actions"],),
        statement="Nobody suddenly uses privileges far more than usual.",
        method=f"Review: {BURST_MINIMUM} or more privileged actions of an identity on one day that are "
        f"{BURST_FACTOR} times its median day with any, this period and the one before. Met otherwise.",
        acts=acts,
    )  # fmt: skip


def is_off_hours(time: datetime) -> bool:
    """Whether a time, UTC, lies outside office hours."""
    return time.weekday() >= 5 or not OFFICE_OPENS <= time.hour < OFFICE_CLOSES


def _bulks(actions: Sequence[Action]) -> list[tuple[str, list[Action]]]:
    """The reads of secrets of everybody who read many within an hour, or, as a person, listed all."""
    reads: dict[str, list[Action]] = {}
    for one in actions:
        if one.kind == "secret access" and not one.denied:
            reads.setdefault(one.user or "", []).append(one)
    return [(user, acts) for user, of_user in sorted(reads.items()) if (acts := _bulk(user, of_user))]


def _bulk(user: str, reads: list[Action]) -> list[Action]:
    found: dict[str, Action] = {}
    start = 0
    held: Counter[tuple[str | None, str]] = Counter()
    for end, one in enumerate(reads):
        held[one.cluster, one.target] += 1
        while one.time - reads[start].time >= BULK_WITHIN:
            first = reads[start]
            held[first.cluster, first.target] -= 1
            held += Counter()
            start += 1
        if len(held) >= BULK_SECRETS:
            found |= {act.event_id: act for act in reads[start : end + 1]}
        if one.target == "secrets" and one.action == "list" and user_kind(user) == "human":
            found[one.event_id] = one
    return list(found.values())


def where_when(acts: Iterable[Action]) -> Phrase:
    """Who did what, when and from where: ``Sat 17 Oct 22:46 to 23:26 a from 203.0.113.7 on c: 4 exec; ...``."""
    groups: dict[tuple[str, tuple[str, ...], str], list[Action]] = {}
    for one in acts:
        groups.setdefault((one.user or "", one.addresses, one.cluster or ""), []).append(one)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[1][0].time, item[0]))
    text: list[Part] = []
    for (user, addresses, cluster), of_group in sorted(ranked[:NAMES_SHOWN], key=lambda item: item[1][0].time):
        kinds = Counter(one.kind for one in of_group)
        what = listed([f"{number:,}\u00a0{kind}" for kind, number in sorted(kinds.items())])
        text += [f"{'; ' if text else ''}{_span(of_group)}: ", Value(user)]
        text += [" from ", *_values(addresses)] if addresses else []
        text += [" on ", Value(cluster)] if cluster else []
        text.append(f", {what}")
    others = len(groups) - NAMES_SHOWN
    if others > 0:
        number = sum(len(of_group) for _, of_group in ranked[NAMES_SHOWN:])
        text.append(f"; and {counted(number, 'action')} from {counted(others, 'other place')}")
    return (*text, ".") if text else ()


def _values(names: Iterable[str]) -> list[Part]:
    shown = list(dict.fromkeys(names))
    parts: list[Part] = []
    for name in shown[:NAMES_SHOWN]:
        parts += [", " if parts else "", Value(name)]
    if len(shown) > NAMES_SHOWN:
        parts.append(f" and {len(shown) - NAMES_SHOWN} more")
    return [part for part in parts if part]


def _span(acts: Sequence[Action]) -> str:
    first, last = min(one.time for one in acts), max(one.time for one in acts)
    head = f"{first:%a} {short_day(first.date())} {first:%H:%M}"
    if first.date() != last.date():
        return f"{head} to {last:%a} {short_day(last.date())} {last:%H:%M}"
    return head if f"{first:%H:%M}" == f"{last:%H:%M}" else f"{head} to {last:%H:%M}"
