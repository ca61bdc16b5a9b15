"""What the Console has, asked before a run: how many events, and which is the oldest."""

from __future__ import annotations

from dataclasses import dataclass

from kubedossier.analytics.ingest.console import Console
from kubedossier.analytics.ingest.console_address import Filters, Query
from kubedossier.analytics.ingest.console_coverage import USABLE
from kubedossier.analytics.ingest.console_window import own_time


@dataclass(frozen=True, slots=True)
class Survey:
    """What the Console says about itself.

    Attributes:
        version: of the Console; None where it does not say.
        total: events it has, whatever the run's filters; None where it gives no count.
        oldest: time of its oldest event in microseconds since the epoch, UTC; None where it has none.
    """

    version: str | None
    total: int | None
    oldest: int | None


def survey(console: Console) -> Survey:
    """Log in and look what there is.

    Raises:
        SourceError: the Console does not answer, or refuses.
    """
    total, oldest = oldest_time(console)
    return Survey(console.version(), total, oldest)


def oldest_time(console: Console) -> tuple[int | None, int | None]:
    """The count of all events, and the time of the oldest that has a usable one."""
    page = console.page(Query(), limit=1)
    if not page.rows:
        return page.total, None
    if (oldest := own_time(page.rows[0])) is not None:
        return page.total, oldest
    # Records without a usable time stand first in this Console's order.
    timed = console.page(Query().between(USABLE.start, USABLE.end), limit=1)
    return page.total, own_time(timed.rows[0]) if timed.rows else None


def count(console: Console, filters: Filters, start: int, end: int) -> int | None:
    """How many events match in a range; None where the Console gives no count."""
    return console.page(Query(filters, start, end), limit=1).total
