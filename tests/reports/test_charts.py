"""Figures: what is drawn is what was counted, and a state is never told by colour alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import polars as pl
import pytest

from kubedossier.analytics import figures
from kubedossier.analytics.periods import parse_period
from kubedossier.reports import charts
from kubedossier.reports.grids import thresholds
from kubedossier.reports.rosette import rosette

NOW = datetime(2026, 11, 2, tzinfo=UTC)


class Answered:
    name = "a_query"

    def __init__(self, **columns):
        self.frame = pl.DataFrame(columns)


def coverage(period, states):
    days = figures.steps_of(period, "day")
    return Answered(
        date=days,
        events=[3] * len(days),
        collected_share=[1.0] * len(days),
        state=[states[n % len(states)] for n in range(len(days))],
    )


def texts(drawing) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(str(drawing)).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("text", ["2026-10", "2026-Q3", "2026", "2026-10-14", "2024-01-01..2026-12-31"])
def test_every_period_is_drawn_and_adds_up(text):
    period = parse_period(text, now=NOW)
    figure = figures.day_strip(coverage(period, figures.STATES), period)
    assert len(figure.rows) == period.days
    assert ElementTree.fromstring(str(charts.svg(figure))).tag.endswith("svg")
    answer = Answered(date=figures.steps_of(period, "day"), events=[2] * period.days, denied=[1] * period.days)
    columns = figures.activity_columns(answer, period)
    assert sum(columns.column("events")) == 2 * period.days
    assert len(columns.rows) <= 62
    ElementTree.fromstring(str(charts.svg(columns)))


def test_every_state_has_a_sign_or_a_word():
    period = parse_period("2026-10", now=NOW)
    seen = texts(charts.svg(figures.day_strip(coverage(period, figures.STATES), period)))
    for word in ("collected", "collected in part", "not collected", "may have been dropped by the Console"):
        assert word in seen
    assert {"!", "\u2013", "i"} <= set(seen)


def test_nothing_happened_looks_different_from_nobody_looked():
    period = parse_period("2026-10-01..2026-10-04", now=NOW)
    days = figures.steps_of(period, "day")
    states = [figures.COLLECTED, figures.MISSING, figures.DROPPED, figures.IMPORTED]
    answer = Answered(date=days, cluster=["one"] * 4, events=[0, 0, 0, 7], state=states)
    cells = texts(charts.svg(figures.cluster_calendar(answer, period)))
    assert {"0", "\u2013", "!"} <= set(cells)


def test_a_week_with_a_lost_day_is_not_shown_as_collected():
    period = parse_period("2026-Q3", now=NOW)
    days = figures.steps_of(period, "day")
    states = [figures.MISSING if n == 40 else figures.COLLECTED for n in range(len(days))]
    answer = Answered(date=days, cluster=["one"] * len(days), events=[1] * len(days), state=states)
    figure = figures.cluster_calendar(answer, period)
    assert figure.step == "week"
    assert figure.column("state").count(figures.PARTIAL) == 1
    assert sum(figure.column("events")) == len(days)


def test_heat_map_keeps_the_order_of_the_matrix_and_unknown_tactics_last():
    period = parse_period("2026-10", now=NOW)
    day = figures.steps_of(period, "day")[0]
    answer = Answered(date=[day] * 3, tactic=["Zebra", "Impact", "Execution"], events=[1, 2, 3])
    figure = figures.tactic_heat_map(answer, period)
    assert list(dict.fromkeys(figure.column("tactic"))) == ["Execution", "Impact", "Zebra"]


def test_panels_show_the_most_frequent_and_say_how_many_there_are():
    period = parse_period("2026-10", now=NOW)
    day = figures.steps_of(period, "day")[4]
    answer = Answered(date=[day] * 12, technique=[f"t{n:02}" for n in range(12)], events=list(range(1, 13)))
    figure = figures.technique_panels(answer, period, limit=9)
    assert next(iter(figure.column("technique"))) == "t11"
    assert "9 of 12 techniques" in figure.alt
    assert len(figure.rows) == 9 * 31


@pytest.mark.parametrize("maximum", [0, 1, 2, 6, 7, 13, 99, 100, 1234, 999_999])
def test_shades_rise_to_the_maximum(maximum):
    bounds = thresholds(maximum)
    assert list(bounds) == sorted(set(bounds))
    assert len(bounds) <= 6
    assert not maximum or bounds[-1] == maximum


def test_the_seal_differs_with_a_single_digit_and_repeats_itself():
    one = "1d00142b67c2a18ffaf855719fc3e7ff197cecf56d21908334b546c61b5c3f84"
    other = "1d00142b67c2a18ffaf855719fc3e7ff197cecf56d21908334b546c61b5c3f85"
    assert rosette(one) == rosette(one)
    assert rosette(one) != rosette(other)
    assert len(re.findall("<polyline", str(rosette(one)))) == 64 + 6


def test_audited_names_are_escaped_in_drawings():
    period = parse_period("2026-10-01..2026-10-01", now=NOW)
    name = "</text><script>\u202e\x00"
    answer = Answered(date=figures.steps_of(period, "day"), cluster=[name], events=[1], state=[figures.COLLECTED])
    drawing = str(charts.svg(figures.cluster_calendar(answer, period)))
    assert "<script" not in drawing
    assert "\u202e" not in drawing
    ElementTree.fromstring(drawing)


def columns_of(text, events):
    period = parse_period(text, now=NOW)
    days = figures.steps_of(period, "day")
    return figures.activity_columns(Answered(date=days, events=[events] * len(days), denied=[0] * len(days)), period)


def test_columns_without_an_event_say_so():
    assert "no events" in texts(charts.svg(columns_of("2026-10", 0)))
    assert "no events" not in texts(charts.svg(columns_of("2026-10", 1)))


@pytest.mark.parametrize("text", ["2026", "2025", "2024", "2026-Q4", "2026-10"])
def test_no_label_of_time_leaves_the_drawing(text):
    drawn = ElementTree.fromstring(str(charts.svg(columns_of(text, 5))))
    for node in drawn.iter("{http://www.w3.org/2000/svg}text"):
        width = len(node.text or "") * 0.55 * float(node.get("font-size"))
        part = {"start": 1.0, "middle": 0.5, "end": 0.0}[node.get("text-anchor")]
        assert float(node.get("x")) + width * part <= 174.01, node.text


def test_the_sentence_for_those_who_cannot_see_names_the_day_as_the_page_does():
    assert "The highest day is 31 October 2026 with 5 events." in columns_of("2026-10", 5).alt


def test_names_that_differ_at_their_end_stay_different_where_they_are_cut():
    period = parse_period("2026-10-01..2026-10-01", now=NOW)
    names = [f"arn:aws:eks:eu-west-1:111122223333:cluster/platform-{which}" for which in ("prod-1", "prod-2")]
    day = figures.steps_of(period, "day") * 2
    answer = Answered(date=day, cluster=names, events=[1, 1], state=[figures.COLLECTED] * 2)
    seen = [one for one in texts(charts.svg(figures.cluster_calendar(answer, period))) if "\u2026" in one]
    assert len(set(seen)) == 2
    assert all(len(one) <= 28 for one in seen)
