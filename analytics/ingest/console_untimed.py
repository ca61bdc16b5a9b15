"""Records that no window of time can find, because they have no usable time.

The Console's count without bounds is compared with its count over all usable times; the difference is looked
for at both ends of the order of time, and in the end by reading everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kubedossier.analytics.ingest.console_address import Query
from kubedossier.analytics.ingest.console_answer import Page
from kubedossier.analytics.ingest.console_coverage import USABLE
from kubedossier.analytics.ingest.console_window import GetPage, own_time


@dataclass(frozen=True, slots=True)
class Untimed:
    """How the search went.

    Attributes:
        missing: how many records the windows cannot have found; None where the Console gives no counts.
        found: how many of them were fetched.
    """

    missing: int | None
    found: int

    @property
    def whole(self) -> bool:
        """Whether nothing is known to be missing."""
        return self.missing is None or self.found >= self.missing


def fetch_untimed(
    get_page: GetPage, query: Query, *, page_size: int, take: Callable[[tuple[bytes, ...]], None]
) -> Untimed:
    """Fetch the records without a usable time.

    Args:
        get_page: asks for one page (query, offset, limit).
        query: filters; its bounds are not looked at.
        page_size: elements to ask for at once.
        take: is given what was found; may get the same record twice.

    Raises:
        SourceError: what ``get_page`` raises.
    """
    everything = query.between(None, None)
    missing, total = _difference(get_page, everything)
    if missing == 0:
        return Untimed(0, 0)
    # They may stand at the end of the order, at its beginning, or at the beginning only when it is reversed.
    ends = [(everything, 0), (everything.backwards(), 0)]
    if missing is not None and total is not None:
        ends.insert(0, (everything, total - missing))
    most = 0
    for ordered, offset in ends:
        found = _read_end(get_page, ordered, offset, page_size, take)
        if missing is not None and found >= missing:
            return Untimed(missing, found)
        most = max(most, found)
    if missing is None or total is None:
        return Untimed(None, most)
    whole = _read_all(get_page, everything, page_size, take) == total
    return Untimed(missing, missing if whole else most)


def _read_end(
    get_page: GetPage,
    ordered: Query,
    offset: int,
    page_size: int,
    take: Callable[[tuple[bytes, ...]], None],
) -> int:
    """Read on from an offset while there are records without a time; how many there were."""
    found = 0
    for page in _pages(get_page, ordered, page_size, offset):
        untimed = tuple(row for row in page.rows if own_time(row) is None)
        take(untimed)
        found += len(untimed)
        if not untimed:
            break
    return found


def _difference(get_page: GetPage, everything: Query) -> tuple[int | None, int | None]:
    """Events in all minus events with a usable time, and events in all; asked again while these change."""
    usable = everything.between(USABLE.start, USABLE.end)
    before = get_page(everything, 0, 1).total
    difference = 0
    for _ in range(3):
        timed, total = get_page(usable, 0, 1).total, get_page(everything, 0, 1).total
        if before is None or timed is None or total is None:
            return None, None
        difference = max(0, total - timed)
        if before == total:
            break
        before = total
    return difference, before


def _read_all(get_page: GetPage, everything: Query, page_size: int, take: Callable[[tuple[bytes, ...]], None]) -> int:
    """The last resort: every record, whatever its time; how many there were."""
    received = 0
    for page in _pages(get_page, everything, page_size):
        take(page.rows)
        received += len(page.rows)
    return received


def _pages(get_page: GetPage, query: Query, page_size: int, offset: int = 0) -> Iterator[Page]:
    before = b""
    while True:
        page = get_page(query, offset, page_size)
        if not page.rows or page.sha256 == before:
            return
        yield page
        before = page.sha256
        offset += len(page.rows)
        if page.total is not None and offset >= page.total:
            return
