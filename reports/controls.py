"""The control catalogues, and how far this record supports each control of the chosen ones.

A catalogue holds ids and short titles, never the text of a standard. For each control it names the sections and queries
that bear on it, the most that such a record can do for it, and what it cannot show. This module may lower that, where
the record has holes, and never raise it; it gives no opinion on anybody's controls.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from kubedossier.analytics.errors import UsageError
from kubedossier.reports.judgements import Finding, Mapped, Mapping, Support

FRAMEWORKS = (
    "soc2", "pci-dss", "iso27001", "nist-800-53", "hipaa", "cis-kubernetes", "dora", "nis2", "fedramp",
)  # fmt: skip
RECORD_RULES = ("completeness", "accounting", "population")


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a catalogue.

    Attributes:
        shows: what of it the record shows; cannot: what it does not.
        sections: ids of the report's sections; queries: names of what was asked; rules: of the findings on it.
        support: the most that a record without holes does for it.
        confidence: how sure the catalogue is that the control asks for this, ``high``, ``medium`` or ``low``.
    """

    id: str
    title: str
    shows: str
    sections: tuple[str, ...]
    queries: tuple[str, ...]
    rules: tuple[str, ...]
    support: Support
    cannot: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Framework:
    """A control catalogue with its version and source."""

    id: str
    name: str
    title: str
    version: str
    source: str
    controls: tuple[Control, ...]


@cache
def framework(name: str) -> Framework:
    """A catalogue of the package.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in FRAMEWORKS:
        near = difflib.get_close_matches(name, FRAMEWORKS, n=1)
        raise UsageError(
            f"There is no control framework '{name}'",
            hint=f"Did you mean {near[0]}?" if near else f"One of {', '.join(FRAMEWORKS)}.",
        )
    text = resources.files("kubedossier.reports").joinpath("frameworks", f"{name}.toml").read_text("utf-8")
    held = tomllib.loads(text)
    listed = ("sections", "queries", "rules")
    rows: list[dict[str, Any]] = held.pop("control")
    controls = tuple(Control(**one | {key: tuple(one[key]) for key in listed}) for one in rows)
    return Framework(**held, controls=controls)


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Names of frameworks from words that may hold commas, each once, in the order given.

    Raises:
        UsageError: one of them does not exist.
    """
    words = [word.strip().lower() for name in names for word in name.split(",")]
    found = tuple(dict.fromkeys(word for word in words if word))
    for name in found:
        framework(name)
    return found


def mapped(names: Sequence[str], findings: Sequence[Finding], marks: dict[str, str]) -> tuple[Mapping, ...]:
    """How far the record supports each control of the frameworks; ``marks`` is the evidence mark of each query."""
    whole = all(one.rating == "met" for one in findings if one.rule in RECORD_RULES)
    rules = {one.rule: one for one in findings}
    tables = []
    for name in names:
        of = framework(name)
        rows = tuple(
            Mapped(
                id=one.id,
                title=one.title,
                shows=one.shows,
                sections=one.sections,
                marks=tuple(marks[query] for query in one.queries if query in marks),
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


def with_controls(findings: Sequence[Finding], names: Sequence[str]) -> tuple[Finding, ...]:
    """The findings, each with the controls of the frameworks that it bears on."""
    bearing: dict[str, list[str]] = {}
    for name in names:
        of = framework(name)
        for one in of.controls:
            for rule in one.rules:
                bearing.setdefault(rule, []).append(f"{of.name} {one.id}" if len(names) > 1 else one.id)
    return tuple(replace(one, controls=tuple(bearing.get(one.rule, ()))) for one in findings)
