"""Answers counted a second time in Python, from the events themselves."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.vocabulary import techniques

START, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def events(hard: Archive) -> list[dict[str, object]]:
    """All native events of October, and those of September before them."""
    frame = hard.events().filter(pl.col("source_format") == "console-json", pl.col("time") < END).collect()
    return frame.to_dicts()


@pytest.fixture
def october(events: list[dict[str, object]]) -> list[dict[str, object]]:
    return [event for event in events if event["time"] >= START]


RANKINGS = {
    "top_users": ("user",),
    "provider_ranking": ("provider",),
    "cluster_ranking": ("cluster", "provider"),
    "account_ranking": ("account", "provider"),
    "namespaces": ("namespace",),
}


@pytest.mark.parametrize("name", RANKINGS)
def test_a_ranking_counts_each_event_once_in_both_periods(hard, events, name):
    keys = RANKINGS[name]
    now = Counter(tuple(event[key] for key in keys) for event in events if event["time"] >= START)
    before = Counter(tuple(event[key] for key in keys) for event in events if event["time"] < START)
    rows = hard.query(name, period="2026-10", limit=0).to_dicts()
    assert {tuple(row[key] for key in keys): row["events"] for row in rows} == now
    for row in rows:
        previous = before[tuple(row[key] for key in keys)]
        assert row["previous_events"] == previous
        assert row["change"] == (row["events"] / previous - 1 if previous else None)
        assert row["share"] == row["events"] / now.total()
        assert row["rank"] == 1 + sum(count > row["events"] for count in now.values())


def test_an_event_counts_once_under_each_technique_and_once_under_each_tactic(hard, october):
    by_technique: Counter[tuple[object, str]] = Counter()
    by_tactic: Counter[tuple[object, str]] = Counter()
    for event in october:
        shown = set(event["techniques"])
        by_technique.update((event["date"], one) for one in shown)
        known = {tactic for one in shown if one in techniques() for tactic in techniques()[one].tactics}
        by_tactic.update((event["date"], one) for one in known)
    rows = hard.query("techniques_by_day", period="2026-10").select("date", "technique", "events").rows()
    assert {row[:2]: row[2] for row in rows} == by_technique
    rows = hard.query("tactics_by_day", period="2026-10").rows()
    assert {row[:2]: row[2] for row in rows} == by_tactic
    weeks: Counter[tuple[object, str]] = Counter()
    for (day, technique), count in by_technique.items():
        weeks[day - timedelta(days=day.weekday()), technique] += count
    rows = hard.query("techniques_by_week", period="2026-10").select("week", "technique", "events").rows()
    assert {row[:2]: row[2] for row in rows} == weeks


@pytest.mark.parametrize("source", ["native", "raw"])
def test_what_was_refused_or_failed_is_an_attempt_and_everything_else_was_done(hard, source):
    native = "starts_with(source_format, 'console')"
    attempts: Counter[tuple[object, str]] = Counter()
    for event in hard.sql(f"select * from events where {native if source == 'native' else f'not {native}'}").to_dicts():
        refused = event["decision"] == "forbid" or (event["status_code"] or 0) >= 400
        if refused or "technique_attempt" in (event["flags"] or ()):
            attempts.update((event["date"], one) for one in set(event["techniques"]))
    asked = {"start": "2026-01-01", "end": "2027-01-01", "source": source}
    by_day = hard.query("techniques_by_day", **asked).filter(pl.col("attempts") > 0)
    assert {(day, one): n for day, one, n in by_day.select("date", "technique", "attempts").rows()} == attempts
    assert sum(attempts.values()) > 0
    assert hard.query("techniques_by_week", **asked)["attempts"].sum() == sum(attempts.values())
    assert hard.query("attack_ids", **asked)["attempts"].sum() <= sum(attempts.values())


def test_days_hours_and_user_days_add_up_to_the_events(hard, october):
    days = hard.query("activity_by_day", period="2026-10")
    assert days.height == 31
    assert days["events"].sum() == len(october)
    hours = hard.query("activity_by_hour", period="2026-10")
    assert dict(hours.select("hour", "events").rows()) == {
        hour: sum(event["time"].hour == hour for event in october) for hour in range(24)
    }
    assert hard.query("user_days", period="2026-10", limit=0)["events"].sum() == len(october)
    leading = hard.query("user_days", period="2026-10", limit=3)
    assert leading["user"].unique(maintain_order=True).to_list() == ["carol", "alice@example.com", "bob"]
    assert leading.height == 3 * 31


def test_first_seen_is_what_was_never_seen_before(hard, events):
    for name, key in (
        ("first_seen_users", "user"),
        ("first_seen_ips", "source_ip"),
        ("first_seen_techniques", "technique"),
    ):
        first: dict[str, datetime] = {}
        for event in events:
            values = {"user": [event["user"]], "source_ip": event["source_ips"], "technique": event["techniques"]}[key]
            for value in values or []:
                if value is not None:
                    first[value] = min(event["time"], first.get(value, event["time"]))
        found = dict(hard.query(name, period="2026-10").select(key, "first_time").rows())
        assert found == {value: time for value, time in first.items() if time >= START}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_office_hours_are_local_with_their_summer_time(hard, october, zone):
    outside: defaultdict[str, int] = defaultdict(int)
    for event in october:
        if event["user_kind"] == "human":
            local = event["time"].astimezone(ZoneInfo(zone))
            outside[event["user"]] += local.weekday() >= 5 or not 9 <= local.hour < 17
    answer = hard.query("off_hours", period="2026-10", timezone=zone, opens=9, closes=17)
    assert dict(answer.select("user", "events").rows()) == {user: count for user, count in outside.items() if count}


def test_the_draw_is_repeatable_nested_and_traceable(hard, october):
    keys = {
        hashlib.sha256(f"7:{event['event_id'].hex()}".encode()).hexdigest(): hashlib.sha256(
            event["raw"].encode()
        ).hexdigest()
        for event in october
    }
    expected = [leaf for _, leaf in sorted(keys.items())]
    for limit in (3, 10):
        assert hard.query("sample", period="2026-10", seed=7, limit=limit)["leaf"].to_list() == expected[:limit]
    assert hard.query("sample", period="2026-10", seed=8, limit=10)["leaf"].to_list() != expected[:10]


def test_idle_days_are_whole_days_to_the_end_of_the_period(hard, events):
    last: dict[str, datetime] = {}
    for event in events:
        if event["user"] is not None:
            last[event["user"]] = max(event["time"], last.get(event["user"], event["time"]))
    expected = {user: (END - time).days for user, time in last.items() if END - time >= timedelta(days=20)}
    found = hard.query("dormant_users", period="2026-10", days=20)
    assert dict(found.select("user", "idle_days").rows()) == expected


def test_a_timeline_holds_what_was_done_in_the_users_name(hard):
    rows = hard.query("user_timeline", period="2026-10", user="bob").select("user", "impersonated_user").rows()
    assert rows == [("bob", None), ("bob", None), ("system:admin", "bob")]


def test_privileged_kinds_come_from_what_was_done_and_not_from_the_techniques_alone(hard):
    rows = hard.query("privileged_actions", period="2026-10").select("kind", "action", "user").rows()
    assert Counter(kind for kind, _, _ in rows) == {
        "exec": 3,
        "secret access": 2,
        "helm release read": 1,
        "rbac change": 3,
        "privileged container": 1,
        "impersonation": 1,
        "service account token": 1,
        "port forward": 1,
        "kubelet access": 1,
        "debug container": 1,
    }
    assert ("exec", "get", "carol") in rows
    assert not any(user.startswith("system:serviceaccount:kube-system:") for _, _, user in rows)


def test_completeness_counts_what_is_there(hard, october):
    rows = {row["field"]: row for row in hard.query("field_completeness", period="2026-10").to_dicts()}
    for field in ("user", "account", "namespace", "status_code", "decision", "groups", "source_ips"):
        present = sum(event[field] is not None for event in october)
        assert (rows[field]["present"], rows[field]["missing"]) == (present, len(october) - present)
    assert rows["techniques"]["present"] == sum(bool(event["techniques"]) for event in october)
