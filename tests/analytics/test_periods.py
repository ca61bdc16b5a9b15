"""Periods as people write them: UTC, half-open, and nothing guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.periods import parse_period

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)

CASES = [
    ("2026-10", "2026-10-01", "2026-11-01", "2026-10", "October 2026"),
    ("2026-12", "2026-12-01", "2027-01-01", "2026-12", "December 2026"),
    ("2024-02", "2024-02-01", "2024-03-01", "2024-02", "February 2024"),
    ("2026-Q3", "2026-07-01", "2026-10-01", "2026-Q3", "July to September 2026"),
    ("2026-q4", "2026-10-01", "2027-01-01", "2026-Q4", "October to December 2026"),
    ("2026", "2026-01-01", "2027-01-01", "2026", "2026"),
    ("2026-W01", "2025-12-29", "2026-01-05", "2026-W01", "29 December 2025 to 4 January 2026"),
    ("2026-W44", "2026-10-26", "2026-11-02", "2026-W44", "26 October to 1 November 2026"),
    ("last-month", "2026-02-01", "2026-03-01", "2026-02", "February 2026"),
    ("last-week", "2026-02-23", "2026-03-02", "2026-W09", "23 February to 1 March 2026"),
    ("last-quarter", "2025-10-01", "2026-01-01", "2025-Q4", "October to December 2025"),
    ("last-year", "2025-01-01", "2026-01-01", "2025", "2025"),
    ("this-week", "2026-03-02", "2026-03-09", "2026-W10", "2 to 8 March 2026"),
    ("this-month", "2026-03-01", "2026-04-01", "2026-03", "March 2026"),
    ("this-quarter", "2026-01-01", "2026-04-01", "2026-Q1", "January to March 2026"),
    ("this-year", "2026-01-01", "2027-01-01", "2026", "2026"),
    ("30d", "2026-02-03", "2026-03-05", "2026-02-03..2026-03-04", "3 February to 4 March 2026"),
    ("2026-10-01..2026-10-15", "2026-10-01", "2026-10-16", "2026-10-01..2026-10-15", "1 to 15 October 2026"),
    ("2026-10-05", "2026-10-05", "2026-10-06", "2026-10-05", "5 October 2026"),
    ("2025-12-01..2026-01-31", "2025-12-01", "2026-02-01", "2025-12-01..2026-01-31", "December 2025 to January 2026"),
]


@pytest.mark.parametrize(("text", "start", "end", "label", "title"), CASES)
def test_a_period_is_what_its_text_says(text, start, end, label, title):
    period = parse_period(text, now=NOW)
    assert (f"{period.start:%Y-%m-%d}", f"{period.end:%Y-%m-%d}") == (start, end)
    assert (period.label, period.title()) == (label, title)
    assert period.start.tzinfo is UTC
    assert parse_period(period.label, now=NOW) == period


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-10", "in October 2026"),
        ("2026", "in 2026"),
        ("2026-Q4", "from October to December 2026"),
        ("2026-10-14", "on 14 October 2026"),
        ("2026-10-01..2026-10-15", "from 1 to 15 October 2026"),
    ],
)
def test_a_sentence_says_when(text, words):
    assert parse_period(text, now=NOW).when() == words


@pytest.mark.parametrize(
    "text",
    ["", "2026-13", "2026-00", "2026-Q5", "2026-W54", "0d", "d", "-3d", "yesterday", "26-10", "2026-10-32",
     "2026-10-15..2026-10-01", "2026-10-01..", "9999", "0000", "last-decade", "2026-10; drop"],
)  # fmt: skip
def test_what_is_no_period_is_told_with_the_forms(text):
    with pytest.raises(UsageError, match="is not a period") as caught:
        parse_period(text, now=NOW)
    assert "last-month" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "before"),
    [("2026-03", "2026-02"), ("2026-Q1", "2025-Q4"), ("2026", "2025"), ("2026-01", "2025-12"),
     ("2026-10-05", "2026-10-04"), ("2026-10-03..2026-10-04", "2026-10-01..2026-10-02")],
)  # fmt: skip
def test_the_period_before_is_the_same_unit(text, before):
    previous = parse_period(text, now=NOW).previous()
    assert previous.label == before
    assert parse_period(before, now=NOW) == previous


@given(st.datetimes(datetime(2015, 1, 1), datetime(2099, 1, 1)), st.sampled_from(["week", "month", "quarter", "year"]))
def test_the_last_unit_ends_where_this_one_begins_and_this_one_holds_now(now, unit):
    moment = now.replace(tzinfo=UTC)
    last, this = parse_period(f"last-{unit}", now=moment), parse_period(f"this-{unit}", now=moment)
    assert last.end == this.start <= moment < this.end
    assert this.previous().start == last.start


@given(
    st.datetimes(datetime(2015, 1, 1), datetime(2099, 1, 1)),
    st.sampled_from(["last-month", "last-week", "last-quarter", "last-year", "7d"]),
)
def test_a_moving_period_never_reaches_beyond_today(now, text):
    moment = now.replace(tzinfo=UTC)
    period = parse_period(text, now=moment)
    assert period.start < period.end <= moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert period.previous().end == period.start
