"""Time as the archive reads it: our own parser, so that odd texts cost a flag and never a record.

Microseconds since the epoch, UTC. Nanoseconds are truncated, ``:60`` becomes ``:59.999999``, a missing zone is taken
as UTC; each is flagged. Usable are times in [2014-01-01, 2100-01-01).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

_FORM = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,30}))? ?(?:([Zz]|UTC|GMT)|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
_HOUR = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d):", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN = int(datetime(2014, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_MAX = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000

MISSING = ("time_missing",)
UNREADABLE = ("time_unreadable",)


def parse_time(text: object) -> tuple[int | None, tuple[str, ...]]:
    """Read an event's time.

    Returns:
        Microseconds since the epoch in UTC, or None where the text gives no usable time; and the flags that say what
        was odd: ``time_missing``, ``time_unreadable``, ``time_out_of_range``, ``time_without_zone``,
        ``time_truncated``, ``time_leap_second``.
    """
    if text is None or text == "":
        return None, MISSING
    if not isinstance(text, str):
        return None, UNREADABLE
    if len(text) == 24 and (micros := _console_time(text)) is not None:
        return micros, ()
    match = _FORM.fullmatch(text)
    if match is None:
        return None, UNREADABLE
    day, hour, minute, second, fraction, zone, sign, zone_hour, zone_minute = match.groups()
    days = _epoch_day(day)
    if days is None or hour > "23" or minute > "59" or second > "60":
        return None, UNREADABLE
    micros = ((days * 24 + int(hour)) * 60 + int(minute)) * 60_000_000
    flags: tuple[str, ...] = ()
    if second == "60":
        micros += 59_999_999
        flags = ("time_leap_second",)
    else:
        micros += int(second) * 1_000_000
        if fraction:
            micros += int(fraction[:6].ljust(6, "0"))
            if fraction[6:].strip("0"):
                flags = ("time_truncated",)
    if sign:
        if zone_hour > "23" or zone_minute > "59":
            return None, UNREADABLE
        offset = (int(zone_hour) * 60 + int(zone_minute)) * 60_000_000
        micros += -offset if sign == "+" else offset
    elif zone is None:
        flags = (*flags, "time_without_zone")
    if not _MIN <= micros < _MAX:
        return None, (*flags, "time_out_of_range")
    return micros, flags


def parse_times(texts: Sequence[object]) -> tuple[Sequence[int | None], Sequence[tuple[str, ...]]]:
    """``parse_time`` of many, quickly where all are of the Console's own form."""
    try:
        micros = [_HOURS[text[:14]] + _WITHIN_HOUR[text[14:20]] + _MILLISECONDS[text[20:]] for text in texts]  # type: ignore[index]
    except (KeyError, TypeError):
        found = [parse_time(text) for text in texts]
        return [one for one, _ in found], [flags for _, flags in found]
    return micros, [()] * len(texts)


def from_micros(micros: int) -> datetime:
    """Microseconds since the epoch as aware UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def to_micros(moment: datetime) -> int:
    """An aware moment as microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=4096)
def month_of_day(epoch_day: int) -> str:
    """The month ``YYYY-MM`` of a day counted from the epoch."""
    return f"{date(1970, 1, 1) + timedelta(days=epoch_day):%Y-%m}"


def _console_time(text: str) -> int | None:
    """The Console's own form, ``YYYY-MM-DDTHH:MM:SS.mmmZ``, quickly; None for everything else.

    Put together from three tables: they hold only what is right, so a look-up is the check as well.
    """
    try:
        return _HOURS[text[:14]] + _WITHIN_HOUR[text[14:20]] + _MILLISECONDS[text[20:]]
    except KeyError:
        return None


class _Hours(dict[str, int]):
    """The first microsecond of each ``YYYY-MM-DDTHH:`` in a day that is usable as a whole; filled as they are asked."""

    def __missing__(self, text: str) -> int:
        match = _HOUR.fullmatch(text)
        days = _epoch_day(match[1]) if match else None
        if match is None or days is None or match[2] > "23" or not _MIN <= days * 86_400_000_000 < _MAX:
            raise KeyError(text)
        if len(self) >= _HOURS_AT_MOST:
            self.clear()
        self[text] = start = (days * 24 + int(match[2])) * 3_600_000_000
        return start


_HOURS_AT_MOST = 20_000
_HOURS = _Hours()
_WITHIN_HOUR = {
    f"{minute:02d}:{second:02d}.": (minute * 60 + second) * 1_000_000 for minute in range(60) for second in range(60)
}
_MILLISECONDS = {f"{millis:03d}Z": millis * 1000 for millis in range(1000)}


@lru_cache(maxsize=4096)
def _epoch_day(text: str) -> int | None:
    try:
        return (date.fromisoformat(text) - date(1970, 1, 1)).days
    except ValueError:
        return None
