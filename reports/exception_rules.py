"""The rules about what should not happen at all, or not then, not from there, not so much at once.

They know no cluster, name or address of anybody: each compares with a threshold that is printed in the report. What
they cite is shown with its time, identity, address and events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from statistics import median

from kubedossier.analytics.thresholds import BulkSecrets
from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.judgements import Rating
from kubedossier.reports.numbers import counted
from kubedossier.reports.observed import Action, Observed
from kubedossier.reports.pieces import Part
from kubedossier.reports.rules import Rule, Verdict, rule
from kubedossier.reports.telling import values_listed, where_when


def _grave(name: str, kinds: tuple[str, ...], words: tuple[str, str, str], statement: str, what: str) -> Rule:
    """A rule by which any such change, not denied, is an exception; ``words`` are one, several and none."""
    method = f"Exception: {what}. What was denied does not count."

    @rule(name, section="privileged", statement=statement, method=method)
    def judged(seen: Observed) -> Verdict:
        acts = [one for one in seen.grave if one.kind in kinds and not one.denied]
        bound = sorted({one.detail for one in acts if one.detail})
        to = [name for role, *names in bound for name in names]
        text: list[Part] = [*where_when(acts)]
        if to:
            text += [" Bound to ", *values_listed(to), "."]
        return Verdict(
            "exception" if acts else "met",
            (words[0] if len(acts) == 1 else words[1].format(len(acts))) if acts else words[2],
            tuple(text) or ("The record holds none.",),
            (seen.marks["grave_changes"],),
            acts=acts,
        )

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


@rule(
    "off-hours-newcomers",
    section="first-seen",
    statement="Nobody new acts with privileges when nobody watches.",
    method=lambda limits: (
        f"Exception: a privileged action, not denied, outside office hours ({limits.office_hours.words()}), of an "
        "identity or from an address that the archive does not hold before the period."
    ),
)
def off_hours_newcomers(seen: Observed) -> Verdict | None:
    """Exception where a new identity, or somebody from a new address, used privileges outside office hours."""
    if not seen.previous_known:
        return None
    acts = [
        one for one in seen.actions if one.is_new and not one.denied and seen.thresholds.office_hours.excludes(one.time)
    ]
    number = counted(len(acts), "privileged action")
    return Verdict(
        "exception" if acts else "met",
        f"{number} of newcomers outside office hours." if acts else "No newcomer used privileges outside office hours.",
        where_when(acts) or ("The record holds none.",),
        (seen.marks["first_seen_ips"], seen.marks["privileged_actions"]),
        acts=acts,
    )


@rule(
    "off-hours-secrets",
    section="privileged",
    statement="People read secrets when others are at work.",
    method=lambda limits: (
        f"Review: a person's access to secrets, not denied, outside office hours ({limits.office_hours.words()})."
    ),
)
def off_hours_secrets(seen: Observed) -> Verdict:
    """Review where a person accessed secrets outside office hours."""
    hours = seen.thresholds.office_hours
    acts = [
        one
        for one in seen.actions
        if one.kind == "secret access"
        and not one.denied
        and user_kind(one.user) == "human"
        and hours.excludes(one.time)
    ]
    number = counted(len(acts), "access to secrets", "accesses to secrets")
    return Verdict(
        "review" if acts else "met",
        f"{number} by people outside office hours." if acts else "No person accessed secrets outside office hours.",
        where_when(acts) or ("The record holds none.",),
        (seen.marks["privileged_actions"],),
        acts=acts,
        cites=False,
    )


@rule(
    "bulk-secrets",
    section="privileged",
    statement="Secrets are read one by one, by whom they are for.",
    method=lambda limits: (
        f"Exception: an identity read {limits.bulk_secrets.secrets} or more different secrets within "
        f"{counted(limits.bulk_secrets.within_minutes, 'minute')}, or a person listed those of all namespaces, and did "
        "not in the period before (Review where that was not recorded)."
    ),
)
def bulk_secrets(seen: Observed) -> Verdict:
    """Exception where somebody read many secrets at once who did not do so in the period before."""
    limits = seen.thresholds.bulk_secrets
    known = {user for user, _ in _bulks(seen.actions_before, limits)}
    bulks = [(user, acts) for user, acts in _bulks(seen.actions, limits) if user not in known]
    acts = [act for _, of_user in bulks for act in of_user]
    rating: Rating = "met" if not acts else "exception" if seen.previous_known else "review"
    names = counted(len({user for user, _ in bulks}), "identity", "identities")
    return Verdict(
        rating,
        f"{names} read secrets in bulk." if acts else "No secrets were read in bulk that were not before.",
        where_when(acts)
        or (f"Nobody read {limits.secrets} different secrets within the time for it, for the first time.",),
        (seen.marks["privileged_actions"],),
        acts=acts,
    )


@rule(
    "burst",
    section="privileged",
    statement="Nobody suddenly uses privileges far more than usual.",
    method=lambda limits: (
        f"Review: {limits.burst.at_least} or more privileged actions of an identity on one day that are "
        f"{limits.burst.factor:g} times its median day with any, this period and the one before."
    ),
)
def burst(seen: Observed) -> Verdict:
    """Review where somebody's privileged actions of one day are far above that identity's own median day."""
    limits = seen.thresholds.burst
    days: Counter[tuple[str, object]] = Counter()
    for one in (*seen.actions, *seen.actions_before):
        days[one.user or "", one.time.date()] += 1
    usual: dict[str, list[int]] = {}
    for (user, _), number in days.items():
        usual.setdefault(user, []).append(number)
    acts = [
        one
        for one in seen.actions
        if (number := days[one.user or "", one.time.date()]) >= limits.at_least
        and len(usual[one.user or ""]) > 1
        and number >= limits.factor * median(usual[one.user or ""])
    ]
    return Verdict(
        "review" if acts else "met",
        f"{counted(len({(one.user, one.time.date()) for one in acts}), 'burst')} of privileged actions."
        if acts
        else "No identity had a burst of privileged actions.",
        where_when(acts) or ("Each identity kept to its own usual day.",),
        (seen.marks["privileged_actions"],),
        acts=acts,
    )


def _bulks(actions: Sequence[Action], limits: BulkSecrets) -> list[tuple[str, list[Action]]]:
    """The reads of secrets of everybody who read many within the time, or, as a person, listed all."""
    reads: dict[str, list[Action]] = {}
    for one in actions:
        if one.kind == "secret access" and not one.denied:
            reads.setdefault(one.user or "", []).append(one)
    return [(user, acts) for user, of_user in sorted(reads.items()) if (acts := _bulk(user, of_user, limits))]


def _bulk(user: str, reads: list[Action], limits: BulkSecrets) -> list[Action]:
    within = timedelta(minutes=limits.within_minutes)
    found: dict[str, Action] = {}
    start = 0
    held: Counter[tuple[str | None, str]] = Counter()
    for end, one in enumerate(reads):
        held[one.cluster, one.target] += 1
        while one.time - reads[start].time >= within:
            first = reads[start]
            held[first.cluster, first.target] -= 1
            held += Counter()
            start += 1
        if len(held) >= limits.secrets:
            found |= {act.event_id: act for act in reads[start : end + 1]}
        if one.target == "secrets" and one.action == "list" and user_kind(user) == "human":
            found[one.event_id] = one
    return list(found.values())
