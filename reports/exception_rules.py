"""The rules about what should not happen at all, or not then, not from there, not so much at once.

They know no cluster, name or address of anybody: each compares with a threshold that is printed in the report. What
they cite is shown with its time, identity, address and events.
"""

from __future__ import annotations

from kubedossier.reports.frequency import bulk_reads, bursts
from kubedossier.reports.judgements import Rating
from kubedossier.reports.numbers import counted
from kubedossier.reports.observed import Observed
from kubedossier.reports.pieces import Part
from kubedossier.reports.rules import Rule, Verdict, rule
from kubedossier.reports.telling import values_listed, where_when


def _grave(name: str, kinds: tuple[str, ...], words: tuple[str, str, str], statement: str, what: str) -> Rule:
    """A rule by which any such change, not denied, is an exception; ``words`` are one, several and none."""
    method = f"Exception: {what}. What was denied does not count."

    @rule(name, section="privileged", statement=statement, method=method)
    def judged(seen: Observed) -> Verdict:
        acts = seen.grave.of_kind(kinds)
        bound = sorted(acts.details())
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
    "by anybody but the cluster\u2019s own components",
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
    "Kubernetes events, or an admission webhook or policy, were deleted by anybody but the cluster\u2019s own "
    "components",
)


@rule(
    "off-hours-newcomers",
    section="first-seen",
    statement="Nobody new acts with privileges outside office hours.",
    method=lambda limits: (
        f"Exception: a privileged action, not denied, outside office hours ({limits.office_hours.words()}), of an "
        "identity or from an address that the archive does not hold before the period."
    ),
)
def off_hours_newcomers(seen: Observed) -> Verdict | None:
    """Exception where a new identity, or somebody from a new address, used privileges outside office hours."""
    if not seen.previous_known:
        return None
    acts = seen.actions.of_newcomers().outside(seen.thresholds.office_hours)
    title = f"Newcomers took {counted(len(acts), 'privileged action')} outside office hours."
    return Verdict(
        "exception" if acts else "met",
        title if acts else "No newcomer used privileges outside office hours.",
        where_when(acts) or ("The record holds none.",),
        (seen.marks["first_seen_ips"], seen.marks["privileged_actions"]),
        acts=acts,
    )


@rule(
    "off-hours-secrets",
    section="privileged",
    statement="People read secrets in office hours.",
    method=lambda limits: (
        f"Review: a person\u2019s access to secrets, not denied, outside office hours ({limits.office_hours.words()})."
    ),
)
def off_hours_secrets(seen: Observed) -> Verdict:
    """Review where a person accessed secrets outside office hours."""
    acts = seen.actions.of_kind(("secret access",)).by(("human",)).outside(seen.thresholds.office_hours)
    number = counted(len(acts), "access to secrets", "accesses to secrets")
    return Verdict(
        "review" if acts else "met",
        f"{number} by people outside office hours." if acts else "No person accessed secrets outside office hours.",
        where_when(acts) or ("The record holds none.",),
        (seen.marks["privileged_actions"],),
        acts=acts,
        cites=False,
    )


def _marks(seen: Observed, before: str) -> tuple[str, ...]:
    """Where the actions stand, and where what they are compared with, if there is any."""
    return tuple(seen.marks[name] for name in ("privileged_actions", before) if name in seen.marks)


@rule(
    "bulk-secrets",
    section="privileged",
    statement="Nobody reads secrets in bulk who did not before.",
    method=lambda limits: (
        f"Exception: an identity read {limits.bulk_secrets.secrets} or more different secrets within "
        f"{counted(limits.bulk_secrets.within_minutes, 'minute')}, or a person listed those of all namespaces, and did "
        "not in the period before (Review where that was not recorded)."
    ),
)
def bulk_secrets(seen: Observed) -> Verdict:
    """Exception where somebody read many secrets at once who did not do so in the period before."""
    limits = seen.thresholds.bulk_secrets
    acts = bulk_reads(seen.actions, limits).without(seen.before.bulk_readers)
    rating: Rating = "met" if not acts else "exception" if seen.previous_known else "review"
    names = counted(len(acts.users()), "identity", "identities")
    return Verdict(
        rating,
        f"{names} read secrets in bulk." if acts else "No secrets were read in bulk that were not before.",
        where_when(acts)
        or (f"Nobody read {limits.secrets} different secrets within the time for it, for the first time.",),
        _marks(seen, "bulk_readers"),
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
    acts, number = bursts(seen.actions, seen.before.days, seen.thresholds.burst)
    return Verdict(
        "review" if acts else "met",
        f"{counted(number, 'burst')} of privileged actions."
        if acts
        else "No identity had a burst of privileged actions.",
        where_when(acts) or ("Each identity kept to its own usual day.",),
        _marks(seen, "privileged_counts"),
        acts=acts,
    )
