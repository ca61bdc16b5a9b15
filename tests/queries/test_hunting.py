"""The questions a hunter asks: what a burst and a scan are, and that the views of privileges agree with each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hard_archive import imported, snapshot

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import UsageError

START = datetime(2026, 10, 5, tzinfo=UTC)


def event(after: timedelta, **fields: object) -> bytes:
    """One of the Console's records, so long after START."""
    time = (START + after).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    user = {"username": fields.pop("user", "alice")}
    return json.dumps({"time": time, "verb": "get", "user": user, "cluster": "c"} | fields).encode()


def refused(after: timedelta, number: int, **fields: object) -> bytes:
    """One refused request of a raw audit log by a caller without an identity."""
    time = (START + after).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(
        {
            "kind": "Event",
            "auditID": f"a-{number}-{time}",
            "stage": "ResponseComplete",
            "verb": "get",
            "user": {"username": "system:anonymous", "groups": ["system:unauthenticated"]},
            "requestURI": f"/api/v1/path-{number % 3}?limit={number}",
            "sourceIPs": ["203.0.113.9", "10.0.0.1"],
            "requestReceivedTimestamp": time,
            "responseStatus": {"code": 403},
        }
        | fields
    ).encode()


def scans(root: Path, **parameters: object) -> list[dict[str, object]]:
    return Archive(root).query("scanning", **parameters).to_dicts()


def test_a_burst_is_far_from_the_usual_of_the_same_user(archive_path):
    lines = [event(timedelta(hours=hour, seconds=n)) for hour in range(20) for n in range(4 + hour % 3)]
    lines += [event(timedelta(hours=30, seconds=n)) for n in range(60)]
    lines += [event(timedelta(hours=hour, seconds=n), user="loud") for hour in range(20) for n in range(60)]
    snapshot(archive_path, lines)
    (row,) = Archive(archive_path).query("bursts").to_dicts()
    assert (row["subject"], row["hour"], row["events"]) == ("alice", START + timedelta(hours=30), 60)
    assert (row["usual"], row["spread"]) == (5.0, 1.0)
    assert row["score"] == pytest.approx(0.6745 * 55)


def test_who_has_few_hours_has_no_usual_ones_and_no_burst(archive_path):
    lines = [event(timedelta(hours=hour)) for hour in range(5)]
    lines += [event(timedelta(hours=9, seconds=n)) for n in range(50)]
    snapshot(archive_path, lines)
    archive = Archive(archive_path)
    assert archive.query("bursts").is_empty()
    assert archive.query("bursts", hours=6)["events"].to_list() == [50]


def test_bursts_of_clusters_put_all_users_together(archive_path):
    lines = [event(timedelta(hours=hour), user=f"u{hour}") for hour in range(15)]
    lines += [event(timedelta(hours=20, seconds=n), user=f"v{n}") for n in range(30)]
    snapshot(archive_path, lines)
    archive = Archive(archive_path)
    assert archive.query("bursts").is_empty()
    assert archive.query("bursts", per_cluster=True)["subject"].to_list() == ["c"]


def test_twenty_refusals_in_five_minutes_are_a_scan_and_nineteen_are_not(archive_path):
    quick = [refused(timedelta(seconds=15 * n), n) for n in range(20)]
    imported(archive_path, quick[:19])
    assert scans(archive_path) == []
    imported(archive_path, quick[19:])
    (scan,) = scans(archive_path)
    assert (scan["source_ip"], scan["events"], scan["peak"], scan["paths"]) == ("203.0.113.9", 20, 20, 3)
    assert (scan["first_time"], scan["last_time"]) == (START, START + timedelta(seconds=285))
    assert scan["examples"] == ["/api/v1/path-0", "/api/v1/path-1", "/api/v1/path-2"]


def test_the_window_slides_and_is_not_cut_at_full_minutes(archive_path):
    lines = [refused(timedelta(minutes=3, seconds=12 * n), n) for n in range(25)]
    imported(archive_path, lines)
    assert [scan["peak"] for scan in scans(archive_path, minutes=5)] == [25]
    assert scans(archive_path, minutes=3) == []


