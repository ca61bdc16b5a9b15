"""Times: every odd text gives a flag, never an error."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedossier.analytics.ingest.times import from_micros, parse_time, to_micros

CASES = [
    ("2022-11-23T16:20:20.383Z", "2022-11-23T16:20:20.383000", ()),
    ("2022-11-23T16:20:20Z", "2022-11-23T16:20:20", ()),
    ("2022-11-23t16:20:20z", "2022-11-23T16:20:20", ()),
    ("2022-11-23T16:20:20.1+02:00", "2022-11-23T14:20:20.100000", ()),
    ("2022-11-23T16:20:20.1-0230", "2022-11-23T18:50:20.100000", ()),
    ("2024-02-13 12:45:06.073905000", "2024-02-13T12:45:06.073905", ("time_without_zone",)),
    ("2024-02-13T12:45:06.123456789Z", "2024-02-13T12:45:06.123456", ("time_truncated",)),
    ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999", ("time_leap_second",)),
    ("0001-01-01T00:00:00Z", None, ("time_out_of_range",)),
    ("2100-01-01T00:00:00Z", None, ("time_out_of_range",)),
    ("2013-12-31T23:59:59.999999Z", None, ("time_out_of_range",)),
    ("2014-01-01T00:00:00Z", "2014-01-01T00:00:00", ()),
    ("2024-13-45T00:00:00Z", None, ("time_unreadable",)),
    ("2024-02-30T00:00:00Z", None, ("time_unreadable",)),
    ("2024-01-01T24:00:00Z", None, ("time_unreadable",)),
    ("2024-01-01T00:00:61Z", None, ("time_unreadable",)),
    ("2024-01-01", None, ("time_unreadable",)),
    ("٢٠٢٤-01-01T00:00:00Z", None, ("time_unreadable",)),
    ("yesterday", None, ("time_unreadable",)),
    (1700000000, None, ("time_unreadable",)),
    ("", None, ("time_missing",)),
    (None, None, ("time_missing",)),
]


@pytest.mark.parametrize(("text", "moment", "flags"), CASES)
def test_a_time_is_read_as_utc_and_odd_ones_are_flagged(text, moment, flags):
    micros, found = parse_time(text)
    expected = None if moment is None else to_micros(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert (micros, found) == (expected, flags)


@given(st.datetimes(datetime(2014, 1, 1), datetime(2099, 12, 31)))
def test_every_time_survives_writing_and_reading(moment):
    micros, flags = parse_time(moment.isoformat(timespec="microseconds") + "Z")
    assert not flags
    assert from_micros(micros) == moment.replace(tzinfo=UTC)


@given(st.text(max_size=40))
def test_no_text_is_an_error(text):
    micros, flags = parse_time(text)
    assert micros is not None or flags
