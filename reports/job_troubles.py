"""Snapshots that fail, as the ledger tells of them: what a report says on its first page.

A Console that cannot be reached leaves no entry of its own. So before a report is made, the schedule writes down which
snapshot jobs fail, and when that has ended. A report reads it from the ledger, so that the same archive and entry give
the same report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubedossier.analytics.store.ledger import Entry, read_time, time_text


@dataclass(frozen=True, slots=True)
class Trouble:
    """A snapshot job that fails.

    Attributes:
        job: its name.
        console: the Console's name in the configuration; empty where the job names none.
        failures: how often in a row.
        since: when it first failed, aware UTC.
        reason: what went wrong the last time.
    """

    job: str
    console: str
    failures: int
    since: datetime
    reason: str

    @property
    def words(self) -> str:
        """As a person reads it."""
        times = "once" if self.failures == 1 else f"{self.failures:,} times in a row"
        return f"The snapshot job {self.job} failed {times} since {self.since:%Y-%m-%d %H:%M} UTC"


def note_of(troubles: Sequence[Trouble]) -> dict[str, Any]:
    """The body of a ``note`` entry about them; none means that what failed before works again."""
    return {
        "failing_jobs": [
            {
                "job": one.job,
                "console": one.console,
                "failures": one.failures,
                "since": time_text(one.since),
                "reason": one.reason,
            }
            for one in troubles
        ]
    }


def troubles_noted(entries: Iterable[Entry]) -> tuple[Trouble, ...]:
    """What the newest note about failing jobs says; empty where there is none, or none fails."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        if entry["type"] == "note" and "failing_jobs" in entry:
            found = entry["failing_jobs"]
    return tuple(
        Trouble(one["job"], one["console"], one["failures"], read_time(one["since"]), one["reason"]) for one in found
    )
