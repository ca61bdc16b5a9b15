"""The rules that rate a period: few, named, each with its thresholds in words beside its code.

A rule reads counts that the report shows anyway and gives a verdict, or None where it has nothing to judge. It
proposes; the decision is the reviewer's. No rule may say that a control is complied with: evidence supports a
statement, partly supports it, or does not evidence it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubedossier.analytics.figures import MISSING, NOT_YET
from kubedossier.analytics.thresholds import ABOUT_THE_RECORD, Thresholds, settings
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
    off_hours_newcomers,
    off_hours_secrets,
    wide_rights,
)
from kubedossier.reports.judgements import Finding, KnownIdentity, Rating, RuleNote
from kubedossier.reports.observed import Observed
from kubedossier.reports.record_rules import accounting, completeness, failing_snapshots, integrity, population
from kubedossier.reports.rules import Rule, supported_in_part
from kubedossier.reports.volume_rules import denied, silent_clusters, vocabulary, volume

RATINGS: tuple[Rating, ...] = ("exception", "review", "met")
RULES: tuple[Rule, ...] = (
    completeness,
    failing_snapshots,
    accounting,
    population,
    integrity,
    wide_rights,
    impaired_defences,
    off_hours_newcomers,
    off_hours_secrets,
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
_HOURS = ("off-hours-newcomers", "off-hours-secrets")


def judge(seen: Observed) -> tuple[Finding, ...]:
    """Every rule's finding, exceptions first, then in the order of the rules.

    What was not found in a record with holes is supported only in part, and where nothing was recorded at all there
    is nothing to judge but the record itself.
    """
    found = [one for rule in RULES if (one := rule(seen)) is not None]
    if set(seen.days.column("state")) <= {MISSING, NOT_YET}:
        found = [one for one in found if one.rule in ABOUT_THE_RECORD]
    if found[0].rating != "met":
        found = [
            supported_in_part(one) if one.rating == "met" and one.rule not in ABOUT_THE_RECORD else one for one in found
        ]
    return tuple(sorted(found, key=lambda one: RATINGS.index(one.rating)))


def explained(limits: Thresholds) -> tuple[RuleNote, ...]:
    """Every rule with its thresholds in words, and what the configuration changes about it."""
    return tuple(RuleNote(one.name, one.statement, one.method(limits), _changes(one.name, limits)) for one in RULES)


def known_identities(limits: Thresholds, found: Sequence[Finding]) -> tuple[KnownIdentity, ...]:
    """The identities that the configuration knows, each with the number of its actions that its rules left aside."""
    aside = {(one.rule, user): number for one in found for user, number in one.aside}
    return tuple(
        KnownIdentity(one.identity, one.reason, tuple((rule, aside.get((rule, one.identity), 0)) for rule in one.rules))
        for one in limits.known
    )


def _changes(rule: str, limits: Thresholds) -> tuple[str, ...]:
    tables = ("office-hours",) if rule in _HOURS else (rule,)
    words = [
        f"{one.key} = {_said(one.value)} (default {_said(one.default)})"
        for table in tables
        for one in settings(limits, table)
        if one.value != one.default
    ]
    severity = limits.severity_of(rule)
    if severity == "off":
        return ("turned off, not judged", *words)
    return (f"rated {severity} where it applies", *words) if severity else tuple(words)


def _said(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
