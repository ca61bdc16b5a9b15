"""What the rules look at, and how a finding is made of what they see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from kubedossier.analytics.figures import Figure
from kubedossier.reports.model import Finding, Phrase, Rating, Support

_SUPPORT: dict[Rating, Support] = {
    "met": "supports",
    "review": "partly supports",
    "exception": "not evidenced",
}
NAMES_SHOWN = 3
"""Names printed in a finding; the others are counted."""


@dataclass(frozen=True, slots=True)
class Action:
    """One privileged action, as far as a rule looks at it.

    ``is_new``: of an identity, or from an address, that the archive does not hold before the period.
    """

    time: datetime
    user: str | None
    kind: str
    cluster: str | None
    denied: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """All counts that the rules read.

    Attributes:
        days: coverage of every day of the period; clusters: the calendar by cluster; both may cover whole weeks.
        denied, previous_events, previous_denied: requests.
        previous_known: whether the period before was recorded.
        previous_title, previous_short: its name in full, and short enough for the head of a column.
        anonymous_served: requests of anonymous callers that were served, but for health and version paths.
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
    previous_short: str
    actions: Sequence[Action]
    anonymous_served: int
    received: int
    new: int
    duplicate: int
    rejected: int
    skipped: int
    windows: int
    unstable_windows: int
    unknown_techniques: tuple[str, ...]
    marks: dict[str, str]


def finding(
    rule: str,
    rating: Rating,
    title: str,
    text: Phrase,
    section: str,
    marks: tuple[str, ...],
    *,
    statement: str,
    method: str,
) -> Finding:
    """A finding; how far the evidence supports the statement follows from the rating."""
    return Finding(rule, rating, title, text, statement, _SUPPORT[rating], method, section, marks)
