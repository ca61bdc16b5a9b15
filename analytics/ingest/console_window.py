"""One window of time, read whole: the unit in which a snapshot pulls, checks, repeats and commits.

Pages are cut by number, so they shift when events come or go meanwhile. A window is only called stable when
the Console's own count was the same on every page and is what was received, and the window still begins with the same
moment: a full Console drops its oldest event for each that comes, which no count shows. Where it gives no count, or
sends the same event twice, two readings must agree. A window that is not stable keeps every row any reading saw.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kubedossier.analytics.ingest.console_address import Query
from kubedossier.analytics.ingest.console_answer import Page
from kubedossier.analytics.ingest.times import parse_time

MOST_BYTES = 64 * 1024 * 1024
READINGS = 3
SMALLEST_CAP = 50
"""No Console is known to give fewer rows a page when it has them."""
_SECOND, _MILLISECOND = 1_000_000, 1000

GetPage = Callable[[Query, int, int], Page]


class _Timed(msgspec.Struct, gc=False):
    time: Any = None


_decode = msgspec.json.Decoder(_Timed).decode


def own_time(raw: bytes) -> int | None:
    """The time a record gives itself, in microseconds since the epoch UTC; None where it gives none usable."""
    try:
        return parse_time(_decode(raw).time)[0]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open range of time in microseconds since the epoch, UTC."""

    start: int
    end: int

    @property
    def splittable(self) -> bool:
        """Whether it is longer than the finest bounds the API takes."""
        return self.end - self.start >= 2 * _MILLISECOND

    def split(self, parts: int) -> list[Window]:
        """Cut it into up to so many equal parts, on whole seconds where that is fine enough."""
        unit = _SECOND if self.end - self.start >= 2 * parts * _SECOND else _MILLISECOND
        step = (self.end - self.start) / parts
        cuts = {int((self.start + step * number) // unit * unit) for number in range(1, parts)}
        bounds = [self.start, *sorted(cut for cut in cuts if self.start < cut < self.end), self.end]
        return [Window(start, end) for start, end in itertools.pairwise(bounds)]

    def holds(self, time: int | None) -> bool:
        """Whether a record belongs to it; one without a usable time belongs wherever it is met."""
        return time is None or self.start <= time < self.end


@dataclass(slots=True)
class Reading:
    """All pages of a window, read once.

    Attributes:
        rows: every element received, in order, also those just outside the window.
        totals: the Console's count on each page; None where it gave none.
        bodies: the SHA-256 of each page's body.
        looped: the same page came twice in a row, so that the reading was broken off.
        heavy: it has more events or bytes than one window should, and was broken off.
        full_page: a page had as many rows as it may.
    """

    rows: list[bytes] = field(default_factory=list)
    totals: list[int | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    looped: bool = False
    heavy: bool = False
    full_page: bool = False

    @property
    def counted(self) -> bool:
        """Whether the Console's counts were all the same, and the number of rows received."""
        return not self.looped and set(self.totals) == {len(self.rows)}

    @property
    def uncounted(self) -> bool:
        """Whether the Console gave no count at all and the reading came to an empty page."""
        return not self.looped and set(self.totals) == {None}

    @property
    def repeats(self) -> bool:
        """Whether an element came twice: two equal events, or a page that shifted."""
        return len(set(self.rows)) < len(self.rows)

    @property
    def in_order(self) -> bool:
        """Whether times never go back, as asked."""
        times = [time for row in self.rows if (time := own_time(row)) is not None]
        return all(before <= after for before, after in itertools.pairwise(times))

    def strays(self, window: Window) -> bool:
        """Whether an element lies far outside what was asked: then it answers another question, as a cache may."""
        times = [time for row in self.rows if (time := own_time(row)) is not None]
        return any(not window.start - _SECOND <= time < window.end + _SECOND for time in times)

    def same_rows(self, other: Reading) -> bool:
        """Whether another reading gave the same elements, in whatever order."""
        return Counter(self.rows) == Counter(other.rows)


@dataclass(frozen=True, slots=True)
class WindowResult:
    """A window that was read to its end.

    Attributes:
        window: which.
        rows: what to archive: elements inside the window or without a usable time.
        received: elements received by the last reading.
        total_before, total_after: the Console's count on the first and last page.
        stable: whether it is known to be whole.
        pages, reads: of the last reading; how many readings.
        bodies: SHA-256 of each page's body, of the last reading.
    """

    window: Window
    rows: tuple[bytes, ...]
    received: int
    total_before: int | None
    total_after: int | None
    stable: bool
    pages: int
    reads: int
    bodies: tuple[bytes, ...]

    @property
    def sha256(self) -> str:
        """Hex, over the hashes of the bodies."""
        return hashlib.sha256(b"".join(self.bodies)).hexdigest()


@dataclass(frozen=True, slots=True)
class SplitWindow:
    """A window that is better read in parts."""

    window: Window
    parts: list[Window]


def read_window(
    get_page: GetPage, query: Query, window: Window, *, page_size: int, most_rows: int
) -> WindowResult | SplitWindow:
    """Read a window until it is stable, at most three times.

    Args:
        get_page: asks for one page (query, offset, limit).
        query: filters; its bounds are replaced by the window's.
        window: the range.
        page_size: elements to ask for at once.
        most_rows: more than twice as many are read in parts, where the window can be split.

    Raises:
        SourceError: what ``get_page`` raises.
    """
    # The bounds' meaning is not documented: ask a little more, keep what lies inside.
    asked = query.between(window.start - _MILLISECOND, window.end)
    readings: list[Reading] = []
    stable = False
    while not stable and len(readings) < READINGS:
        reading = _read_once(
            get_page, asked, page_size=page_size, most_rows=2 * most_rows if window.splittable else None
        )
        if window.splittable and (reading.heavy or (reading.looped and reading.full_page)):
            return SplitWindow(window, window.split(_parts(reading, page_size, most_rows)))
        stable = (
            _is_stable(reading, readings) and not reading.strays(window) and _begins_the_same(get_page, asked, reading)
        )
        readings.append(reading)
    last = readings[-1]
    return WindowResult(
        window=window,
        rows=tuple(row for row in _union(readings) if window.holds(own_time(row))),
        received=len(last.rows),
        total_before=last.totals[0],
        total_after=last.totals[-1],
        stable=stable,
        pages=len(last.totals),
        reads=len(readings),
        bodies=tuple(last.bodies),
    )


def _read_once(get_page: GetPage, asked: Query, *, page_size: int, most_rows: int | None) -> Reading:
    reading = Reading()
    size, before = 0, b""
    while True:
        page = get_page(asked, len(reading.rows), page_size)
        reading.totals.append(page.total)
        reading.bodies.append(page.sha256)
        if not page.rows:
            return reading
        if page.sha256 == before:
            reading.looped = True
            return reading
        before = page.sha256
        reading.full_page = reading.full_page or len(page.rows) >= min(page_size, SMALLEST_CAP)
        reading.rows += page.rows
        size += page.size_bytes
        expected = len(reading.rows) if page.total is None else page.total
        if page.total is not None and len(reading.rows) >= page.total:
            return reading
        # A count is believed as far as full pages bear it out.
        crowded = reading.full_page and most_rows is not None and expected > most_rows
        if crowded or (most_rows is not None and size > MOST_BYTES):
            reading.heavy = True
            return reading


def _is_stable(reading: Reading, earlier: list[Reading]) -> bool:
    agrees = any(reading.same_rows(other) for other in earlier)
    if reading.counted:
        return not reading.repeats or (agrees and reading.in_order)
    return reading.uncounted and (agrees or not reading.rows)


def _begins_the_same(get_page: GetPage, asked: Query, reading: Reading) -> bool:
    """Whether the first moment is what it was; one page was cut from one state and needs no second look."""
    if len(reading.totals) < 2 or not reading.counted:
        return True
    page = get_page(asked, 0, 1)
    return page.total == reading.totals[0] and [*map(own_time, page.rows[:1])] == [own_time(reading.rows[0])]


def _parts(reading: Reading, page_size: int, most_rows: int) -> int:
    total = max((total for total in reading.totals if total is not None), default=None)
    if total is None:
        return 8
    return max(2, -(-2 * total // page_size) if reading.looped else -(-total // most_rows))


def _union(readings: list[Reading]) -> list[bytes]:
    """The rows of the last reading, and those that only an earlier one saw."""
    rows = list(readings[-1].rows)
    seen = set(rows)
    for reading in readings[:-1]:
        for row in reading.rows:
            if row not in seen:
                seen.add(row)
                rows.append(row)
    return rows
