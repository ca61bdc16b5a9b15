"""Periods of time as users write them: UTC, half-open.

``2026-10``, ``2026-Q3``, ``2026-W44``, ``2026``, ``last-week``, ``last-month``, ``last-quarter``, ``last-year``, the
same with ``this-``, ``30d``, ``2026-10-05``, ``2026-10-01..2026-10-15`` (the last day is included). This module must
never read the clock itself: callers pass ``now``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from kubedossier.analytics.errors import UsageError

_FORMS = (
    "2026-10, 2026-Q3, 2026-W44, 2026, last-month (or -week, -quarter, -year), this-month, 30d or "
    "2026-10-01..2026-10-15"
)
_MONTHS_IN = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open range of time, ``start <= t < end``, both aware UTC.

    Attributes:
        start: the first moment that belongs to it.
        end: the first moment that no longer does.
        label: short name used in file names: letters, digits, ``-`` and ``.`` only.
    """

    start: datetime
    end: datetime
    label: str

    @property
    def days(self) -> int:
        """Calendar days touched, in UTC."""
        last = self.end - timedelta(microseconds=1)
        return (last.date() - self.start.date()).days + 1

    @property
    def is_month(self) -> bool:
        """Whether it is exactly one calendar month."""
        return self.start == _midnight(self.start.date().replace(day=1)) and self.end == _months_later(self.start, 1)

    def previous(self) -> Period:
        """The period before: the calendar unit before for months, quarters and years, else the same length."""
        for months in (1, 3, 12):
            if self.start.day == 1 and self.end == _months_later(self.start, months):
                start = _months_later(self.start, -months)
                return Period(start, self.start, _month_label(start, months))
        start = self.start - (self.end - self.start)
        return Period(start, self.start, _day_range_label(start, self.start))

    @property
    def is_year(self) -> bool:
        """Whether it is exactly one calendar year."""
        return self.start == _midnight(date(self.start.year, 1, 1)) and self.end == _months_later(self.start, 12)

    def title(self) -> str:
        """The period as a person reads it: ``October 2026``, ``October to December 2026``, ``1 to 15 October 2026``."""
        if self.is_month:
            return f"{self.start:%B %Y}"
        if self.is_year:
            return f"{self.start:%Y}"
        last = (self.end - timedelta(microseconds=1)).date()
        first = self.start.date()
        if self.start == _midnight(first.replace(day=1)) and self.end == _midnight(self.end.date().replace(day=1)):
            return f"{first:%B}{'' if first.year == last.year else f' {first.year}'} to {last:%B %Y}"
        if first == last:
            return f"{first.day} {first:%B %Y}"
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day} to {last.day} {last:%B %Y}"
        year = "" if first.year == last.year else f" {first.year}"
        return f"{first.day} {first:%B}{year} to {last.day} {last:%B %Y}"

    def when(self) -> str:
        """The same in a sentence: ``in October 2026``, ``on 14 October 2026``, ``from 1 to 15 October 2026``."""
        preposition = "in" if self.is_month or self.is_year else "on" if self.days == 1 else "from"
        return f"{preposition} {self.title()}"


def parse_period(text: str, *, now: datetime) -> Period:
    """Read a period as the user wrote it.

    Args:
        text: one of the forms in the module docstring.
        now: aware UTC; only ``last-...``, ``this-...`` and ``30d`` look at it.

    Raises:
        UsageError: the text is none of the forms, or names a date that does not exist.
    """
    text = text.strip()
    try:
        found = _parse(text, now)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise UsageError(f"'{text}' is not a period", hint=f"Write {_FORMS}.")
    return found


def month_of(moment: datetime) -> str:
    """The UTC month of a moment, ``YYYY-MM``: the name of its partition."""
    return f"{moment.astimezone(UTC):%Y-%m}"


def _parse(text: str, now: datetime) -> Period | None:
    if match := re.fullmatch(r"(\d{4})-(\d{2})", text):
        return _months(int(match[1]), int(match[2]), 1)
    if match := re.fullmatch(r"(\d{4})-[Qq]([1-4])", text):
        return _months(int(match[1]), 3 * int(match[2]) - 2, 3)
    if match := re.fullmatch(r"(\d{4})-[Ww](\d{2})", text):
        return _week(date.fromisocalendar(int(match[1]), int(match[2]), 1))
    if match := re.fullmatch(r"\d{4}", text):
        return _months(int(text), 1, 12)
    if match := re.fullmatch(r"(last|this)-(week|month|quarter|year)", text):
        return _near(now.astimezone(UTC).date(), match[2], last=match[1] == "last")
    if match := re.fullmatch(r"([1-9]\d{0,4})d", text):
        end = _midnight(now.astimezone(UTC).date() + timedelta(days=1))
        start = end - timedelta(days=int(match[1]))
        return Period(start, end, _day_range_label(start, end))
    if match := re.fullmatch(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})", text):
        start, end = _midnight(date.fromisoformat(match[1])), _midnight(date.fromisoformat(match[2]))
        if start > end:
            return None
        end += timedelta(days=1)
        return Period(start, end, _day_range_label(start, end))
    if match := re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        start = _midnight(date.fromisoformat(text))
        end = start + timedelta(days=1)
        return Period(start, end, _day_range_label(start, end))
    return None


def _months(year: int, month: int, count: int) -> Period:
    start = datetime(year, month, 1, tzinfo=UTC)
    return Period(start, _months_later(start, count), _month_label(start, count))


def _near(today: date, unit: str, *, last: bool) -> Period:
    """The calendar unit that today belongs to, or the last one before it."""
    if unit == "week":
        return _week(today - timedelta(days=today.weekday() + (7 if last else 0)))
    count = _MONTHS_IN[unit]
    first = _midnight(today.replace(month=(today.month - 1) // count * count + 1, day=1))
    start = _months_later(first, -count) if last else first
    return _months(start.year, start.month, count)


def _week(monday: date) -> Period:
    """An ISO week, Monday to Sunday."""
    return Period(_midnight(monday), _midnight(monday + timedelta(days=7)), f"{monday:%G-W%V}")


def _month_label(start: datetime, count: int) -> str:
    return {
        1: f"{start:%Y-%m}",
        3: f"{start:%Y}-Q{(start.month + 2) // 3}",
        12: f"{start:%Y}",
    }[count]


def _day_range_label(start: datetime, end: datetime) -> str:
    last = end - timedelta(microseconds=1)
    return f"{start:%Y-%m-%d}" if start.date() == last.date() else f"{start:%Y-%m-%d}..{last:%Y-%m-%d}"


def _months_later(moment: datetime, months: int) -> datetime:
    index = moment.year * 12 + moment.month - 1 + months
    return moment.replace(year=index // 12, month=index % 12 + 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
