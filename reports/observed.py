"""What the rules of the findings look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from kubedossier.analytics.figures import NOT_YET, Figure
from kubedossier.analytics.thresholds import Thresholds
from kubedossier.reports.actions import Actions
from kubedossier.reports.before import Before
from kubedossier.reports.job_troubles import Trouble

NAMES_SHOWN = 3
"""Names printed in a finding; the others are counted."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All counts that the rules read.

    Attributes:
        days: coverage of every day of the period; clusters: the calendar by cluster; both may cover whole weeks.
        denied, previous_events, previous_denied: requests.
        previous_known: whether the period before was recorded.
        previous_when, previous_short: its name in a sentence, and short enough for the head of a column.
        actions: privileged actions of the period; before: what they are compared with; grave: changes that put
            everything at risk, some of them privileged actions, too.
        files_checked: files compared with the ledger before anything was counted; retracted: runs that were taken
            back; rollbacks: restored backups that were accepted.
        anonymous_served: requests of anonymous callers that were served, but for health and version paths.
        troubles: snapshot jobs that fail, as the schedule noted in the ledger.
        received, new, duplicate, rejected, skipped: of all runs that touch the period, whole runs.
        unstable_windows: windows read again and still changing; windows: all of the period.
        marks: evidence mark by topic.
        thresholds: what the rules compare with.
    """

    days: Figure
    clusters: Figure
    events: int
    denied: int
    previous_events: int
    previous_denied: int
    previous_known: bool
    previous_when: str
    previous_short: str
    actions: Actions
    before: Before
    grave: Actions
    files_checked: int
    retracted: int
    rollbacks: int
    anonymous_served: int
    troubles: tuple[Trouble, ...]
    received: int
    new: int
    duplicate: int
    rejected: int
    skipped: int
    windows: int
    unstable_windows: int
    unknown_techniques: tuple[str, ...]
    marks: dict[str, str]
    thresholds: Thresholds

    @property
    def over(self) -> list[tuple[date, str]]:
        """The days of the period that were over when the report was issued, each with its state."""
        days = zip(self.days.column("date"), self.days.column("state"), strict=True)
        return [(day, state) for day, state in days if state != NOT_YET]

    @property
    def to_come(self) -> list[date]:
        """The days that were not, oldest first: nothing is missing of them yet."""
        return [
            day
            for day, state in zip(self.days.column("date"), self.days.column("state"), strict=True)
            if state == NOT_YET
        ]

    @property
    def comparable(self) -> bool:
        """Whether counts can be held against those of the period before: it is recorded, and this one is over."""
        return self.previous_known and not self.to_come

    def without(self, users: frozenset[str]) -> Observed:
        """The same without the actions of some identities."""
        return replace(
            self,
            actions=self.actions.without(users),
            grave=self.grave.without(users),
        )
