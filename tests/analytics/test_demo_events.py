"""The made-up company: repeatable, true to the Console's shape, with an incident that can be found."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubedossier.analytics.demo import (
    INTRUDER,
    NEW_ADDRESS,
    audit_log,
    console_events,
    late_export,
    night_of_the_incident,
)
from kubedossier.analytics.vocabulary import PROVIDERS, techniques

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FIELDS = {
    "time", "verb", "user", "authorizationInfo", "message", "sourceIPs", "resources", "requestURI", "attackTechniques",
    "cluster", "accountID", "provider", "collections", "eventBlob",
}  # fmt: skip


@pytest.fixture(scope="module")
def records() -> list[dict]:
    return [json.loads(raw) for raw in console_events(NOW)]


@pytest.fixture(scope="module")
def month(records) -> list[dict]:
    """Those of October whose fields are as the API describes them."""
    return [
        each
        for each in records
        if str(each.get("time")).startswith("2026-10")
        and isinstance(each.get("user"), dict)
        and isinstance(each["authorizationInfo"], dict)
        and set(each) <= FIELDS
    ]


def digest(now: datetime) -> str:
    hashed = hashlib.sha256(b"\n".join(console_events(now)))
    hashed.update(late_export(now) + audit_log(now))
    return hashed.hexdigest()


def test_the_same_month_gives_the_same_bytes_on_every_run():
    code = "import sys; sys.path.insert(0, sys.argv[1])\nfrom test_demo_events import NOW, digest\nprint(digest(NOW))"
    environ = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    folder = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, folder], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(NOW.replace(day=2))


def test_another_month_gives_other_events():
    assert digest(NOW) != digest(datetime(2026, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize("now", [datetime(2026, 3, 31, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC), NOW])
def test_it_is_two_whole_months_before_now(now):
    times = sorted(time for raw in console_events(now) if (time := str(json.loads(raw).get("time")))[:2] == "20")
    last = f"{now.year}-{now.month - 1:02d}"
    before = f"{now.year}-{now.month - 2:02d}" if now.month > 2 else f"{now.year - 1}-{now.month + 10}"
    assert {time[:7] for time in times} == {before, last}
    assert len({time[:10] for time in times}) >= 59
    assert 9_000 < len(times) < 15_000


def test_records_have_the_fields_of_the_api_and_nothing_empty(month):
    assert len(month) > 5_000
    odd = [each for each in month if any(value in ("", [], {}) for value in each.values())]
    assert odd == []


def test_several_providers_and_clusters_appear_each_with_its_own_verbs(month):
    assert {"aws", "gcp", "azure", "others"} == {each["provider"] for each in month} <= set(PROVIDERS)
    assert len({(each["cluster"], each["provider"]) for each in month}) == 6
    for each in month:
        assert each["verb"].startswith("io.k8s.") == (each["provider"] == "gcp")


def test_the_original_event_says_the_same_as_the_record(month):
    for each in month[::37]:
        if "etc/pods" in each["resources"] or "\r" in each["message"] or each["user"]["username"].startswith("="):
            continue
        blob = json.loads(each["eventBlob"])
        if each["provider"] == "gcp":
            payload = blob["protoPayload"]
            assert payload["methodName"] == each["verb"]
            assert payload["resourceName"] == each["resources"]
            assert payload["authenticationInfo"]["principalEmail"] == each["user"]["username"]
            assert blob["labels"] == each["authorizationInfo"]
            assert blob["timestamp"][:23] == each["time"][:23]
        else:
            assert (blob["verb"], blob["requestURI"]) == (each["verb"], each["requestURI"])
            assert blob["user"] == each["user"]
            assert blob["sourceIPs"] == each["sourceIPs"]
            assert blob["annotations"] == each["authorizationInfo"]
            assert blob["requestReceivedTimestamp"][:23] == each["time"][:23]


def test_a_refused_request_has_the_status_of_one(month):
    refused = [each for each in month if each["authorizationInfo"]["authorization.k8s.io/decision"] == "forbid"]
    assert 50 < len(refused) < len(month) / 10
    for each in refused:
        blob = json.loads(each["eventBlob"])
        status = blob["protoPayload"]["status"] if "protoPayload" in blob else blob["responseStatus"]
        assert status["code"] in (7, 403)


def test_techniques_are_the_vendors_but_for_the_odd_one(month):
    seen = Counter(value for each in month for value in each.get("attackTechniques") or ())
    assert set(seen) - set(techniques()) == {"containerDrift"}
    assert len(seen) > 15


def test_people_keep_office_hours_and_machines_do_not(month):
    def weekends(user: str) -> float:
        days = [datetime.fromisoformat(each["time"]) for each in month if each["user"]["username"] == user]
        return sum(day.weekday() >= 5 for day in days) / len(days)

    assert weekends("ana.lima@example.com") == 0
    assert weekends("system:serviceaccount:airflow:airflow-worker") > 0.2


def test_the_incident_comes_from_an_address_nobody_used_before_and_ends_in_quiet(records):
    night = night_of_the_incident(datetime(2026, 10, 1).date())
    assert (night.isoweekday(), night.hour) == (6, 22)
    there = [each for each in records if each.get("sourceIPs") == [NEW_ADDRESS]]
    assert [each["time"][:10] for each in there] == ["2026-10-17"] * len(there)
    found = {value for each in there for value in each["attackTechniques"]}
    assert {"execIntoContainer", "kubernetesSecrets", "privilegedContainer", "impairDefences"} <= found
    assert {"accountManipulation", "abuseElevationControlMechanisms"} <= found
    assert any("exec" in each["resources"] and "/payments/" in each["resources"] for each in there)
    binding = next(each for each in there if "clusterrolebindings" in each["resources"])
    body = json.loads(binding["eventBlob"])["requestObject"]
    assert (body["roleRef"]["name"], body["subjects"][0]["name"]) == ("cluster-admin", INTRUDER)
    named = [each for each in records if isinstance(each.get("user"), dict) and each["user"]["username"] == INTRUDER]
    assert min(each["time"] for each in named) < "2026-10-10"
    assert max(each["time"] for each in named) == max(each["time"] for each in there)


def test_some_records_have_no_usable_time_and_some_have_hostile_names(records):
    without = [each for each in records if not str(each.get("time")).startswith("2026-")]
    assert len(without) == 4
    users = [each["user"] if isinstance(each["user"], str) else each["user"]["username"] for each in records]
    assert any("<script>" in user for user in users)
    assert any("\x1b" in user for user in users)
    assert any("\u202e" in user for user in users)
    assert any(user.startswith("=") for user in users)


def test_the_late_export_repeats_adds_and_breaks():
    known = set(console_events(NOW))
    lines = late_export(NOW).splitlines()
    assert sum(line in known for line in lines) == 60

    def constant(name: str) -> None:
        raise ValueError(name)

    fresh, broken = 0, 0
    for line in set(lines) - known:
        try:
            record = json.loads(line.decode("utf-8"), parse_constant=constant)
        except ValueError:
            broken += 1
        else:
            broken += "err" in record
            fresh += "verb" in record
    assert (fresh, broken) == (6, 5)


def test_the_audit_log_has_two_stages_of_each_request():
    events = [json.loads(line) for line in audit_log(NOW).splitlines()]
    assert {event["apiVersion"] for event in events} == {"audit.k8s.io/v1"}
    assert Counter(event["stage"] for event in events) == {"RequestReceived": 60, "ResponseComplete": 60}
    assert len({event["auditID"] for event in events}) == 60
