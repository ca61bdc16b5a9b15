"""Clocks that are wrong: nothing is claimed of time that has not passed, and nothing waits until it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.console_answer import time_in
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.status import read_status
from kubedossier.analytics.store.verify import verify
from kubedossier.cli import snapshot

NOW = datetime(2026, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)


def collected(path) -> list[tuple[datetime, datetime]]:
    rows = Archive(path).select('select start, "end" from collected', {}).to_pylist()
    return [(row["start"].replace(tzinfo=UTC), row["end"].replace(tzinfo=UTC)) for row in rows]


@pytest.mark.parametrize("ahead", [3 * DAY, timedelta(seconds=61)])
def test_where_this_clock_is_ahead_nothing_is_claimed_beyond_the_consoles_time(
    console, event, archive_path, stored, ahead
):
    console.events = [event(number) for number in range(30)]
    console.behind = ahead
    console.pull(archive_path, now=NOW + ahead)
    assert collected(archive_path) == [(NOW - 3 * DAY, NOW)]
    assert console.run.ahead == ahead
    console.events.append(event(99, NOW + timedelta(minutes=1)))
    console.behind = timedelta(0)
    outcome = console.pull(archive_path, now=NOW + timedelta(hours=1))
    assert (outcome.new, outcome.gaps) == (1, [])
    assert stored(archive_path) == sorted(console.events)
    assert collected(archive_path) == [(NOW - 3 * DAY, NOW + timedelta(hours=1))]


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(seconds=60), -3 * DAY, None])
def test_where_it_is_not_ahead_or_the_console_tells_no_time_this_clock_counts(console, event, archive_path, behind):
    console.events = [event(number) for number in range(3)]
    console.behind = behind
    console.pull(archive_path)
    assert collected(archive_path)[-1][1] == NOW
    assert console.run.ahead is None


def test_after_a_clock_was_set_back_the_next_run_reads_on_at_once(console, event, archive_path, stored):
    console.events = [event(number) for number in range(30)]
    console.behind = None
    console.pull(archive_path, now=NOW + 9 * DAY)
    for hour in range(3):
        console.events.append(event(100 + hour, NOW + timedelta(hours=hour)))
        outcome = console.pull(archive_path, now=NOW + timedelta(hours=hour, minutes=1))
        assert outcome.new == 1
        assert console.run.collected_later == NOW + 9 * DAY
    assert stored(archive_path) == sorted(console.events)
    assert not verify(archive_path, level="deep", recheck=recheck_events).findings
    assert read_status(Archive(archive_path)).counts["new"] == 33
    console.pull(archive_path, now=NOW + 10 * DAY)
    assert console.run.collected_later is None


def test_what_rests_on_a_wrong_clock_is_said(console, event, archive_path, capsys):
    console.events = [event(1)]
    console.behind = 3 * DAY
    console.pull(archive_path, now=NOW + 3 * DAY)
    snapshot._warn_of_clocks(console.run)
    said = " ".join(capsys.readouterr().err.split())
    assert "clock is 259,200 s ahead of the Console's: nothing is claimed beyond the Console's time" in said
    assert "earlier run" not in said
    console.behind = timedelta(0)
    console.pull(archive_path, now=NOW - DAY)
    snapshot._warn_of_clocks(console.run)
    said = " ".join(capsys.readouterr().err.split())
    assert "claims to have collected up to 2026-10-04 00:00:00 UTC, which is later than this machine's clock" in said
    assert "kubedossier retract" in said
    console.pull(archive_path)
    snapshot._warn_of_clocks(console.run)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 04 Oct 2026 00:00:00 GMT", NOW),
        ("Sun, 04 Oct 2026 02:00:00 +0200", NOW),
        ("Sun, 04 Oct 2026 00:00:00", NOW),
        ("", None),
        ("yesterday", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Sun, 99 Oct 2026 00:00:00 GMT", None),
    ],
)
def test_a_moment_as_http_writes_it(text, moment):
    assert time_in(text) == moment
