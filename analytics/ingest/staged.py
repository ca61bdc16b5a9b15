"""What one commit of an intake has gathered: counts, leaves and rejects, and what the ledger says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubedossier.analytics.store.digests import Tally, digest
from kubedossier.analytics.store.writer import EventFiles


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one commit did; it is durable when the receipt exists.

    Attributes:
        id: the entry's id, in file names and the column ``snapshot``.
        seq: the entry's number.
        received: records that are events or rejects.
        new, duplicate, rejected: their sum is ``received``; each reject counts when it is kept, then as a duplicate.
        skipped: look-alikes, which are neither.
        drift: how often each flag was set on new events.
        months: new events by month.
        reasons: how often each reason to reject came up.
        look_alikes: how often each kind of look-alike came up.
        unwitnessed: why the head could not be witnessed; empty where it was.
        known_rejects: of the duplicates, those that an earlier run kept as rejects.
    """

    id: str
    seq: int
    received: int
    new: int
    duplicate: int
    rejected: int
    skipped: int
    drift: dict[str, int]
    months: dict[str, int]
    reasons: dict[str, int]
    look_alikes: dict[str, int]
    unwitnessed: str = ""
    known_rejects: int = 0


@dataclass
class Month:
    """One month of a commit: the leaves of what came and of what was new."""

    observed: bytearray
    added: bytearray


@dataclass
class Staged:
    """What is staged since the last commit; ``ids`` are those of its new events."""

    id: str
    at: datetime
    files: EventFiles
    added: Tally = field(default_factory=Tally)
    observed: Tally = field(default_factory=Tally)
    ids: set[bytes] = field(default_factory=set)
    received: int = 0
    duplicates: int = 0
    months: dict[str, Month] = field(default_factory=dict)
    drift: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    look_alikes: Counter[str] = field(default_factory=Counter)
    reject_lines: list[bytes] = field(default_factory=list)
    reject_leaves: list[bytes] = field(default_factory=list)
    known_rejects: list[bytes] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """The counts and digests of the ledger entry."""
        observed, added = self.observed.counts(), self.added.counts()
        rejected, known = len(self.reject_leaves), len(self.known_rejects)
        return {
            "counts": {
                "received": sum(observed.values()) + known + rejected,
                "new": sum(added.values()),
                "duplicate": self.duplicates + known,
                "rejected": rejected,
                "skipped": sum(self.look_alikes.values()),
            },
            "added": self.added.facts(),
            "observed": self.observed.facts(),
            "rejected": {
                "n": rejected,
                "digest": digest(self.reject_leaves),
                "reasons": _sorted(self.reasons),
                "known": {"n": known, "digest": digest(self.known_rejects)},
            },
            "skipped": _sorted(self.look_alikes),
            "formats": _sorted(self.formats),
            "drift": _sorted(self.drift),
        }

    def receipt(self, seq: int, counts: Mapping[str, int], unwitnessed: str) -> Receipt:
        """What the commit did, once entry ``seq`` is durable."""
        return Receipt(
            id=self.id,
            seq=seq,
            drift=_sorted(self.drift),
            months=self.added.counts(),
            reasons=_sorted(self.reasons),
            look_alikes=_sorted(self.look_alikes),
            unwitnessed=unwitnessed,
            known_rejects=len(self.known_rejects),
            **counts,
        )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
