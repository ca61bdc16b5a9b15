"""The pages: filters, order and paging as the Console's clients expect them."""

from __future__ import annotations

import csv
import io
import json

import pytest

from kubedossier.analytics.serve.answers import time_text
from kubedossier.analytics.serve.parameters import SORT_KEYS, BadParameterError, read_parameters

PATH = "/api/v33.01/audits/kubernetes"
VENDORS_ORDER = [
    "time",
    "verb",
    "user",
    "authorizationInfo",
    "message",
    "sourceIPs",
    "resources",
    "requestURI",
    "attackTechniques",
    "cluster",
    "accountID",
    "provider",
    "collections",
    "eventBlob",
]


def test_a_record_of_the_console_answers_with_its_exact_text(served, make_audit):
    body = served.get([("limit", "2")]).content
    assert body == b"[" + make_audit(0) + b"," + make_audit(1) + b"]"


def test_the_default_page_has_50_events_and_the_count_of_all(served):
    answer = served.get()
    assert (len(answer.json()), answer.headers["Total-Count"]) == (50, "303")
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(("limit", "rows"), [("0", 50), ("1", 1), ("250", 250), ("251", 250), ("99999", 250)])
def test_a_limit_is_kept_within_what_a_console_gives(served, limit, rows):
    assert len(served.events(("limit", limit))) == rows


def test_pages_make_up_the_whole_and_end_with_null(served):
    found = []
    while rows := served.events(("offset", str(len(found))), ("limit", "37")):
        assert len(rows) == min(37, 303 - len(found))
        found += rows
    assert len({json.dumps(row, sort_keys=True) for row in found}) == 303
    for offset in ("303", "304", "999999"):
        answer = served.get([("offset", offset)])
        assert (answer.content, answer.headers["Total-Count"]) == (b"null", "303")


def test_null_stands_for_no_event_at_all(served):
    answer = served.get([("user", "nobody")])
    assert (answer.status_code, answer.content, answer.headers["Total-Count"]) == (200, b"null", "0")


@pytest.mark.parametrize(
    ("pairs", "matches"),
    [
        ([("user", "user-1")], lambda n: n % 5 == 1),
        ([("user", "user-1"), ("user", "user-2")], lambda n: n % 5 in (1, 2)),
        ([("user", "user-1,user-2")], lambda n: False),
        ([("user", "USER-1")], lambda n: False),
        ([("user", "user-%")], lambda n: False),
        ([("cluster", "cluster-3")], lambda n: n % 4 == 3),
        ([("cluster", "cluster-3"), ("cluster", "'; drop table events --")], lambda n: n % 4 == 3),
        ([("attackTechniques", "webShell")], lambda n: n % 3 == 1),
        ([("attackTechniques", "webShell"), ("attackTechniques", "execIntoContainer")], lambda n: n % 3 in (0, 1)),
        ([("attackTechniques", "unheardOf")], lambda n: False),
        ([("user", "user-1"), ("cluster", "cluster-1")], lambda n: n % 20 == 1),
        ([("user", "user-1"), ("cluster", "cluster-1"), ("attackTechniques", "webShell")], lambda n: n % 60 == 1),
        ([("from", "2026-10-01T00:04:00.240Z")], lambda n: n >= 240),
        ([("from", "2026-10-01T00:04:00.241Z")], lambda n: n > 240),
        ([("to", "2026-10-01T00:04:00.240Z")], lambda n: n <= 240),
        ([("to", "2026-10-01T00:04:00.239999Z")], lambda n: n < 240),
        ([("from", "2026-10-01T00:01:00Z"), ("to", "2026-10-01T00:02:00Z")], lambda n: 60 <= n < 120),
        ([("from", "2026-10-01T02:01:00+02:00"), ("to", "2026-10-01T00:02:00")], lambda n: 60 <= n < 120),
        ([("from", "0001-01-01T00:00:00Z"), ("to", "2026-10-01T23:59:59Z")], lambda n: True),
        ([("user", ""), ("cluster", ""), ("from", ""), ("limit", "250")], lambda n: True),
        ([("user", "user-1"), ("project", "x"), ("fields", "y"), ("search", "z")], lambda n: n % 5 == 1),
    ],
)
def test_a_filter_gives_just_what_matches(served, pairs, matches):
    found = []
    dated = [*pairs, ("to", "2026-10-01T23:59:59Z")] if "to" not in dict(pairs) else pairs
    while rows := served.events(
        *[pair for pair in dated if pair[0] != "limit"], ("offset", str(len(found))), ("limit", "250")
    ):
        found += rows
    assert [event["message"] for event in found] == [f"event {n}" for n in range(300) if matches(n)]


def test_bounds_beyond_all_time_are_no_bounds(served):
    dated = [("from", "0001-01-01T00:00:00Z"), ("to", "9999-12-31T23:59:59Z")]
    assert served.get(dated).headers["Total-Count"] == "301"


def test_a_plus_that_was_not_encoded_is_a_plus(served):
    answer = served.http.get(PATH + "?from=2026-10-01T02:04:00+02:00&limit=1&user=user-0")
    assert [event["message"] for event in answer.json()] == ["event 240"]


def test_bounds_compare_milliseconds_and_include_both_ends(serving, add, make_audit, archive_path):
    times = ["10:00:00.000999Z", "10:00:00.001Z", "10:00:00.001999999Z", "10:00:00.002Z"]
    add(archive_path, [make_audit(n, time=f"2026-10-01T{time}", message=time) for n, time in enumerate(times)])
    with serving(archive_path) as served:
        moment = "2026-10-01T10:00:00.001Z"
        assert served.messages(("from", moment), ("to", moment)) == times[1:3]


