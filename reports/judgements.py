"""What is judged: findings with what was decided about them, and controls with how far the record supports each.

The words are "supports", "partly supports" and "not evidenced"; nothing here may say that somebody complies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from kubedossier.reports.event_ids import NO_EVENTS, EventIds
from kubedossier.reports.pieces import Phrase

Rating = Literal["exception", "review", "met"]
Support = Literal["supports", "partly supports", "not evidenced"]


@dataclass(frozen=True, slots=True)
class Disposition:
    """A decision about a finding, as the ledger holds it; all texts are an operator's.

    Attributes:
        outcome: such as ``accepted``; entry: number of the ledger entry; at: its time; by: who recorded it.
        expires: first day on which it no longer counts; None where it does not end.
        state: ``current``; ``expired``; or ``changed since``, where the finding rests on something else by now.
    """

    outcome: str
    reason: str
    ticket: str
    expires: date | None
    by: str
    entry: int
    at: datetime
    state: Literal["current", "expired", "changed since"]

    @property
    def is_current(self) -> bool:
        """Whether it still holds."""
        return self.state == "current"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one rule.

    Attributes:
        rule: stable id of the rule, such as ``completeness``.
        statement: what the rule tests, as a statement that the evidence may support.
        support: how far this record supports the statement.
        method: when the rule gives which rating, with its threshold.
        section: id of the section to read on.
        events: the events it cites.
        id: names the finding in the ledger, such as ``2026-10/denied``; the same as long as rule and period are.
        basis: SHA-256 of what the rating rests on, hex; another one means that the finding is no longer the same.
        controls: the controls of the chosen frameworks it bears on, such as ``SOC 2 CC6.3``.
        aside: identities that the configuration knows, each with the number of its actions that were left aside.
        disposition: what was decided about it; None where nothing was.
    """

    rule: str
    rating: Rating
    title: str
    text: Phrase
    statement: str
    support: Support
    method: str
    section: str
    marks: tuple[str, ...]
    events: EventIds = NO_EVENTS
    id: str = ""
    basis: str = ""
    controls: tuple[str, ...] = ()
    aside: tuple[tuple[str, int], ...] = ()
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True)
class RuleNote:
    """A rule as the report explains it, whether it judged or not.

    Attributes:
        method: when it gives which rating, with its thresholds.
        changed: what the configuration changes, such as ``share = 0.2 (default 0.1)``.
    """

    name: str
    statement: str
    method: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownIdentity:
    """An identity that rules leave aside: who, why, and how many of its actions by rule."""

    identity: str
    reason: str
    aside: tuple[tuple[str, int], ...]


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


@dataclass(frozen=True, slots=True)
class Mapped:
    """One control, and how far this record supports it; ``open_rules`` are rating and name of findings on it."""

    id: str
    title: str
    shows: str
    sections: tuple[str, ...]
    marks: tuple[str, ...]
    support: Support
    cannot: str
    open_rules: tuple[tuple[Rating, str], ...]
    confidence: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """A framework with its version, its source, and its controls."""

    id: str
    name: str
    title: str
    version: str
    source: str
    controls: tuple[Mapped, ...]
