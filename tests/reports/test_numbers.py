"""Numbers and dates have one spelling."""

from __future__ import annotations

from datetime import date

import pytest

from kubedossier.reports import numbers


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.995, "99.5 %"), (0.0001, "<0.1 %"), (0.9999, ">99.9 %"), (None, "n/a")],
)
def test_a_share_never_rounds_to_nothing_or_to_all(share, text):
    assert numbers.percent(share).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.25, "25.0 %"), (0.214, "21.4 %"), (0.0, "0 %"), (1.0, "100 %"), (0.00004, "<0.1 %"), (None, "n/a")],
)
def test_shares_that_stand_together_have_the_same_places(share, text):
    assert numbers.tenths(share).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [(0, 0, "0 %"), (0, 5, "new"), (100, 106, "+6 %"), (100, 88, "\u221212 %"), (10, 10, "0 %"), (2, 84, "\u00d7 42")],
)
def test_a_change_has_a_sign(was, now, text):
    assert numbers.change(None, was=was, now=now).replace("\u00a0", " ") == text


def test_days_are_written_as_ranges():
    days = [date(2026, 10, n) for n in (3, 4, 5, 9)]
    assert numbers.days_listed(days) == "3 to 5 and 9 October 2026"
    assert numbers.days_listed([date(2026, 9, 30), date(2026, 10, 1)]) == "30 September 2026 to 1 October 2026"


def test_counts_agree_with_their_noun():
    assert numbers.counted(1, "identity", "identities") == "1 identity"
    assert numbers.counted(2000, "identity", "identities") == "2,000 identities"
    assert numbers.spelled(1, "matter") == "One matter"
    assert numbers.spelled(13, "matter") == "13 matters"
