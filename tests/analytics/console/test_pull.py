"""A run: the archive holds exactly what the Console has, whatever happens on the way, and claims only what was seen."""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.ingest import pull as pull_module
from kubedossier.analytics.ingest.console_address import Filters
from kubedossier.analytics.ingest.console_progress import Committed, Started, WindowRead
from kubedossier.analytics.ingest.console_window import Window
from kubedossier.analytics.ingest.times import to_micros

FIRST = datetime(2026, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 10, 4, tzinfo=UTC)


def micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def ranges(path) -> list[tuple[str, str]]:
    table = Archive(path).select('select start, "end" from collected', {})
    return [(text(row["start"]), text(row["end"])) for row in table.to_pylist()]


def gaps(path) -> list[tuple[str, str, str]]:
    table = Archive(path).select('select start, "end", reason from gaps', {})
    return [(text(row["start"]), text(row["end"]), row["reason"]) for row in table.to_pylist()]


WHOLE = [("2026-10-01T00:00:00.000000Z", "2026-10-04T00:00:00.000000Z")]


def test_the_first_run_archives_everything_and_claims_from_the_oldest_event_on(console, event, archive_path, stored):
    console.events = [event(number) for number in range(137)]
    outcome = console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert (outcome.received, outcome.new, outcome.duplicate, outcome.rejected) == (137, 137, 0, 0)
    assert ranges(archive_path) == WHOLE
    assert gaps(archive_path) == []


@pytest.mark.parametrize("connections", [1, 4, 9])
def test_the_number_of_connections_changes_nothing_but_speed(console, event, archive_path, stored, connections):
    console.events = [event(number) for number in range(430)]
    outcome = console.pull(archive_path, connections=connections)
    assert stored(archive_path) == sorted(console.events)
    assert outcome.received == 430
    assert ranges(archive_path) == WHOLE


def test_the_ledger_says_where_it_came_from_and_nothing_secret(console, event, archive_path, runs):
    console.events = [event(number) for number in range(3)]
    console.pull(archive_path)
    (entry,) = runs(archive_path)
    assert (entry["console"], entry["filtered"], entry["console_total"]) == (console.url, False, 3)
    assert entry["console_oldest"] == "2026-10-01T00:00:00.000000Z"
    assert entry["source"] == {
        "url": console.url,
        "api_version": "v33.01",
        "console_version": "33.01.137",
        "account": "auditor",
        "auth": "bearer",
        "tls": {"verified": True, "sha256": entry["source"]["tls"]["sha256"], "ca_bundle": True},
        "project": None,
        "parameters": {
            "from": None,
            "to": None,
            "user": [],
            "attackTechniques": [],
            "cluster": [],
            "sort": "time",
            "limit": 10,
        },
    }
    assert len(entry["source"]["tls"]["sha256"]) == 64
    assert all(window["stable"] for window in entry["windows"])
    assert sum(window["kept"] for window in entry["windows"]) == 3
    written = json.dumps(entry)
    assert "p%ss" not in written
    assert "e30." not in written


def test_the_ledger_says_which_pages_were_received_when_and_by_whom(console, event, archive_path, runs):
    console.events = [event(number) for number in range(95)]
    console.pull(archive_path)
    (entry,) = runs(archive_path)
    assert entry["started"] == text(NOW)
    assert all(entry[key] for key in ("at", "host", "actor", "tool", "run"))
    assert entry["counts"] == {"received": 95, "new": 95, "duplicate": 0, "rejected": 0, "skipped": 0}
    assert sum(len(window["page_sha256"]) for window in entry["windows"]) > 9
    for window in entry["windows"]:
        assert len(window["page_sha256"]) == window["pages"]
        assert set(window["page_sha256"]) <= set(console.bodies)
        whole = b"".join(bytes.fromhex(one) for one in window["page_sha256"])
        assert window["sha256"] == hashlib.sha256(whole).hexdigest()
        assert window["total_before"] == window["total_after"] == window["received"]


def test_the_next_run_reads_the_overlap_and_finds_what_came_late(console, event, archive_path, stored):
    console.events = [event(number) for number in range(60)]
    console.pull(archive_path)
    console.requests.clear()
    console.events += [event(61, NOW - timedelta(hours=3)), event(62, NOW + timedelta(hours=1))]
    later = NOW + timedelta(hours=6)
    outcome = console.pull(archive_path, now=later)
    assert stored(archive_path) == sorted(console.events)
    assert (outcome.received, outcome.new) == (2, 2)
    asked = {request["from"][0] for request in console.requests if "from" in request}
    assert min(one for one in asked if one > "2014-01-01T00:00:00.000Z") == "2026-10-02T23:59:59.999Z"
    assert ranges(archive_path) == [("2026-10-01T00:00:00.000000Z", text(later))]


