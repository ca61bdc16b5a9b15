"""The SQL of the annex: set densely, and still the same SQL."""

from __future__ import annotations

import re

import pytest

from kubedossier.analytics.library import library
from kubedossier.reports.asking import _own_queries
from kubedossier.reports.statements import WIDTH, dense, told_once, unusual, usual

QUERIES = {**library(None), **_own_queries()}


def words(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).replace("( ", "(").replace(" )", ")").strip()


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("width", [40, WIDTH])
def test_a_dense_statement_has_the_same_words_in_no_more_lines(name, width):
    sql = QUERIES[name].sql.strip()
    found = dense(sql, width)
    assert words(found) == words(sql)
    assert found.count("\n") <= sql.count("\n")
    longest = max(len(line) for line in sql.splitlines())
    assert all(len(line) <= max(width, longest) for line in found.splitlines())


def test_what_belongs_together_stands_in_one_line_where_it_fits():
    sql = "with a as (\n  select\n    x,\n    y\n  from events\n)\nselect x\nfrom a\norder by x"
    assert dense(sql, 80) == "with a as (select x, y from events) select x from a order by x"
    assert dense(sql, 40) == "with a as (select x, y from events)\nselect x\nfrom a order by x"
    assert dense(sql, 20).splitlines()[:3] == ["with a as (", "  select x, y", "  from events"]


@pytest.mark.parametrize(
    "sql", ["select 1 -- one\nfrom a", "select 'a\nb'\nfrom a", 'select "a\nb"', "select /* a\nb */ 1"]
)
def test_a_statement_whose_line_ends_mean_something_stays_as_it_is(sql):
    assert dense(sql, 80) == sql


def test_parameters_that_most_questions_share_are_told_once(busy_report):
    common = usual(busy_report.evidence)
    assert dict(common)["period_start"] == "2026-10-01T00:00:00Z"
    by_file = {one.file: dict(unusual(one, common)) for one in busy_report.evidence}
    assert by_file["e01-activity-by-day.csv"] == {}
    assert by_file["e11-user-days.csv"] == {"limit": "12"}
    before = next(name for name in by_file if name.endswith("-activity-by-day-before.csv"))
    assert by_file[before]["period_start"] == "2026-09-01T00:00:00Z"


def test_a_statement_inside_another_is_named_by_its_mark(newcomers_report):
    by_name = {one.name: one for one in newcomers_report.evidence}
    actions = by_name["privileged_actions"]
    for name in ("privileged_counts", "bulk_readers"):
        whole = by_name[name].sql
        assert "then 'exec'" in whole
        told = told_once(whole, newcomers_report.evidence)
        reference = f"[the statement of {actions.mark}, in any order, all rows]"
        assert told.count(reference) == 1
        assert "then 'exec'" not in told
        assert len(told.splitlines()) < 30
    assert told_once(actions.sql, newcomers_report.evidence) == actions.sql
