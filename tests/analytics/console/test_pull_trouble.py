"""A run in trouble: nothing that arrived is lost, nothing is claimed that was not seen, and the next run goes on."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.ingest import console_answer
from kubedossier.analytics.ingest import pull as pull_module
from kubedossier.analytics.ingest.console_coverage import Gap, claims, joined, unfinished
from kubedossier.analytics.ingest.console_pace import Patience
from kubedossier.analytics.ingest.console_progress import Committed, Waiting
from kubedossier.analytics.ingest.console_survey import survey
from kubedossier.analytics.ingest.console_window import SplitWindow, Window, WindowResult
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.times import to_micros

FIRST = datetime(2026, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 10, 4, tzinfo=UTC)
PASSING = [429, 500, "drop", "html", "truncated", "short", 204]


def spans(path, view: str) -> list[dict]:
    return Archive(path).select(f"select * from {view}", {}).to_pylist()


def covers(path, *moments: datetime) -> bool:
    """Whether any of the moments lies in a range that is claimed."""
    claimed = spans(path, "collected")
    naive = [moment.replace(tzinfo=None) for moment in moments]
    return any(span["start"] <= moment < span["end"] for span in claimed for moment in naive)


def test_faults_all_along_the_way_lose_nothing_and_double_nothing(console, event, archive_path, stored, monkeypatch):
    # Which request meets which fault is the threads' business; one that meets the worst of them must not give up.
    monkeypatch.setattr(console_answer, "_BAD_ANSWERS", 1000)
    console.events = [event(number) for number in range(300)]
    console.faults.extend([None, None, None, *[fault for fault in PASSING for _ in range(2)]] * 4)
    told = []
    patient = console.client(patience=Patience(total_s=1e9, first_s=1e9))
    outcome = console.pull(archive_path, client=patient, steps=told.append, connections=4)
    assert stored(archive_path) == sorted(console.events)
    assert (outcome.new, outcome.duplicate, outcome.gaps) == (300, 0, [])
    assert len([step for step in told if isinstance(step, Waiting)]) > 10


def test_a_token_that_ends_again_and_again_is_no_trouble(console, event, archive_path, stored):
    console.events = [event(number) for number in range(300)]

    def forget(number):
        if number % 5 == 0:
            console.tokens.clear()

    console.on_request = forget
    console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert console.logins > 5


def test_events_that_arrive_while_reading_shift_pages_and_are_not_lost(console, event, archive_path, stored, runs):
    console.events = [event(number) for number in range(200)]
    inserted = []

    def arrive(number):
        if number in (8, 12, 17):
            inserted.append(event(1000 + number, FIRST + timedelta(minutes=number, seconds=30)))
            console.events.append(inserted[-1])

    console.on_request = arrive
    console.pull(archive_path, connections=1)
    assert set(stored(archive_path)) >= set(console.events) - set(inserted)
    console.on_request = lambda number: None
    outcome = console.pull(archive_path, everything=True)
    assert stored(archive_path) == sorted(console.events)
    assert outcome.gaps == []


def test_a_window_that_shifts_is_read_again_until_it_stands(console, event, archive_path, stored, runs):
    console.events = [event(number) for number in range(40)]
    arrived = event(1000, FIRST + timedelta(seconds=5))
    # The whole range is one window of four pages; one event comes before all others between its first two
    # pages.
    console.on_request = lambda number: console.events.append(arrived) if number == _first_page(console) + 1 else None
    outcome = console.pull(archive_path, connections=1, start=FIRST, end=FIRST + timedelta(hours=1))
    assert stored(archive_path) == sorted(console.events)
    windows = [one for one in runs(archive_path)[0]["windows"] if one["reads"] > 1]
    assert [one["stable"] for one in windows] == [True]
    assert (outcome.gaps, outcome.duplicate) == ([], 0)


def test_pages_that_shift_under_an_unchanged_count_are_noticed(console, event, archive_path, stored, runs):
    console.events = [event(number) for number in range(40)]
    everything, arrived = list(console.events), event(1000, FIRST + timedelta(seconds=5))

    def swap(number):
        if number == _first_page(console) + 1:  # one comes at the beginning, one goes at the end
            console.events = [arrived, *console.events[:-1]]

    console.on_request = swap
    console.pull(archive_path, connections=1, start=FIRST, end=FIRST + timedelta(hours=1))
    assert stored(archive_path) == sorted([arrived, *everything[:-1]])
    (window,) = [one for one in runs(archive_path)[0]["windows"] if one["received"]]
    assert (window["reads"], window["stable"]) == (2, True)


def _first_page(console) -> int:
    """The number of the first request that asks for a whole page."""
    pages = [number for number, asked in enumerate(console.requests, 1) if asked["limit"] != ["1"]]
    return pages[0] if pages else -1


def test_what_only_an_earlier_reading_saw_is_kept(console, event, archive_path, stored):
    console.events = [event(number) for number in range(40)]
    everything = list(console.events)

    def drop_oldest(number):
        if number == _first_page(console) + 1:
            del console.events[0]

    console.on_request = drop_oldest
    outcome = console.pull(archive_path, connections=1, start=FIRST, end=FIRST + timedelta(hours=1))
    assert stored(archive_path) == sorted(everything)
    assert [gap.reason for gap in outcome.gaps] == ["dropped"]
    assert not covers(archive_path, FIRST)
    assert covers(archive_path, FIRST + timedelta(minutes=1))


def test_counts_that_never_agree_leave_a_gap_and_all_events(console, event, archive_path, stored):
    console.events = [event(number) for number in range(30)]
    console.fault_for_ever = "wrong_count"
    outcome = console.pull(archive_path, start=FIRST, end=NOW)
    assert stored(archive_path) == sorted(console.events)
    assert {gap.reason for gap in outcome.gaps} == {"unstable"}
    assert spans(archive_path, "collected") == []


def test_a_window_that_is_wrongly_empty_every_time_shows_in_the_sum(console, event, archive_path, stored, monkeypatch):
    console.events = [event(number, FIRST + timedelta(minutes=13 * number)) for number in range(300)]
    matching = console.matching

    def forgetful(asked):
        """Finds nothing in a window of the middle, and counts the whole rightly."""
        start, end = asked.get("from", [""])[0], asked.get("to", ["~"])[0]
        return [] if start > "2026-10-01T01" and end < "2026-10-03T23" else matching(asked)

    monkeypatch.setattr(console, "matching", forgetful)
    outcome = console.pull(archive_path, connections=4)
    assert len(stored(archive_path)) < 300
    assert {gap.reason for gap in outcome.gaps} == {"unstable"}
    assert not spans(archive_path, "collected")
    monkeypatch.setattr(console, "matching", matching)
    assert console.pull(archive_path).gaps == []
    assert stored(archive_path) == sorted(console.events)


def test_a_gap_that_can_be_filled_is_filled_by_the_next_run(console, event, archive_path):
    console.events = [event(number) for number in range(30)]
    console.fault_for_ever = "wrong_count"
    console.pull(archive_path, start=FIRST, end=FIRST + timedelta(minutes=10))
    console.fault_for_ever = None
    console.pull(archive_path, start=FIRST + timedelta(hours=30), end=NOW)
    console.pull(archive_path, overlap=timedelta(0))
    assert spans(archive_path, "gaps") == []
    assert covers(archive_path, FIRST)


@pytest.mark.parametrize("counts", [True, False])
def test_the_same_page_for_ever_is_found_and_worked_around(console, event, archive_path, stored, counts):
    console.heeds_offset, console.counts = False, counts
    console.events = [event(number) for number in range(95)]
    outcome = console.pull(archive_path, connections=4)
    assert stored(archive_path) == sorted(console.events)
    if not counts:  # without counts nothing tells that a page which repeats was all there is
        assert {gap.reason for gap in outcome.gaps} == {"unstable"}
        assert not covers(archive_path, *(FIRST + timedelta(minutes=number) for number in range(95)))
    assert len(console.requests) < 1500


def test_two_equal_events_are_no_loop(console, event, archive_path, stored):
    console.events = [event(1), event(2), event(2), event(3)]
    outcome = console.pull(archive_path)
    assert stored(archive_path) == sorted({event(1), event(2), event(3)})
    assert (outcome.received, outcome.duplicate, outcome.gaps) == (4, 1, [])


def test_a_console_that_fails_for_good_leaves_what_arrived_and_a_gap(console, event, archive_path, stored, monkeypatch):
    monkeypatch.setattr(pull_module, "COMMIT_ROWS", 150)
    console.events = [event(number) for number in range(1200)]

    def fail(number):
        if number > 60:
            console.fault_for_ever = 500

    console.on_request = fail
    with pytest.raises(SourceError, match="tries"):
        console.pull(archive_path)
    kept = stored(archive_path)
    assert 100 < len(kept) < 1200
    assert set(kept) < set(console.events)
    gap = spans(archive_path, "gaps")
    assert {one["reason"] for one in gap} == {"failed"}
    assert max(one["end"] for one in gap) == NOW.replace(tzinfo=None)
    _nothing_untrue_is_claimed(archive_path, console.events, kept)

    console.on_request, console.fault_for_ever = (lambda number: None), None
    console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert spans(archive_path, "gaps") == []
    assert covers(archive_path, FIRST)


def test_leaving_early_commits_what_arrived_and_records_the_rest(console, event, archive_path, stored, monkeypatch):
    monkeypatch.setattr(pull_module, "COMMIT_ROWS", 150)
    console.events = [event(number) for number in range(1200)]
    console.pull(archive_path, steps=lambda step: "leave" if isinstance(step, Committed) else None)
    kept = stored(archive_path)
    assert 100 < len(kept) < 1200
    assert {one["reason"] for one in spans(archive_path, "gaps")} == {"interrupted"}
    _nothing_untrue_is_claimed(archive_path, console.events, kept)
    console.requests.clear()
    console.pull(archive_path, overlap=timedelta(0))
    assert stored(archive_path) == sorted(console.events)
    assert spans(archive_path, "gaps") == []
    resumed = min(request["from"][0] for request in console.requests if request.get("from", [""])[0] > "2026")
    assert resumed > "2026-10-01T01:00:00.000Z"


def test_an_interrupt_ends_the_run_at_once_and_is_passed_on(console, event, archive_path):
    console.events = [event(number) for number in range(400)]

    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        console.pull(archive_path, steps=interrupt)
    assert {one["reason"] for one in spans(archive_path, "gaps")} == {"interrupted"}


def test_a_killed_run_leaves_one_range_without_holes(console, event, archive_path, stored, monkeypatch):
    monkeypatch.setattr(pull_module, "COMMIT_ROWS", 100)
    monkeypatch.setattr(pull_module.Pull, "_settle", lambda *_: None)  # killed: nothing more is written
    console.events = [event(number) for number in range(1500)]
    commits = []

    def kill(step):
        commits.extend([step] * isinstance(step, Committed))
        return "leave" if len(commits) == 3 else None

    console.pull(archive_path, steps=kill, connections=4)
    (span,) = spans(archive_path, "collected")
    assert span["start"] == FIRST.replace(tzinfo=None)
    _nothing_untrue_is_claimed(archive_path, console.events, stored(archive_path))


def _nothing_untrue_is_claimed(path, events, kept) -> None:
    """Every event inside a claimed range is archived."""
    archived = set(kept)
    missing = [FIRST + timedelta(minutes=number) for number, raw in enumerate(events) if raw not in archived]
    assert not covers(path, *missing)


def test_a_window_that_is_split_when_all_others_are_done_is_still_read(
    console, event, archive_path, stored, monkeypatch
):
    console.events = [event(number) for number in range(2500)]
    plain, others, split = pull_module.read_window, threading.Event(), []
    done = []

    def read_window(get_page, query, window, **options):
        if window.start == to_micros(FIRST) and not split:
            split.append(window)
            assert others.wait(600)
            return SplitWindow(window, window.split(3))
        result = plain(get_page, query, window, **options)
        done.append(window)
        if len(done) == 8:  # as far as the run goes ahead
            others.set()
        return result

    monkeypatch.setattr(pull_module, "read_window", read_window)
    console.pull(archive_path)
    assert len(split) == 1
    assert stored(archive_path) == sorted(console.events)


def test_events_the_console_dropped_between_runs_are_a_gap(console, event, archive_path):
    console.events = [event(number) for number in range(10)]
    console.pull(archive_path)
    console.events = [event(0, NOW + timedelta(days=2))]
    console.pull(archive_path, now=NOW + timedelta(days=3))
    (gap,) = spans(archive_path, "gaps")
    assert (gap["start"], gap["end"], gap["reason"]) == (
        NOW.replace(tzinfo=None),
        (NOW + timedelta(days=2)).replace(tzinfo=None),
        "dropped",
    )
    assert not covers(archive_path, NOW + timedelta(days=1))
    assert covers(archive_path, NOW + timedelta(days=2))


def test_a_console_that_was_emptied_leaves_a_gap(console, event, archive_path):
    console.events = [event(0)]
    console.pull(archive_path)
    console.events = []
    outcome = console.pull(archive_path, now=NOW + timedelta(days=1))
    assert [gap.reason for gap in outcome.gaps] == ["dropped"]
    assert not covers(archive_path, NOW + timedelta(hours=1))


def test_a_quiet_console_that_dropped_nothing_has_no_gap(console, event, archive_path):
    console.events = [event(0), event(1)]
    console.pull(archive_path)
    del console.events[0]
    outcome = console.pull(archive_path, now=NOW + timedelta(days=1))
    assert outcome.gaps == []


def test_what_is_dropped_while_reading_is_not_claimed(console, event, archive_path):
    console.events = [event(number) for number in range(60)]

    def drop(number):
        if number == 2:  # after the oldest was asked, before anything was read
            del console.events[:30]

    console.on_request = drop
    outcome = console.pull(archive_path)
    assert not covers(archive_path, FIRST + timedelta(minutes=29))
    assert covers(archive_path, FIRST + timedelta(minutes=30))
    assert [gap.reason for gap in outcome.gaps] == ["dropped"]


def test_what_is_emptied_while_reading_is_not_claimed(console, event, archive_path):
    console.events = [event(number) for number in range(60)]
    console.on_request = lambda number: console.events.clear() if number == 3 else None
    console.pull(archive_path)
    assert spans(archive_path, "collected") == []


def test_waiting_threads_are_woken_when_the_run_ends(console, event, archive_path):
    """A real wait of minutes would follow; leaving must not take it."""
    console.events = [event(number) for number in range(50)]
    with console.client(sleep=None) as client, Intake(archive_path, kind="snapshot") as intake:
        run = pull_module.Pull(client, intake, pull_module.Wanted(page_size=5), survey(client), now=lambda: NOW)
        console.fault_for_ever, console.retry_after = 429, "100"
        console.on_request = lambda number: None
        client.page = _failing_first_count(client)
        with closing(run.run()) as steps:
            for step in steps:
                if isinstance(step, Waiting):
                    break
    assert {one["reason"] for one in spans(archive_path, "gaps")} == {"interrupted"}


def _failing_first_count(client):
    """Let the plan's count pass, so that the threads are the ones that wait."""
    plain = type(client).page

    def page(query, *, offset=0, limit=50):
        if limit == 1:
            from kubedossier.analytics.ingest.console_answer import Page

            return Page((), 50, b"", 0)
        return plain(client, query, offset=offset, limit=limit)

    return page