def test_what_was_rejected_before_does_not_make_the_nightly_overlap_incomplete(console, event, archive_path, runs):
    console.events = [event(0), event(1, unreadable=0)[:-2] + b"NaN}", b'{"err": "no known field"}']
    console.events[1] = console.events[1].replace(b'"unreadable"', b'"verb"')
    first = console.pull(archive_path)
    assert (first.received, first.new, first.rejected, first.complete) == (3, 1, 2, False)
    second = console.pull(archive_path, now=NOW + timedelta(hours=1), overlap=timedelta(days=9))
    assert (second.received, second.duplicate, second.known_rejects, second.rejected) == (3, 3, 2, 0)
    assert second.complete
    console.events.append(event(2).replace(b'"create"', b"1e999"))
    third = console.pull(archive_path, now=NOW + timedelta(hours=2), overlap=timedelta(days=9))
    assert (third.rejected, third.complete) == (1, False)
    assert [one["rejected"]["n"] for one in runs(archive_path)] == [2, 0, 1]


def test_nothing_is_asked_twice_of_one_event_in_a_run(console, event, archive_path):
    console.events = [event(number) for number in range(100)]
    assert console.pull(archive_path).duplicate == 0


def test_a_run_without_any_event_still_attests_that_there_was_none(console, event, archive_path, runs):
    console.events = [event(0)]
    console.pull(archive_path)
    console.pull(archive_path, now=NOW + timedelta(days=2))
    assert ranges(archive_path) == [("2026-10-01T00:00:00.000000Z", "2026-10-06T00:00:00.000000Z")]
    assert runs(archive_path)[-1]["counts"]["received"] == 0


def test_an_empty_console_attests_nothing(console, archive_path):
    outcome = console.pull(archive_path)
    assert outcome.complete
    assert ranges(archive_path) == []


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        (Filters(users=("user-1",)), lambda e: e["user"]["username"] == "user-1"),
        (Filters(users=("user-1", "user-2")), lambda e: e["user"]["username"] != "user-0"),
        (Filters(techniques=("kubernetesSecrets",)), lambda e: e["attackTechniques"] == ["kubernetesSecrets"]),
        (Filters(clusters=("cluster-3", "nowhere")), lambda e: e["cluster"] == "cluster-3"),
        (
            Filters(("user-1",), ("kubernetesSecrets",), ("cluster-1",)),
            lambda e: (e["user"]["username"], e["cluster"]) == ("user-1", "cluster-1"),
        ),
    ],
)
def test_a_filtered_run_archives_its_events_and_claims_nothing(
    console, event, archive_path, stored, runs, filters, matches
):
    console.events = [event(number) for number in range(90)]
    outcome = console.pull(archive_path, filters=filters)
    assert stored(archive_path) == sorted(raw for raw in console.events if matches(json.loads(raw)))
    assert outcome.filtered
    (entry,) = runs(archive_path)
    assert (entry["filtered"], entry["collected"], entry["gaps"]) == (True, [], [])
    assert (entry["console_total"], entry["console_oldest"]) == (None, None)


def test_a_filtered_run_does_not_move_where_the_next_one_begins(console, event, archive_path, stored):
    console.events = [event(number) for number in range(30)]
    console.pull(archive_path, filters=Filters(users=("user-1",)))
    console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)


def test_a_bounded_run_archives_and_claims_its_range_only(console, event, archive_path, stored):
    console.events = [event(number) for number in range(100)]
    start, end = FIRST + timedelta(minutes=10), FIRST + timedelta(minutes=20)
    console.pull(archive_path, start=start, end=end)
    assert stored(archive_path) == sorted(console.events[10:20])
    assert ranges(archive_path) == [(text(start), text(end))]


def test_a_range_that_ends_in_the_future_is_claimed_up_to_now(console, event, archive_path):
    console.events = [event(0)]
    console.pull(archive_path, start=FIRST, end=NOW + timedelta(days=5))
    assert ranges(archive_path) == WHOLE


def test_the_next_run_fills_a_hole_between_two_ranges(console, event, archive_path, stored):
    console.events = [event(number) for number in range(100)]
    for first, last in ((0, 10), (80, 90)):
        bounds = FIRST + timedelta(minutes=first), FIRST + timedelta(minutes=last)
        console.pull(archive_path, start=bounds[0], end=bounds[1])
    console.pull(archive_path, overlap=timedelta(0))
    assert stored(archive_path) == sorted(console.events)
    assert ranges(archive_path) == WHOLE


@pytest.mark.parametrize("untimed_first", [True, False])
@pytest.mark.parametrize("number", [1, 25])
def test_records_without_a_time_are_fetched_wherever_they_stand(
    console, event, archive_path, stored, untimed_first, number
):
    console.untimed_first = untimed_first
    times = ["", "0001-01-01T00:00:00Z", "yesterday"]
    console.events = [event(one) for one in range(40)] + [
        event(one, times[one % 3]) for one in range(100, 100 + number)
    ]
    outcome = console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert outcome.duplicate == 0
    assert gaps(archive_path) == []
    assert ranges(archive_path) == WHOLE


def test_records_in_the_middle_that_no_bound_matches_cost_a_full_reading(console, event, archive_path, stored):
    console.events = [event(one) for one in range(60)]
    console.matching = _never_in_bounds(console.matching, console.events[30])
    outcome = console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert gaps(archive_path) == []
    assert outcome.new == 60


