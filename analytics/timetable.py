"""When a job is due: a cron expression in a time zone, turned into moments.

The one module that asks the library which knows cron, so that it can be replaced. It keeps to Debian's cron where
clocks change: a fixed time that is skipped comes right after the gap, one that comes twice counts once. This must
never read the clock: callers pass the moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from itertools import dropwhile, islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

# The library walks along the wall clock; where that is set back, a time of the first pass lies "ahead" of the second.
_SLACK = timedelta(hours=3)
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Timetable:
    """The times of a job.

    Args:
        cron: five fields: minute, hour, day of the month, month, day of the week; ``L`` is a month's last day.
        timezone: an IANA name, such as ``Europe/Berlin``.

    Raises:
        ValueError: either cannot be used, or the expression names no day that exists; the text says which.
    """

    cron: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if len(self.cron.split()) != 5:
            raise ValueError("needs five fields: minute, hour, day of the month, month, day of the week")
        _ = self.zone
        try:
            next(CronSim(self.cron, _SOME_DAY))
        except CronSimError as error:
            raise ValueError(f"is no cron expression: {str(error).lower()}") from None
        except AssertionError:
            raise ValueError("is no cron expression") from None
        except StopIteration:
            raise ValueError("names a day that never comes") from None

    @cached_property
    def zone(self) -> tzinfo:
        """The time zone."""
        if self.timezone == "UTC":
            return UTC  # there without a time zone database
        try:
            return ZoneInfo(self.timezone)
        except (OSError, ValueError, LookupError):
            raise ValueError(f"'{self.timezone}' is no time zone that this machine knows") from None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after a moment, in order; aware UTC."""
        last = moment
        for found in self._walk(moment - _SLACK, reverse=False):
            if found > last:
                last = found
                yield found

    def between(self, start: datetime, end: datetime, *, newest: int) -> list[datetime]:
        """The times after one moment and up to and including another, at most so many of the newest; aware UTC."""
        late = dropwhile(lambda one: one > end, self._walk(end + _SLACK, reverse=True))
        return sorted(set(islice(takewhile(lambda one: one > start, late), newest)))

    def _walk(self, moment: datetime, *, reverse: bool) -> Iterator[datetime]:
        for found in CronSim(self.cron, moment.astimezone(self.zone), reverse=reverse):
            yield found.astimezone(UTC)
