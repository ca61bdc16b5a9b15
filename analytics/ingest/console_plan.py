"""What a run is to fetch, and in which windows: decided before the first event is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kubedossier.analytics.ingest import console_coverage as coverage
from kubedossier.analytics.ingest.console_address import Filters
from kubedossier.analytics.ingest.console_coverage import USABLE
from kubedossier.analytics.ingest.console_survey import Survey
from kubedossier.analytics.ingest.console_window import Window
from kubedossier.analytics.ingest.times import from_micros, to_micros
from kubedossier.analytics.store.ledger import Ledger

PAGES_A_WINDOW = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to fetch.

    Attributes:
        start, end: half-open range, aware UTC; None is "where the last run ended" and "now".
        overlap: how far to go back from there.
        filters: only these events; then nothing is claimed about coverage.
        everything: begin with the Console's first event.
        page_size: events to ask for at once.
        connections: windows to read side by side.
    """

    start: datetime | None = None
    end: datetime | None = None
    overlap: timedelta = timedelta(hours=24)
    filters: Filters = field(default_factory=Filters)
    everything: bool = False
    page_size: int = 50
    connections: int = 4

    @property
    def bounded(self) -> bool:
        """Whether the user named a bound, so that records without a time are not asked for."""
        return self.start is not None or self.end is not None


def plan_range(wanted: Wanted, survey: Survey, ledger: Ledger, console: str, *, now: datetime) -> tuple[Window, bool]:
    """The range of a run, and whether it begins where an earlier one ended.

    Args:
        wanted: what the user asked for.
        survey: what the Console has.
        ledger: of the archive; may be empty.
        console: its name in the ledger.
        now: aware UTC.
    """
    end = to_micros(wanted.end) if wanted.end else to_micros(now) // 1_000_000 * 1_000_000
    if wanted.start is not None:
        return Window(min(to_micros(wanted.start), end), end), False
    oldest = None if survey.oldest is None else from_micros(survey.oldest)
    resumed = None if wanted.everything else coverage.resume_at(ledger, console, oldest=oldest, overlap=wanted.overlap)
    if resumed is None:
        return Window(USABLE.start, end), False
    # Where a clock was ahead once, or is behind now, more is said to be collected than time has passed.
    resumed = max(min(resumed, from_micros(end) - wanted.overlap), from_micros(USABLE.start))
    return Window(min(to_micros(resumed), end), end), True


def plan_windows(wanted: Wanted, asked: Window, survey: Survey, *, expected: int | None) -> list[Window]:
    """The windows to begin with, about equal in time; those with many events are split further when they are read.

    Args:
        wanted: what the user asked for.
        asked: the run's range.
        survey: what the Console has.
        expected: events in the range; None where the Console gives no count.
    """
    if asked.start >= asked.end:
        return []
    first = asked.start if survey.oldest is None else min(max(asked.start, survey.oldest), asked.end)
    windows = [Window(asked.start, first)] if first > asked.start else []
    if first < asked.end:
        windows += Window(first, asked.end).split(_parts(wanted, expected))
    if not wanted.bounded and asked.end < USABLE.end:
        windows.append(Window(asked.end, USABLE.end))  # clocks that run ahead
    return windows


def _parts(wanted: Wanted, expected: int | None) -> int:
    if expected is None:
        return 8 * wanted.connections
    by_size = -(-expected // (PAGES_A_WINDOW * wanted.page_size))
    side_by_side = max(1, min(wanted.connections, -(-expected // (2 * wanted.page_size))))
    return max(1, -(-by_size // side_by_side)) * side_by_side  # so that no connection is idle at the end
