"""What the ledger attests about collection: it never claims more than was recorded."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import hard_archive
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.coverage import Span, merge, subtract
from kubedossier.analytics.store.commit import Writer

moments = hard_archive.moments
snapshot = hard_archive.snapshot
EVENT = b'{"time":"2026-10-05T10:00:00Z","verb":"get","cluster":"prod"}'


def states(root: Path, period: str = "2026-10-05", query: str = "coverage", **asked: object) -> list[str]:
    return Archive(root).query(query, period=period, **asked)["state"].to_list()


def hour(number: int) -> datetime:
    return datetime.fromtimestamp(number * 3600, UTC)


SPANS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(0, 6)), max_size=8).map(
    lambda rows: [Span(console, hour(start), hour(start + size)) for console, start, size in rows]
)


def hours(spans: list[Span]) -> set[tuple[str, int]]:
    return {
        (span.console, number)
        for span in spans
        for number in range(int(span.start.timestamp()) // 3600, int(span.end.timestamp()) // 3600)
    }


@given(SPANS)
def test_merged_ranges_cover_the_same_time_and_do_not_touch(spans):
    merged = merge(spans)
    assert hours(merged) == hours(spans)
    for one, other in pairwise(merged):
        assert one.console < other.console or one.end < other.start


@given(SPANS, SPANS)
def test_what_is_left_is_the_range_without_the_others_of_its_console(spans, others):
    for span in spans:
        assert hours(subtract(span, others)) == hours([span]) - hours(others)


def test_a_day_is_collected_when_snapshots_cover_all_of_it(archive_path):
    snapshot(archive_path, [EVENT], collected=moments("10-05T00..10-05T12"))
    assert states(archive_path) == ["partial"]
    assert Archive(archive_path).query("coverage", period="2026-10-05")["collected_share"].item() == 0.5
    snapshot(archive_path, [], collected=moments("10-05T11..10-06"))
    assert states(archive_path) == ["collected"]
    assert Archive(archive_path).sql("select count(*) from collected").item() == 1


def test_a_filtered_run_claims_nothing(archive_path):
    snapshot(archive_path, [EVENT], filtered=True, collected=moments("10-05..10-06"))
    assert states(archive_path) == ["imported"]
    assert states(archive_path, query="coverage_by_cluster") == ["imported"]


def test_a_run_that_does_not_say_whether_it_was_filtered_claims_nothing(archive_path):
    snapshot(archive_path, [EVENT], filtered=None, collected=moments("10-05..10-06"))
    assert states(archive_path) == ["imported"]


def test_a_retracted_run_claims_nothing_and_shows_nothing(archive_path):
    entry = snapshot(archive_path, [EVENT], collected=moments("10-05..10-06"))
    hard_archive.retract(archive_path, entry)
    assert states(archive_path) == ["not collected"]
    assert Archive(archive_path).sql("select count(*) from events").item() == 0
    assert Archive(archive_path).sql("select count(*) from snapshots").item() == 0
    assert Archive(archive_path, as_of=2).sql("select count(*) from events").item() == 1


@pytest.mark.parametrize("bring", [snapshot, hard_archive.imported])
def test_a_run_claims_nothing_where_its_events_were_left_to_one_that_was_retracted(archive_path, bring):
    later = b'{"time":"2026-10-05T18:00:00Z","verb":"get","cluster":"prod"}'
    first = bring(archive_path, [EVENT])
    snapshot(archive_path, [EVENT, later], collected=moments("10-05..10-06"))
    assert states(archive_path) == ["collected"]
    hard_archive.retract(archive_path, first)
    assert Archive(archive_path).query("coverage", period="2026-10-05")["events"].to_list() == [1]
    assert states(archive_path) == ["partial"]
    found = Archive(archive_path).sql('select start, "end" from collected').rows()
    assert [(one.hour, other.hour) for one, other in found] == [(0, 10), (10, 0)]
    # Who reads it again stores what is hidden, and claims it.
    snapshot(archive_path, [EVENT, later], collected=moments("10-05..10-06"))
    assert Archive(archive_path).query("coverage", period="2026-10-05")["events"].to_list() == [2]
    assert states(archive_path) == ["collected"]


def test_a_retraction_takes_nothing_from_runs_that_stored_all_they_received(archive_path):
    first = snapshot(archive_path, [EVENT])
    other = b'{"time":"2026-10-05T10:00:01Z","verb":"list","cluster":"prod"}'
    snapshot(archive_path, [other], collected=moments("10-05..10-06"))
    hard_archive.retract(archive_path, first)
    assert states(archive_path) == ["collected"]


def test_an_entry_that_counts_nothing_is_shown_with_nothing(archive_path):
    with Writer(archive_path) as writer:
        writer.append("import", "x", {"rejected": {"n": 0, "digest": "0" * 64}})
    row = Archive(archive_path).sql("select received, rejected from snapshots").row(0)
    assert row == (None, None)


def test_each_console_must_have_been_collected(archive_path):
    snapshot(archive_path, [EVENT], collected=moments("10-05..10-06"))
    snapshot(archive_path, [], console="https://other.example", collected=moments("10-04..10-05"))
    assert states(archive_path, "2026-10-04..2026-10-05") == ["partial", "partial"]
    assert states(archive_path, query="coverage_by_cluster") == ["collected"]


def test_what_the_console_may_have_dropped_is_said(archive_path):
    gap = moments("10-05T06..10-05T12")[0] | {"reason": "dropped"}
    snapshot(archive_path, [EVENT], collected=moments("10-05T12..10-06"), gaps=[gap])
    assert states(archive_path) == ["may have been dropped"]
    assert states(archive_path, query="coverage_by_cluster") == ["may have been dropped"]


def test_a_gap_closes_through_a_later_run_and_never_through_an_earlier_one(archive_path):
    gap = moments("10-05T06..10-05T12")[0] | {"reason": "failed"}
    sql = 'select hour(start) as opens, hour("end") as closes, reason from gaps'
    snapshot(archive_path, [], collected=moments("10-05T06..10-05T07"))
    snapshot(archive_path, [], gaps=[gap])
    assert Archive(archive_path).sql(sql).rows() == [(6, 12, "failed")]
    snapshot(archive_path, [], collected=moments("10-05T08..10-05T10"))
    assert Archive(archive_path).sql(sql).rows() == [(6, 8, "failed"), (10, 12, "failed")]
    snapshot(archive_path, [], console="https://other.example", collected=moments("10-05..10-06"))
    assert Archive(archive_path).sql(sql).height == 2
    snapshot(archive_path, [], filtered=True, collected=moments("10-05..10-06"))
    assert Archive(archive_path).sql(sql).height == 2


def test_raw_audit_logs_are_imported_and_never_collected(archive_path):
    snapshot(archive_path, [EVENT], collected=moments("10-05..10-06"))
    line = b'{"kind":"Event","auditID":"a","stage":"ResponseComplete","verb":"get",'
    hard_archive.imported(archive_path, [line + b'"requestReceivedTimestamp":"2026-10-05T01:00:00Z"}'])
    assert states(archive_path, source="raw") == ["imported"]
    assert states(archive_path, source="native") == ["collected"]


def test_a_period_within_a_day_is_measured_by_its_own_length(archive_path):
    snapshot(archive_path, [EVENT], collected=moments("10-05T06..10-05T18"))
    archive = Archive(archive_path)
    inside = archive.query("coverage", start="2026-10-05T08:00:00", end="2026-10-05T12:00:00Z")
    assert inside["state"].to_list() == ["collected"]
    assert inside["collected_share"].to_list() == [1.0]


def test_snapshots_and_windows_are_what_the_ledger_says(archive_path):
    window = moments("10-05..10-06")[0] | {"total_before": 3, "total_after": 4, "received": 4, "stable": False}
    entry = snapshot(
        archive_path,
        [EVENT, b"broken"],
        windows=[window],
        console_total=9,
        console_oldest="2026-10-01T00:00:00.000000Z",
    )
    archive = Archive(archive_path)
    row = archive.sql("select * from snapshots").to_dicts()[0]
    assert {name: row[name] for name in ("seq", "snapshot", "type", "received", "new", "duplicate", "rejected")} == {
        "seq": 2,
        "snapshot": entry,
        "type": "snapshot",
        "received": 2,
        "new": 1,
        "duplicate": 0,
        "rejected": 1,
    }
    assert (row["console_total"], row["console_oldest"], row["filtered"]) == (
        9,
        datetime(2026, 10, 1, tzinfo=UTC),
        False,
    )
    assert archive.sql("select * from windows").rows() == [
        (entry, hard_archive.CONSOLE, *(datetime(2026, 10, day, tzinfo=UTC) for day in (5, 6)), 3, 4, 4, False)
    ]


@pytest.mark.parametrize("count", [1, 2500])
def test_rejects_are_read_with_their_exact_text(archive_path, count):
    broken = [b"\xff not utf-8"] + [f"broken {number} ☃".encode() for number in range(count)]
    entry = snapshot(archive_path, broken)
    rows = Archive(archive_path).sql("select snapshot, reason, raw from rejects").rows()
    assert len(rows) == count + 1
    assert {row[0] for row in rows} == {entry}
    texts = {raw for _, _, raw in rows}
    assert f"broken {count - 1} ☃" in texts
    assert "\\xff not utf-8" in texts
    assert base64.b64encode(broken[0]).decode() not in texts