@pytest.mark.parametrize("key", sorted(SORT_KEYS))
@pytest.mark.parametrize("reverse", ["true", "false"])
def test_every_field_sorts_and_what_lacks_it_comes_last(served, key, reverse):
    rows, total = [], 303
    while len(rows) < total:
        rows += served.events(("sort", key), ("reverse", reverse), ("offset", str(len(rows))), ("limit", "250"))
    values = [_value(row, key) for row in rows]
    present = [value for value in values if value is not None]
    assert values[: len(present)] == present
    if key not in ("authorizationInfo", "attackTechniques", "user.groups", "eventBlob", "sourceIPs"):
        assert present == sorted(present, reverse=reverse == "true")
    assert len({json.dumps(row, sort_keys=True) for row in rows}) == total


def _value(row: dict, key: str):
    if key == "time":
        return None if row.get("time", "0001") < "2014" else row["time"]
    if key == "user":
        key = "user.username"
    for part in key.split("."):
        row = (row or {}).get(part)
    return row or None


def test_events_without_a_time_come_last_in_both_directions(served):
    for reverse in ("true", "false"):
        last = served.messages(("sort", "time"), ("reverse", reverse), ("offset", "301"))
        assert sorted(last) == ["no time", "year one"]


def test_ties_are_broken_by_time(served):
    rows = served.events(("sort", "cluster"), ("limit", "250"))
    times = [row["time"] for row in rows if row.get("cluster") == "cluster-0" and "time" in row]
    assert times[:70] == sorted(times[:70])


@pytest.mark.parametrize(
    "pair",
    [
        ("limit", "-1"),
        ("limit", "ten"),
        ("offset", "-1"),
        ("offset", "1.5"),
        ("offset", "١"),
        ("reverse", "maybe"),
        ("from", "yesterday"),
        ("from", "2026-13-01T00:00:00Z"),
        ("to", "1790812800"),
        ("sort", "user.password"),
        ("sort", 'time" desc; drop'),
    ],
)
def test_a_bad_value_is_refused_with_its_reason(served, pair):
    answer = served.get([pair])
    assert answer.status_code == 400
    assert answer.json()["err"].startswith(f"{pair[0]}: ")


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1"])
def test_a_truth_has_several_spellings(text):
    assert read_parameters([("reverse", text)]).reverse


def test_a_repeated_scalar_counts_once():
    assert read_parameters([("limit", "3"), ("limit", "x")]).limit == 3
    with pytest.raises(BadParameterError):
        read_parameters([("limit", "x"), ("limit", "3")])


def test_a_raw_audit_log_is_rebuilt_in_the_vendors_order(served):
    (event,) = served.events(("user", "jane"))
    assert list(event) == [field for field in VENDORS_ORDER if field in event]
    assert {"time", "verb", "user", "authorizationInfo", "sourceIPs", "requestURI", "eventBlob"} <= set(event)
    assert all(event.values())  # what is absent is left out
    assert event["time"] == "2026-10-02T10:00:00.123456Z"
    assert event["user"] == {"username": "jane", "uid": "7", "groups": ["dev"]}
    assert event["authorizationInfo"] == {"authorization.k8s.io/decision": "allow"}
    assert json.loads(event["eventBlob"])["auditID"] == "11111111-1111-4111-8111-111111111111"


def test_what_is_added_while_it_runs_is_served(serving, add, make_audit, archive_path):
    add(archive_path, [make_audit(1)])
    with serving(archive_path) as served:
        assert served.messages() == ["event 1"]
        add(archive_path, [make_audit(0)])
        assert served.messages() == ["event 0", "event 1"]


def test_hostile_texts_come_back_as_they_are(serving, add, make_audit, archive_path):
    names = ["../../etc", "a=b", "<script>", "{{7*7}}", "=cmd|x", "\u202e", "é'\"\\", "a\nb", "%27", "x" * 300]
    add(archive_path, [make_audit(n, cluster=name, message=name) for n, name in enumerate(names)])
    with serving(archive_path) as served:
        for name in names:
            assert served.messages(("cluster", name)) == [name]


def test_large_archives_are_paged_from_one_order(serving, add, make_audit, archive_path):
    add(archive_path, [make_audit(n % 1000, message=f"m{n}") for n in range(1500)])
    with serving(archive_path) as served:
        first = served.messages(("limit", "250"), ("offset", "700"))
        behind = served.messages(("limit", "250"), ("offset", "1400"))
        again = served.messages(("limit", "250"), ("offset", "700"))
    assert (len(first), len(behind)) == (250, 100)
    assert first == again
    assert not set(first) & set(behind)


def test_the_download_is_csv_and_nothing_but_csv(served):
    answer = served.get(path=PATH + "/download")
    assert answer.headers["Content-Type"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 303
    assert rows[0]["user.username"] == "user-0"
    assert rows[1]["attackTechniques"] == '["kubernetesSecrets","webShell"]'


def test_the_download_heeds_filters_offset_and_limit(served):
    pairs = [("user", "user-1"), ("offset", "2"), ("limit", "3")]
    rows = list(csv.DictReader(io.StringIO(served.get(pairs, path=PATH + "/download").text)))
    assert [row["message"] for row in rows] == ["event 11", "event 16", "event 21"]


def test_times_are_written_without_needless_zeros():
    from datetime import datetime

    assert time_text(datetime(2026, 1, 1)) == "2026-01-01T00:00:00Z"
    assert time_text(datetime(2026, 1, 1, 0, 0, 10, 120000)) == "2026-01-01T00:00:10.12Z"
    assert time_text(None) is None
