"""What a rule is: a name, a statement that the evidence may support, the words of its thresholds, and its judgement.

A rule proposes; the decision is the reviewer's. What the configuration changes about it (a threshold, its rating, an
identity that it leaves aside) is said in the report wherever it makes a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kubedossier.analytics.thresholds import Thresholds
from kubedossier.reports.actions import Actions
from kubedossier.reports.event_ids import NO_EVENTS
from kubedossier.reports.judgements import Finding, Rating, Support
from kubedossier.reports.numbers import counted
from kubedossier.reports.observed import Observed
from kubedossier.reports.pieces import Phrase

_SUPPORT: dict[Rating, Support] = {
    "met": "supports",
    "review": "partly supports",
    "exception": "not evidenced",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule found.

    Attributes:
        marks: the evidence that it read.
        acts: the actions that the rating rests on; None for a rule that is about none.
        cites: whether the events of these actions are named in the finding.
    """

    rating: Rating
    title: str
    text: Phrase
    marks: tuple[str, ...]
    acts: Actions | None = None
    cites: bool = True


Judge = Callable[[Observed], Verdict | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the findings.

    Attributes:
        name: stable, such as ``wide-rights``.
        statement: what it tests, as a statement.
        section: id of the section to read on.
        method: when it gives which rating, in words, with its thresholds.
        judge: None where it has nothing to judge.
    """

    name: str
    statement: str
    section: str
    method: Callable[[Thresholds], str]
    judge: Judge

    def __call__(self, seen: Observed) -> Finding | None:
        """The finding, by the thresholds of what was seen; None where the rule is off or has nothing to judge."""
        limits = seen.thresholds
        severity = limits.severity_of(self.name)
        verdict = None if severity == "off" else self.judge(seen)
        if verdict is None:
            return None
        known = limits.known_to(self.name)
        aside = {user: number for user, number in _users(verdict).items() if user in known}
        if aside:
            verdict = self.judge(seen.without(known)) or verdict
        rating: Rating = severity if severity in ("exception", "review") and verdict.rating != "met" else verdict.rating
        return Finding(
            rule=self.name,
            rating=rating,
            title=verdict.title,
            text=(*verdict.text, *_left_aside(sum(aside.values()))),
            statement=self.statement,
            support=_SUPPORT[rating],
            method=self.method(limits),
            section=self.section,
            marks=verdict.marks,
            events=verdict.acts.events() if verdict.acts is not None and verdict.cites else NO_EVENTS,
            aside=tuple(sorted(aside.items())),
        )


def rule(
    name: str, *, section: str, statement: str, method: str | Callable[[Thresholds], str]
) -> Callable[[Judge], Rule]:
    """Make a rule of the function that judges; ``method`` is text, or makes it of the thresholds."""
    words = method if callable(method) else lambda _: method
    return lambda judge: Rule(name, statement, section, words, judge)


def _users(verdict: Verdict) -> Mapping[str, int]:
    return {} if verdict.acts is None else verdict.acts.users()


def supported_in_part(finding: Finding) -> Finding:
    """The finding as a record with holes allows it."""
    return replace(finding, support="partly supports")


def _left_aside(number: int) -> Phrase:
    if not number:
        return ()
    verb = "was" if number == 1 else "were"
    return (f" Another {counted(number, 'action')} of identities that the configuration knows {verb} left aside.",)
