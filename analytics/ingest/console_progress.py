"""What a snapshot tells while it runs, and what it did in the end: data only, for whoever shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kubedossier.analytics.ingest.console_coverage import Gap, joined
from kubedossier.analytics.ingest.console_window import Window
from kubedossier.analytics.ingest.staged import Receipt


@dataclass(frozen=True, slots=True)
class Started:
    """The range is known.

    Attributes:
        window: from the first to the last moment asked for.
        expected: events in it by the Console's count; None where it gives none.
        resumed: whether the range begins where an earlier run ended.
    """

    window: Window
    expected: int | None
    resumed: bool


@dataclass(frozen=True, slots=True)
class PageRead:
    """Some events arrived; ``rows`` of them, repeats and overlaps included."""

    rows: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request went wrong and is sent again after ``wait_s`` seconds."""

    reason: str
    wait_s: float
    tries: int


@dataclass(frozen=True, slots=True)
class WindowRead:
    """A window was read to its end."""

    window: Window
    rows: int
    stable: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """What arrived so far is durable."""

    receipt: Receipt


Progress = Started | PageRead | Waiting | WindowRead | Committed


@dataclass
class Outcome:
    """What a run did; complete when it ended, whichever way.

    Attributes:
        window: the range that was asked for, where it is known.
        filtered: only some events were asked for, so nothing about coverage is claimed.
        received, new, duplicate, rejected, skipped: sums over the commits.
        known_rejects: of the duplicates, those that an earlier run kept as rejects.
        collected: ranges this run attests.
        gaps: ranges that are not known to be whole, with the reason.
        commits: number of ledger entries.
        seq: number of the newest of them.
    """

    window: Window | None = None
    filtered: bool = False
    received: int = 0
    new: int = 0
    duplicate: int = 0
    rejected: int = 0
    skipped: int = 0
    known_rejects: int = 0
    collected: list[Window] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    seq: int = 0

    @property
    def complete(self) -> bool:
        """Whether there is neither a gap nor a new reject."""
        return not self.gaps and not self.rejected

    def add(self, receipt: Receipt, collected: list[Window], gaps: list[Gap]) -> None:
        """Count one commit in."""
        for name in ("received", "new", "duplicate", "rejected", "skipped", "known_rejects"):
            setattr(self, name, getattr(self, name) + getattr(receipt, name))
        self.reasons.update(receipt.reasons)
        self.collected = joined([*self.collected, *collected])
        self.gaps += gaps
        self.commits += 1
        self.seq = receipt.seq
