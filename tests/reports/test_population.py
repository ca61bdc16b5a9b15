"""What was received beside what the Console counted: never more than that, and no number where it gave none."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from kubedossier.analytics.periods import parse_period
from kubedossier.reports.data import json_bytes
from kubedossier.reports.population import population, population_words
from kubedossier.reports.web import html_bytes

OCTOBER = parse_period("2026-10", now=datetime(2026, 11, 2, tzinfo=UTC))
FIRST, AFTER = datetime(2026, 10, 1), datetime(2026, 11, 1)
SCHEMA = {"start": pl.Datetime, "end": pl.Datetime, "total_before": pl.Int64, "total_after": pl.Int64}
RUNS = {"snapshot": pl.String, "type": pl.String, "filtered": pl.Boolean}


def found(windows, runs=(("s", "snapshot", False),)):
    rows = [(FIRST, AFTER, *one) if len(one) == 4 else one for one in windows]
    frame = pl.DataFrame(rows, schema=SCHEMA | {"received": pl.Int64, "snapshot": pl.String}, orient="row")
    return population(frame, pl.DataFrame(list(runs), schema=RUNS, orient="row"), OCTOBER)


@pytest.mark.parametrize(
    ("windows", "runs", "said"),
    [
        (
            [(9, 9, 9, "s")],
            [("s", "snapshot", False)],
            "All 9 records that the Console counted in the one window read for the period",
        ),
        (
            [(9, 1000, 990, "s"), (10, 10, 12, "s")],
            [("s", "snapshot", False)],
            "1,000 of 1,010 records that the Console counted (99\u00a0%) in the 2 windows read for the period",
        ),
        (
            [(datetime(2026, 9, 30), AFTER, 1, 1, 1, "s")],
            [("s", "snapshot", False)],
            "The one record that the Console counted in the one window read for the period, which reaches beyond it",
        ),
        (
            [(0, 0, 0, "s")],
            [("s", "snapshot", False)],
            "The Console counted no record in the one window read for the period",
        ),
        ([(None, None, 7, "s")], [("s", "snapshot", False)], "1 window without a count of the Console"),
        ([(3, 3, 3, "f")], [("f", "snapshot", True)], "1 filtered snapshot, completeness not attested"),
        ([], [("a", "import", None), ("b", "import", None)], "2 imports of files, completeness not attested"),
        (
            [(3, 3, 3, "s"), (None, None, 1, "s")],
            [("s", "snapshot", False), ("i", "import", None)],
            "All 3 records that the Console counted in the one window read for the period; "
            "1 window without a count of the Console; 1 import of files, completeness not attested",
        ),
        ([], [], "Nothing"),
    ],
)
def test_the_cover_says_what_was_received_of_what_the_console_counted(windows, runs, said):
    assert population_words(found(windows, runs)) == said


def test_more_rows_than_counted_do_not_make_up_for_fewer():
    both = found([(10, 10, 20, "s"), (10, 10, 5, "s")])
    assert (both.received, both.expected) == (15, 20)


def test_paper_page_and_data_say_it_alike(busy_report, busy_pdf, text_of):
    text = " ".join(text_of(busy_pdf).split())
    assert text.count(busy_report.cover.received[1:]) == 2  # cover and section 2
    assert html_bytes(busy_report).decode().count(busy_report.cover.received[1:]) == 2
    held = busy_report.cover.population
    assert held.received == held.expected == busy_report.cover.events
    assert f'"expected": {held.expected}' in json_bytes(busy_report).decode()
