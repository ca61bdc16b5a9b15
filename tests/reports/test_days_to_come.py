"""Days that are not over when a report is issued are told from days that nobody collected."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from kubedossier.analytics import figures
from kubedossier.analytics.archive import Archive
from kubedossier.analytics.periods import parse_period
from kubedossier.reports.build import build
from kubedossier.reports.charts import svg
from kubedossier.reports.model import Report, Request

from .conftest import ACTIONS, CLUSTERS, event, snapshot

FEBRUARY, MARCH = datetime(2096, 2, 1, tzinfo=UTC), datetime(2096, 3, 1, tzinfo=UTC)
"""A period that no ledger entry of a test can be younger than."""
ISSUED = datetime(2096, 3, 10, 12, tzinfo=UTC)
FIFTH = MARCH + timedelta(days=4)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """February whole; of March what was over at noon of the 10th, but for the 5th; half as many events as before."""
    root = tmp_path_factory.mktemp("running") / "dossier"

    def hours(first: datetime, count: int) -> list[dict[str, Any]]:
        return [event(first + timedelta(hours=n), "anna@example.com", ACTIONS[0], CLUSTERS[0]) for n in range(count)]

    snapshot(root, hours(FEBRUARY, 200), FEBRUARY, MARCH)
    snapshot(root, hours(MARCH, 90), MARCH, ISSUED, [(FIFTH, FIFTH + timedelta(days=1), "failed")])
    return Archive(root)


def reported(archive: Archive, period: str = "2096-03", issued: datetime | None = ISSUED) -> Report:
    return build(archive, parse_period(period, now=ISSUED), Request(issued=issued))


@pytest.fixture(scope="module")
def report(archive: Archive) -> Report:
    return reported(archive)


def said(report: Report, rule: str) -> tuple[str, str]:
    one = next(one for one in report.findings if one.rule == rule)
    return one.title, "".join(part if isinstance(part, str) else part.raw for part in one.text)


def test_days_to_come_are_not_called_missing(report):
    states = report.completeness.strip.figure.column("state")
    assert [states.count(state) for state in (figures.COLLECTED, figures.MISSING, figures.NOT_YET)] == [8, 1, 22]
    assert report.cover.coverage == "31 days: 8 collected, 1 not collected, 22 not over yet"
    assert said(report, "completeness") == (
        "1 of 9 days is not attested as collected.",
        "Not collected: 5 March 2096. Not over when the report was issued: 10 to 31 March 2096.",
    )
    assert "".join(report.completeness.lead) == (
        "8 of 9 days of the period that are over were collected in full. Not collected: 5 March 2096. "
        "Not over when the report was issued: 10 to 31 March 2096."
    )
    days = next(one for one in report.key_figures if one.label == "Days collected")
    assert (days.value, days.note) == ("8 / 9", "1 not attested")


def test_the_calendar_says_so_too(report):
    calendar = report.completeness.calendar.figure
    assert calendar.column("state").count(figures.NOT_YET) == 22
    assert "not over yet" in str(svg(calendar))
    assert "\u2026" in str(svg(report.completeness.strip.figure))


def test_what_is_not_over_is_not_compared_with_what_is(report):
    events = report.key_figures[0]
    assert events.note == "200 in Feb"
    assert not [one for one in report.findings if one.rule == "volume"]
    assert not [row for table in report.rankings for row in table.rows if any("%" in cell.text for cell in row[4:])]


def test_a_period_whose_days_so_far_were_collected_has_no_gap_so_far(archive):
    report = reported(archive, "2096-03-06..2096-03-31")
    assert said(report, "completeness")[0] == "The record has no gap so far."
    assert "all of the 4 days that are over; 22 days were not over" in "".join(report.lead)


def test_days_that_were_over_when_the_report_was_issued_are_missing(archive):
    later = reported(archive, issued=datetime(2096, 4, 2, tzinfo=UTC))
    assert later.cover.coverage == "31 days: 8 collected, 1 in part, 22 not collected"
    assert reported(archive, issued=None).cover.coverage == later.cover.coverage


def test_an_older_date_of_issue_than_the_ledgers_hides_no_gap(busy):
    before = build(busy, parse_period("2026-10", now=ISSUED), Request(issued=datetime(2026, 10, 2, tzinfo=UTC)))
    assert "not over yet" not in before.cover.coverage


def test_the_manifest_holds_the_moment_that_tells_them(archive, report):
    def issued(of: Report) -> Any:
        return json.loads(of.attachments[-1].data)["report"].get("issued")

    assert issued(report) == "2096-03-10T12:00:00+00:00"
    assert issued(reported(archive, "2096-02")) is None


def test_a_week_is_as_good_as_its_days_that_are_over():
    period = parse_period("2096-Q1", now=ISSUED)
    days = figures.steps_of(period, "day")
    states = [figures.COLLECTED if day < date(2096, 3, 13) else figures.MISSING for day in days]

    class Answered:
        name = "coverage_by_cluster"
        frame = pl.DataFrame({"date": days, "cluster": "one", "events": 1, "state": states})

    until = datetime(2096, 3, 13, tzinfo=UTC)
    weeks = figures.cluster_calendar(Answered(), period, until=until)
    assert set(weeks.column("state")) == {figures.COLLECTED, figures.NOT_YET}
    assert figures.PARTIAL in figures.cluster_calendar(Answered(), period).column("state")
