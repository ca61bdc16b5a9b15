"""How far this record supports each control of the chosen catalogues.

A catalogue says the most that such a record can do for a control. This module may lower that, where the record has
holes, and never raise it; it gives no opinion on anybody's controls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kubedossier.reports.judgements import Finding, Framework, Mapped, Mapping
from kubedossier.reports.numbers import NO_BREAK

CONTROLS_SHOWN = 4
RECORD_RULES = ("completeness", "accounting", "population")


def mapped(
    chosen: Sequence[Framework], findings: Sequence[Finding], marks: dict[str, str], sections: Sequence[str]
) -> tuple[Mapping, ...]:
    """How far the record supports each control of the frameworks.

    Args:
        chosen: the frameworks.
        findings: of the period.
        marks: the evidence mark of each query.
        sections: ids of the report's sections, in their order.
    """
    whole = all(one.rating == "met" for one in findings if one.rule in RECORD_RULES)
    rules = {one.rule: one for one in findings}
    tables = []
    for of in chosen:
        rows = tuple(
            Mapped(
                id=one.id,
                title=one.title,
                shows=one.shows,
                sections=tuple(sorted(one.sections, key=sections.index)),
                marks=tuple(sorted((marks[query] for query in one.queries if query in marks), key=_number)),
                support=one.support if whole or one.support == "not evidenced" else "partly supports",
                cannot=one.cannot,
                open_rules=tuple(
                    (rules[rule].rating, rule) for rule in one.rules if rule in rules and rules[rule].rating != "met"
                ),
                confidence=one.confidence,
            )
            for one in of.controls
        )
        tables.append(Mapping(of.id, of.name, of.title, of.version, of.source, rows))
    return tuple(tables)


def with_controls(findings: Sequence[Finding], chosen: Sequence[Framework]) -> tuple[Finding, ...]:
    """The findings, each with the controls of the frameworks that it bears on."""
    bearing: dict[str, list[str]] = {}
    for of in chosen:
        for one in of.controls:
            for rule in one.rules:
                bearing.setdefault(rule, []).append(f"{of.name} {one.id}" if len(chosen) > 1 else one.id)
    return tuple(replace(one, controls=tuple(bearing.get(one.rule, ()))) for one in findings)


def controls_listed(controls: Sequence[str], frameworks: Sequence[str]) -> str:
    """The first controls that a finding bears on, and how many more: ``SOC 2 CC6.1, CC6.2; HIPAA 164.312(b)``.

    A framework is named once. No line ends within its name, or within the id of a control.

    Args:
        controls: of a finding, as ``with_controls`` names them.
        frameworks: names of those that the report maps to.
    """
    groups: dict[str, list[str]] = {}
    for control in controls[:CONTROLS_SHOWN]:
        of = max((one for one in frameworks if control.startswith(f"{one} ")), key=len, default="")
        groups.setdefault(of, []).append(control.removeprefix(of).strip().replace(" ", NO_BREAK))
    named = [f"{of.replace(' ', NO_BREAK)} {', '.join(ids)}".strip() for of, ids in groups.items()]
    more = len(controls) - CONTROLS_SHOWN
    return "; ".join(named) + (f" and {more}{NO_BREAK}more" if more > 0 else "")


def _number(mark: str) -> int:
    return int(mark[1:])
