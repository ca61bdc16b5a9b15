"""What a snapshot may say it collected, and where the next one goes on: rules without I/O.

Coverage is the auditor's first question and must not lie: only stable windows of unfiltered runs count, and
only from the Console's oldest event on, because everything before that may have been dropped unseen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kubedossier.analytics.coverage import Cover, Span, collected, runs
from kubedossier.analytics.ingest.console_window import Window, WindowResult
from kubedossier.analytics.ingest.times import from_micros, to_micros
from kubedossier.analytics.store.ledger import Ledger, read_time, time_text

USABLE = Window(
    to_micros(read_time("2014-01-01T00:00:00.000000Z")), to_micros(read_time("2100-01-01T00:00:00.000000Z"))
)
"""All times an event can have; see ``times``."""

_FILLABLE = frozenset(("failed", "interrupted", "unstable"))


@dataclass(frozen=True, slots=True)
class Gap:
    """A range that is not known to be whole, and why: ``dropped``, ``unwindowed``, ``unstable``, ``interrupted``,
    ``failed``.
    """

    window: Window
    reason: str


def last_collected(ledger: Ledger, console: str) -> datetime | None:
    """The end of the newest range attested for a Console; None where there is none."""
    return max((span.end for span in collected(ledger) if span.console == console), default=None)


def resume_at(ledger: Ledger, console: str, *, oldest: datetime | None, overlap: timedelta) -> datetime | None:
    """Where an unbounded run begins: the last collected time, or an older hole that can still be filled.

    Args:
        ledger: of the archive.
        console: its name in the ledger.
        oldest: time of the oldest event the Console still has; what ended before it cannot be filled.
        overlap: how far to go back from there, for events that arrive late.

    Returns:
        Aware UTC, or None to begin with the Console's first event.
    """
    last = last_collected(ledger, console)
    if last is None:
        return None
    fillable = [hole.start for hole in _holes(ledger, console) if oldest is None or hole.end > oldest]
    return max(min([last, *fillable]) - overlap, from_micros(USABLE.start))


def _holes(ledger: Ledger, console: str) -> list[Span]:
    """Ranges between attested ones, and gaps that no later entry closed."""
    spans = [span for span in collected(ledger) if span.console == console]
    holes = [Span(console, a.end, b.start) for a, b in itertools.pairwise(spans)]
    later = Cover()
    for entry in reversed(list(runs(ledger))):
        if entry.get("console") != console or entry.get("filtered") is not False:
            continue
        for gap in entry.get("gaps", ()):
            if gap["reason"] in _FILLABLE:
                holes += later.missing(Span(console, read_time(gap["from"]), read_time(gap["to"])))
        for one in entry.get("collected", ()):
            later.add(Span(console, read_time(one["from"]), read_time(one["to"])))
    return holes


def dropped_before(last: int | None, oldest: int | None, end: int) -> list[Gap]:
    """The gap between what was collected and what the Console still has, where there is one."""
    if last is None:
        return []
    missing_to = end if oldest is None else min(oldest, end)
    return [Gap(Window(last, missing_to), "dropped")] if missing_to > last else []


def claims(
    results: Sequence[WindowResult], within: Window, *, oldest: int | None, oldest_now: int | None
) -> tuple[list[Window], list[Gap]]:
    """What finished windows attest, and the gaps they leave.

    Args:
        results: the windows.
        within: the run's range.
        oldest: the Console's oldest event when the run began; before it nothing is claimed. Where it showed none,
            nothing is, and windows that it counted events in and did not give are gaps all the same.
        oldest_now: the same after these windows were read: what lay before it may have been dropped
        meanwhile.
    """
    if oldest is None:
        parts = [clip(one.window, within) for one in results if not one.stable]
        return [], [Gap(part, "unstable") for part in joined(part for part in parts if part)]
    whole: list[Window] = []
    gaps: list[Gap] = []
    safe_from = USABLE.end if oldest_now is None else oldest_now
    for result in results:
        part = clip(result.window, Window(max(within.start, oldest), within.end))
        if part is None:
            continue
        if not result.stable:
            gaps.append(Gap(part, "unstable"))
            continue
        if kept := clip(part, Window(safe_from, part.end)):
            whole.append(kept)
        if lost := clip(part, Window(part.start, safe_from)):
            gaps.append(Gap(lost, "dropped"))
    return joined(whole), gaps


def unfinished(within: Window, done: Iterable[Window], reason: str) -> list[Gap]:
    """The gaps of a run that ended early: its range without what was attested or already named a gap."""
    rest = []
    start = within.start
    for window in joined(done):
        if window.end <= start or window.start >= within.end:
            continue
        if window.start > start:
            rest.append(Gap(Window(start, window.start), reason))
        start = max(start, window.end)
    if start < within.end:
        rest.append(Gap(Window(start, within.end), reason))
    return rest


def clip(window: Window, within: Window) -> Window | None:
    """The part of a window inside another, or None."""
    start, end = max(window.start, within.start), min(window.end, within.end)
    return Window(start, end) if start < end else None


def joined(windows: Iterable[Window]) -> list[Window]:
    """Windows in order, those that touch made one."""
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return found


def range_facts(window: Window) -> dict[str, str]:
    """A range as the ledger writes it."""
    return {"from": time_text(from_micros(window.start)), "to": time_text(from_micros(window.end))}


def window_facts(result: WindowResult) -> dict[str, object]:
    """A window as the ledger writes it."""
    return {
        **range_facts(result.window),
        "total_before": result.total_before,
        "total_after": result.total_after,
        "received": result.received,
        "kept": len(result.rows),
        "stable": result.stable,
        "pages": result.pages,
        "reads": result.reads,
        "sha256": result.sha256,
        "page_sha256": [one.hex() for one in result.bodies],
    }