def _result(start: int, end: int, *, stable: bool) -> WindowResult:
    return WindowResult(Window(start, end), (), 0, 0, 0, stable, 1, 1, "")


def test_claims_are_stable_windows_from_the_oldest_event_on():
    results = [_result(0, 10, stable=True), _result(10, 20, stable=False), _result(20, 40, stable=True)]
    whole, gaps = claims(results, Window(0, 30), oldest=5, oldest_now=5)
    assert whole == [Window(5, 10), Window(20, 30)]
    assert [(gap.window, gap.reason) for gap in gaps] == [(Window(10, 20), "unstable")]


def test_a_console_that_shows_no_event_and_counts_some_leaves_a_gap_and_no_claim():
    results = [_result(-5, 10, stable=False), _result(10, 20, stable=False), _result(20, 40, stable=True)]
    assert claims(results, Window(0, 30), oldest=None, oldest_now=None) == ([], [Gap(Window(0, 20), "unstable")])
    assert claims(results[2:], Window(0, 30), oldest=None, oldest_now=None) == ([], [])


def test_what_lay_before_the_new_oldest_event_counts_as_dropped():
    whole, gaps = claims([_result(0, 30, stable=True)], Window(0, 30), oldest=0, oldest_now=12)
    assert whole == [Window(12, 30)]
    assert [(gap.window, gap.reason) for gap in gaps] == [(Window(0, 12), "dropped")]


def test_the_unfinished_is_the_range_without_what_was_done():
    gaps = unfinished(Window(0, 100), [Window(20, 30), Window(-5, 10), Window(25, 60)], "failed")
    assert [gap.window for gap in gaps] == [Window(10, 20), Window(60, 100)]


def test_windows_that_touch_are_joined():
    assert joined([Window(5, 9), Window(0, 5), Window(20, 21)]) == [Window(0, 9), Window(20, 21)]