def test_records_that_cannot_be_fetched_are_a_gap(console, event, archive_path):
    console.events = [event(one) for one in range(60)]
    matching = _never_in_bounds(console.matching, console.events[30])

    def hiding(asked):
        rows = matching(asked)
        return rows if "from" in asked or asked["limit"] == ["1"] else [*rows[:30], *rows[31:]]

    console.matching = hiding
    outcome = console.pull(archive_path)
    assert [gap.reason for gap in outcome.gaps] == ["unwindowed"]
    assert not outcome.complete


def _never_in_bounds(matching, lost):
    return lambda asked: [raw for raw in matching(asked) if "from" not in asked or raw != lost]


def test_events_of_the_future_are_archived_and_not_claimed(console, event, archive_path, stored):
    console.events = [event(0), event(1, NOW + timedelta(days=300))]
    console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert ranges(archive_path) == WHOLE


def test_bad_records_are_rejected_and_the_rest_goes_on(console, event, archive_path, stored):
    console.events = [event(number) for number in range(20)]
    good = list(console.events)
    matching = console.matching
    console.matching = lambda asked: [*matching(asked), b'"no object"'] if "from" in asked else matching(asked)
    outcome = console.pull(archive_path)
    assert stored(archive_path) == sorted(good)
    assert outcome.rejected == 1


def test_more_events_in_one_millisecond_than_a_window_should_hold(console, event, archive_path, stored):
    console.events = [event(number, FIRST) for number in range(650)]
    console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert ranges(archive_path) == WHOLE


def test_events_on_the_borders_of_windows_are_taken_once(console, event, archive_path, stored):
    console.events = [event(number, FIRST + timedelta(seconds=number)) for number in range(400)]
    outcome = console.pull(archive_path, start=FIRST, end=FIRST + timedelta(seconds=400))
    assert stored(archive_path) == sorted(console.events)
    assert (outcome.received, outcome.duplicate) == (400, 0)


def test_finer_times_than_milliseconds_fall_into_one_window(console, event, archive_path, stored):
    times = [f"2026-10-01T00:00:0{second}.{part}Z" for second in range(9) for part in ("9995", "999999", "000", "0004")]
    console.events = [event(number, time) for number, time in enumerate(times)]
    outcome = console.pull(archive_path, start=FIRST, end=FIRST + timedelta(seconds=8))
    assert stored(archive_path) == sorted(raw for raw in console.events if b"00:00:08" not in raw)
    assert outcome.duplicate == 0


def test_without_counts_every_event_comes_and_is_claimed_after_two_equal_readings(
    console, event, archive_path, stored, runs
):
    console.counts = False
    console.events = [event(number) for number in range(230)] + [event(500, "")]
    console.pull(archive_path)
    assert stored(archive_path) == sorted(console.events)
    assert ranges(archive_path) == WHOLE
    windows = runs(archive_path)[0]["windows"]
    assert {window["total_before"] for window in windows} == {None}
    assert {window["reads"] for window in windows if window["received"]} == {2}


def test_a_smaller_cap_than_asked_loses_nothing(console, event, archive_path, stored):
    console.most = 7
    console.events = [event(number) for number in range(150)]
    console.pull(archive_path, page_size=50)
    assert stored(archive_path) == sorted(console.events)


def test_what_is_committed_is_told_and_in_the_order_of_time(console, event, archive_path, monkeypatch, runs):
    monkeypatch.setattr(pull_module, "COMMIT_ROWS", 100)
    console.events = [event(number) for number in range(1000)]
    told = []
    console.pull(archive_path, steps=told.append, connections=4)
    assert isinstance(told[0], Started)
    assert told[0].expected == 1000
    assert sum(step.rows for step in told if isinstance(step, WindowRead)) == 1000
    assert sum(step.receipt.new for step in told if isinstance(step, Committed)) == 1000
    entries = runs(archive_path)
    assert len(entries) > 1  # at least; windows that end together are committed together
    starts = [entry["collected"][0]["from"] for entry in entries if entry["collected"]]
    assert starts == sorted(starts)
    assert [entry["console_total"] for entry in entries] == [1000] + [None] * (len(entries) - 1)
    assert len({entry["run"] for entry in entries}) == 1


def test_the_console_may_be_told_apart_by_project(console, event, archive_path, runs):
    console.events = [event(0)]
    console.pull(archive_path, client=console.client(project="team"))
    assert runs(archive_path)[0]["console"] == console.url + "?project=team"
    assert {request.get("project", [""])[0] for request in console.requests} == {"team"}


@pytest.mark.parametrize("parts", [2, 3, 7, 1000])
def test_the_parts_of_a_window_are_the_window(parts):
    window = Window(micros("2026-10-01T00:00:00.123456+00:00"), micros("2026-10-01T00:07:00.654321+00:00"))
    found = window.split(parts)
    assert (found[0].start, found[-1].end) == (window.start, window.end)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    assert 1 < len(found) <= parts


def test_errors_at_the_login_leave_no_entry(console, archive_path):
    console.fault_for_ever = 403
    with pytest.raises(SourceError):
        console.pull(archive_path)
    assert not (archive_path / "ledger" / "00000002.json").exists()
