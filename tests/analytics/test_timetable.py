"""When a job is due: time zones, clocks that change, ends of months, and days that do not exist."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pytest

from kubedossier.analytics.timetable import Timetable


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first(count: int, cron: str, timezone: str, moment: str) -> list[str]:
    return [f"{one:%Y-%m-%d %H:%M}" for one in islice(Timetable(cron, timezone).after(at(moment)), count)]


def test_times_are_read_in_the_time_zone_and_given_in_utc():
    assert first(2, "0 6 1 * *", "Europe/Berlin", "2026-10-01T04:00") == ["2026-11-01 05:00", "2026-12-01 05:00"]


def test_a_time_that_is_skipped_comes_right_after_the_gap_and_once():
    assert first(3, "30 2 * * *", "Europe/Berlin", "2026-03-28T00:00") == [
        "2026-03-28 01:30",
        "2026-03-29 01:00",
        "2026-03-30 00:30",
    ]


def test_a_time_that_comes_twice_counts_once():
    assert first(3, "30 2 * * *", "Europe/Berlin", "2026-10-24T00:00") == [
        "2026-10-24 00:30",
        "2026-10-25 00:30",
        "2026-10-26 01:30",
    ]


@pytest.mark.parametrize("late", ["2026-10-25T01:05", "2026-10-25T01:30", "2026-10-25T01:45"])
def test_within_the_repeated_hour_the_first_pass_is_not_forgotten(late):
    found = Timetable("30 2 * * *", "Europe/Berlin").between(at("2026-10-25T00:00"), at(late), newest=5)
    assert found == [at("2026-10-25T00:30")]


def test_every_hour_means_every_hour_of_the_long_day():
    table = Timetable("0 * * * *", "Europe/Berlin")
    start, end = at("2026-10-24T22:00"), at("2026-10-25T23:00")
    hours = list(takewhile(lambda one: one <= end, table.after(start)))
    assert [one - start for one in hours] == [timedelta(hours=n) for n in range(1, 26)]


def test_months_without_a_thirty_first_have_no_such_time():
    assert first(3, "0 6 31 * *", "UTC", "2026-01-31T06:00") == [
        "2026-03-31 06:00",
        "2026-05-31 06:00",
        "2026-07-31 06:00",
    ]


def test_the_last_day_of_a_month_can_be_named():
    assert first(2, "0 6 L * *", "UTC", "2028-02-01T00:00") == ["2028-02-29 06:00", "2028-03-31 06:00"]


def test_a_leap_day_comes_every_four_years():
    assert first(2, "0 6 29 2 *", "UTC", "2026-01-01T00:00") == ["2028-02-29 06:00", "2032-02-29 06:00"]


@pytest.mark.parametrize("cron", ["30 2 * * *", "15 * * * *", "0 6 1 * *", "0 6 31 * *", "0 2 * * 0", "30 1-3 * * *"])
@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Asia/Tokyo"])
def test_looking_back_finds_what_looking_ahead_announced(cron, timezone):
    table = Timetable(cron, timezone)
    for month in ("2026-03-05", "2026-08-25", "2026-10-20"):
        start, end = at(month), at(month) + timedelta(days=19, minutes=47)
        assert table.between(start, end, newest=1000) == list(takewhile(lambda one: one <= end, table.after(start)))  # noqa: B023


def test_only_the_newest_are_looked_for():
    found = Timetable("* * * * *").between(at("1999-01-01"), at("2026-10-01"), newest=2)
    assert found == [at("2026-09-30T23:59"), at("2026-10-01")]


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 6 1 *", "five fields"),
        ("0 0 6 1 * *", "five fields"),
        ("@daily", "five fields"),
        ("61 6 1 * *", "bad minute"),
        ("0 6 1 * MON#2/3", "no cron expression"),
        ("0 6 31 4 *", "bad day-of-month"),
    ],
)
def test_what_is_no_cron_expression_is_refused(cron, reason):
    with pytest.raises(ValueError, match=reason):
        Timetable(cron)


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "../etc/passwd", "Europe", ""])
def test_what_is_no_time_zone_is_refused(timezone):
    with pytest.raises(ValueError, match="no time zone"):
        Timetable("0 6 1 * *", timezone)