def test_a_slow_scan_stays_below_the_threshold_and_quiet_parts_two_scans(archive_path):
    imported(archive_path, [refused(timedelta(minutes=n), n) for n in range(60)])
    assert scans(archive_path) == []
    hours = [refused(timedelta(hours=hour, seconds=n), n) for hour in (10, 12) for n in range(20)]
    imported(archive_path, hours)
    assert [scan["events"] for scan in scans(archive_path)] == [20, 20]


def test_refusals_of_somebody_known_and_successes_are_no_scan(archive_path):
    known = {"username": "alice", "groups": ["system:authenticated"]}
    imported(archive_path, [refused(timedelta(seconds=n), n, user=known) for n in range(30)])
    imported(archive_path, [refused(timedelta(seconds=n), n, responseStatus={"code": 200}) for n in range(30)])
    imported(archive_path, [refused(timedelta(seconds=n), n, sourceIPs=None) for n in range(30)])
    assert scans(archive_path) == []
    unknown = {"user": {}, "responseStatus": {"code": 401}}
    imported(archive_path, [refused(timedelta(days=1, seconds=n), n, **unknown) for n in range(30)])
    assert [scan["events"] for scan in scans(archive_path)] == [30]


@pytest.mark.parametrize("source", ["native", "raw", "all"])
def test_the_lists_of_privileges_hold_the_same_events(hard, source):
    actions = hard.query("privileged_actions", source=source)
    for name, kinds in {"exec_sessions": ["exec", "debug container"], "rbac_changes": ["rbac change"]}.items():
        expected = actions.filter(actions["kind"].is_in(kinds))["event_id"].to_list()
        assert hard.query(name, source=source)["event_id"].to_list() == expected
    secrets = actions.filter(
        actions["kind"].is_in(["secret access", "helm release read"]) & (actions["resource"] == "secrets")
    )
    assert hard.query("secret_access", source=source, helm=True)["events"].sum() == len(secrets)


def test_the_command_of_a_session_is_read_as_it_was_sent(archive_path):
    uri = "/api/v1/namespaces/n/pods/p/exec?command=sh&command=-c&command=cat+%2Fetc%2Fpasswd%20%26%26+ls&container=web"
    reference = {"resource": "pods", "subresource": "exec", "namespace": "n", "name": "p", "apiVersion": "v1"}
    odd = "/api/v1/namespaces/n/pods/p/exec?command=%FF%zz"
    imported(
        archive_path,
        [refused(timedelta(seconds=n), n, requestURI=text, objectRef=reference) for n, text in enumerate((uri, odd))],
    )
    first, second = Archive(archive_path).query("exec_sessions").to_dicts()
    assert (first["command"], first["container"]) == ("sh -c cat /etc/passwd && ls", "web")
    assert (second["command"], second["container"]) == ("%FF%zz", None)


def test_a_binding_says_who_got_what_where_its_body_was_logged(archive_path):
    reference = {"resource": "clusterrolebindings", "apiGroup": "rbac.authorization.k8s.io", "name": "root"}
    body = {
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [
            {"kind": "User", "name": "mallory"},
            {"kind": "ServiceAccount", "namespace": "ci", "name": "builder"},
        ],
    }
    bodies = [body, "skipped-too-big-size-object", [{"op": "add"}], {"subjects": "none"}, None]
    imported(
        archive_path,
        [
            refused(timedelta(seconds=n), n, verb="create", objectRef=reference, requestObject=one)
            for n, one in enumerate(bodies)
        ],
    )
    rows = Archive(archive_path).query("rbac_changes").select("role", "subjects").rows()
    assert rows == [("cluster-admin", ["mallory", "ci/builder"]), *[(None, None)] * 4]


@pytest.mark.parametrize(
    ("name", "value"),
    [("scanning", {"minutes": 10**14}), ("scanning", {"minutes": -3}), ("bursts", {"hours": "many"})],
)
def test_a_value_that_does_not_work_is_a_plain_error(hard, name, value):
    with pytest.raises(UsageError, match="value that does not work"):
        hard.query(name, **value)


def test_an_unknown_time_zone_is_a_plain_error(hard):
    with pytest.raises(UsageError, match="Unknown TimeZone 'Nowhere'"):
        hard.query("off_hours", timezone="Nowhere")
