"""Sentences hold for one, for none and for a single day."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubedossier.analytics.periods import parse_period
from kubedossier.reports import catalogues
from kubedossier.reports.build import build
from kubedossier.reports.model import Request
from kubedossier.reports.text import sentence
from kubedossier.reports.wording import kind_of

NOW = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def one_day(busy):
    return build(busy, parse_period("2026-10-17", now=NOW), Request())


def finding(report, rule: str) -> str:
    return next(sentence(one.text) for one in report.findings if one.rule == rule)


def test_a_single_day_is_not_told_in_plural(one_day):
    assert finding(one_day, "completeness") == "The day was collected, as far as the Console had its events."
    assert sentence(one_day.completeness.lead) == "The one day of the period was collected in full."


def test_what_is_compared_with_is_named_with_its_preposition(one_day, busy_report):
    assert finding(one_day, "volume").endswith(" on 16 October 2026.")
    assert finding(busy_report, "volume").endswith(" in September 2026.")


def test_a_figure_of_one_day_is_told_with_its_preposition(one_day, busy_report):
    for chart in (one_day.completeness.strip, one_day.activity, one_day.techniques, one_day.tactics):
        assert " on 17 October 2026" in chart.figure.alt
        assert "in 17 October" not in chart.figure.alt
    assert " in October 2026" in busy_report.activity.figure.alt


def test_no_cluster_can_fall_silent_in_a_period_of_few_days(one_day, busy_report):
    assert "silent-clusters" not in {one.rule for one in one_day.findings}
    assert "on the last 3 days" in finding(busy_report, "silent-clusters")


def test_days_that_are_missing_are_named_without_a_preposition(busy_report):
    text = finding(busy_report, "completeness")
    assert "before they were read: 14 October 2026." in text
    assert "Not collected: 20 October 2026." in text


def test_the_cover_names_the_kind_of_period():
    kinds = {text: kind_of("monthly", parse_period(text, now=NOW)) for text in ("2026-10", "2026", "2026-10-17")}
    assert kinds == {
        "2026-10": "Monthly compliance report",
        "2026": "Annual compliance report",
        "2026-10-17": "Compliance report",
    }


def test_a_figure_says_how_much_of_it_is_drawn_and_what_is_not_known(busy_report, quiet_report, hostile_report):
    assert hostile_report.techniques.note.startswith("First 9 of 16 techniques, by events. ")
    for chart in (busy_report.activity, busy_report.techniques, busy_report.tactics):
        assert "not collected in full" in chart.note
    assert "not collected" not in quiet_report.activity.note


def test_weeks_are_named_where_they_are_drawn(busy):
    report = build(busy, parse_period("2026-Q4", now=NOW), Request())
    for chart in (report.activity, report.tactics, report.completeness.calendar):
        assert "Weeks are named by their Monday" in chart.note


def test_a_note_below_a_key_figure_leaves_room_for_its_mark(busy_report, quiet_report):
    """On paper a key figure is 33 mm wide, some 29 signs at its size, and a mark takes six of them."""
    for report in (busy_report, quiet_report):
        for one in report.key_figures:
            assert len(one.note) <= 23, one.note


def test_people_are_called_identities_in_every_table(busy_report):
    tables = (*busy_report.rankings, *busy_report.first_seen, busy_report.privileged_kinds)
    assert not [one.title for table in tables for one in table.headings if "user" in one.title.lower()]


def test_an_apostrophe_is_one_sign_in_all_that_a_report_says_itself(quiet):
    chosen = Request(frameworks=catalogues.chosen(catalogues.FRAMEWORKS))
    report = build(quiet, parse_period("2026-10", now=NOW), chosen)
    own = [
        *(part for one in report.findings for part in (one.title, one.statement, one.method, *one.text)),
        *(part for one in report.rules for part in (one.statement, one.method)),
        *(part for of in report.mappings for one in of.controls for part in (one.title, one.shows, one.cannot)),
        *report.method,
        *report.limits,
    ]
    assert [part for part in own if "'" in part] == []


def test_of_a_single_day_no_trend_is_drawn_and_its_record_is_told_in_singular(one_day, busy_report):
    assert "Daily trend" in [one.title for one in busy_report.rankings[0].headings]
    table = one_day.rankings[0]
    assert "Daily trend" not in [one.title for one in table.headings]
    assert {len(row) for row in (*table.rows, table.sums)} == {len(table.headings)}
    assert sum(one.width for one in table.headings) == 100
    assert "It was collected in full. " in sentence(one_day.lead)
