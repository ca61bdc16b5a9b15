"""Questions that are asked for some days at a time give what they give at once."""

from __future__ import annotations

import gc
import hashlib
import zlib
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.thresholds import Anonymous
from kubedossier.reports import gathering, request_tables
from kubedossier.reports.actions import Actions
from kubedossier.reports.build import build
from kubedossier.reports.evidence import written
from kubedossier.reports.gathering import BY_EVENT, parts_of
from kubedossier.reports.model import Request

from .conftest import ACTIONS, CLUSTERS, NOVEMBER, event, snapshot
from .conftest import OCTOBER as FIRST

OCTOBER = parse_period("2026-10", now=datetime(2026, 11, 2, tzinfo=UTC))


def days(*numbers: int) -> list[tuple[date, int]]:
    return [(date(2026, 10, 1) + timedelta(days=n), number) for n, number in enumerate(numbers)]


@pytest.mark.parametrize(
    ("numbers", "starts"),
    [
        ((), [1]),
        ((0,) * 31, [1]),
        ((30_000, 30_000, 1), [1, 3]),
        ((500_000, 500_000, 500_000), [1, 2, 3]),
        ((0, 0, 500_000, 0, 40_000, 20_000, 1), [1, 4, 7]),
    ],
)
def test_a_period_falls_into_whole_days_without_a_hole(numbers, starts):
    parts = list(parts_of(OCTOBER, days(*numbers)))
    assert [one.start.day for one in parts] == starts
    assert (parts[0].start, parts[-1].end) == (OCTOBER.start, OCTOBER.end)
    assert [one.end for one in parts[:-1]] == [one.start for one in parts[1:]]


@pytest.mark.parametrize("name", ["busy", "hostile", "quiet"])
def test_a_report_of_parts_is_the_report_of_the_whole(name, request, monkeypatch):
    archive = request.getfixturevalue(name)
    whole = build(archive, OCTOBER, Request())
    monkeypatch.setattr(gathering, "PART_ROWS", 1)
    assert build(archive, OCTOBER, Request()) == whole


@pytest.mark.parametrize("query", BY_EVENT)
def test_digest_and_attached_rows_are_those_of_the_answer_as_it_stands(busy, query):
    report = build(busy, OCTOBER, Request())
    one = next(one for one in report.evidence if one.name == query)
    rows = written(busy.answer(query, period=OCTOBER, limit=0))
    data = next(item.data for item in report.attachments if item.name == one.file)
    assert (one.rows, one.attached, one.digest) == (rows.rows, rows.attached, rows.digest)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (rows.sha256, rows.size_bytes)
    assert data == zlib.decompress(rows.packed)
    assert one.parameters[:2] == (("period_start", "2026-10-01T00:00:00Z"), ("period_end", "2026-11-01T00:00:00Z"))


def test_rows_that_are_cut_are_hashed_and_counted_all_the_same(busy, monkeypatch):
    whole = build(busy, OCTOBER, Request())
    monkeypatch.setattr(gathering, "PART_ROWS", 1)
    monkeypatch.setattr("kubedossier.reports.evidence.ATTACHED_ROWS", 3)
    cut = build(busy, OCTOBER, Request())
    assert [(one.rows, one.digest) for one in cut.evidence] == [(one.rows, one.digest) for one in whole.evidence]
    assert {one.attached for one in cut.evidence if one.rows > 3} == {3}


def test_requests_without_an_identity_are_counted_in_parts_as_at_once(tmp_path):
    forbidden = {"authorizationInfo": {"authorization.k8s.io/decision": "forbid"}}
    cases = [forbidden, {"requestURI": "/healthz?verbose"}, {"requestURI": "/healthz"}, {"sourceIPs": ["198.51.100.9"]}]
    events = [
        event(FIRST + timedelta(hours=9 * n), "system:anonymous", ACTIONS[n % 3], CLUSTERS[n % 2], **cases[n % 4])
        for n in range(60)
    ]
    snapshot(tmp_path / "dossier", events, FIRST, NOVEMBER)
    frame = Archive(tmp_path / "dossier").answer("anonymous_access", period=OCTOBER, limit=0).frame
    assert frame.height == 60
    parts = [request_tables.held_anonymous(frame.slice(start, 7)) for start in range(0, 60, 7)]
    once = request_tables.anonymous(request_tables.held_anonymous(frame), Anonymous(), mark="E1")
    assert request_tables.anonymous(pl.concat(parts), Anonymous(), mark="E1") == once
    assert [cell.key for cell in once.sums[2:]] == [60, 15, 30, 15]


@pytest.mark.parametrize(
    "held",
    [request_tables.held, lambda rows: Actions.from_rows(rows).frame],
    ids=["denied requests", "privileged actions"],
)
def test_what_is_held_of_the_rows_keeps_none_of_their_memory(busy, held):
    gc.collect()
    before = pa.total_allocated_bytes()
    rows = pa.Table.from_pylist(busy.answer("privileged_actions", period=OCTOBER, limit=0).table.to_pylist())
    rows = rows.set_column(0, "time", rows["time"].cast(pa.timestamp("us", "UTC")))
    assert len(rows) > 50
    assert pa.total_allocated_bytes() > before
    kept = held(pl.DataFrame(rows))
    height = len(rows)
    del rows
    gc.collect()
    assert kept.height == height
    assert pa.total_allocated_bytes() == before
