"""Who an event of each format is: pinned, and worked out a second time by hashlib and json alone.

The values are frozen with the archive's format. A change that breaks one of them doubles every archive.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

TIME = "2026-10-03T04:05:06.789012Z"
URI = "/api/v1/namespaces/shop/pods/till-1/exec?command=sh"
EVENT = {
    "auditID": "a-1",
    "stage": "ResponseComplete",
    "requestURI": URI,
    "verb": "create",
    "requestReceivedTimestamp": TIME,
    "user": {"username": "änn"},
}
ENTRY = {
    "insertId": "i-1",
    "timestamp": TIME,
    "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
    "resource": {"labels": {"cluster_name": "c", "project_id": "p"}},
    "protoPayload": {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.create"},
}
AKS = {
    "category": "kube-audit",
    "resourceId": "/SUBSCRIPTIONS/S-1/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/C",
    "properties": {"log": json.dumps(EVENT) + "\n"},
    "time": "2026-10-03T04:05:07Z",
}
SUBSCRIPTION = {
    "messageType": "DATA_MESSAGE",
    "owner": "123456789012",
    "logGroup": "/aws/eks/c/cluster",
    "logStream": "kube-apiserver-audit-1",
    "logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps(EVENT)}],
}
UNNAMED = {"stage": "ResponseComplete", "verb": "get", "user": {"username": "änn"}}
NAMELESS_ENTRY = {"protoPayload": {"methodName": "io.k8s.core.v1.pods.create"}}
CSV = b'time,verb,user,groups,sourceIPs\n2026-10-03T04:05:06Z,get,\xc3\xa4nn,"[""b"",""a""]",private\n'
NATIVE = ["2026-10-03T04:05:06Z", "get", "änn", None, ["b", "a"], None, None, ["private"], *[None] * 7]


def sha(value: object, *, sort_keys: bool = False) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=sort_keys)
    return hashlib.sha256(text.encode()).hexdigest()


def raw_values(cluster: str | None, account: str | None, provider: str | None) -> list[str | None]:
    return [cluster, account, provider, "a-1", "ResponseComplete", URI, "create", TIME]


CASES: list[tuple[str, bytes, dict[str, str], str, str]] = [
    (
        "raw",
        json.dumps(EVENT).encode(),
        {},
        sha(raw_values(None, None, None)),
        "2d3112677607829d9c4a8f22fc59b1895043577f0df3449760703c26627ff906",
    ),
    (
        "raw with labels",
        json.dumps(EVENT).encode(),
        {"cluster": "c", "account": "acct", "provider": "oci"},
        sha(raw_values("c", "acct", "oci")),
        "eb5ba635db9ca9152731aef4d799a5d7142072be41b694ad1c8bb55cd378abb5",
    ),
    (
        "raw without audit id",
        json.dumps(UNNAMED).encode(),
        {"cluster": "c"},
        sha(UNNAMED, sort_keys=True),
        "186b7792131e3a72e66a3a8c77fbf397f93484658a220877d4f490df2b91c89d",
    ),
    (
        "EKS",
        json.dumps(SUBSCRIPTION).encode(),
        {"cluster": "not this"},
        sha(raw_values("c", "123456789012", "aws")),
        "cd533bda9b9f654a9dbe35f7a89648ab2373afdb4f0b070e16ca1336bd4f4098",
    ),
    (
        "EKS, a line of an export",
        b"2026-10-03T04:05:07.000Z " + json.dumps(EVENT).encode(),
        {"cluster": "c"},
        sha(raw_values("c", None, "aws")),
        "454fc2c905254066ca422a86469b4d8d8b3c9f4f96e8e1bde45dd753e39f3fb1",
    ),
    (
        "AKS",
        json.dumps(AKS).encode(),
        {},
        sha(raw_values("C", "S-1", "azure")),
        "75974f0257c3fdcc5638bd2addcdee91a072300cd5c92100a1a028df5b490cb1",
    ),
    (
        "GKE",
        json.dumps(ENTRY).encode(),
        {},
        sha(["c", "p", "gcp", "i-1", TIME, ENTRY["logName"]]),
        "8fd1164a2eb5d5b878786c03d2d4b879654833a2bcb8e24a5c389b9a9720c2ca",
    ),
    (
        "GKE without insert id",
        json.dumps(NAMELESS_ENTRY).encode(),
        {},
        sha(NAMELESS_ENTRY, sort_keys=True),
        "f30f7d582b0f2b1b28626bc28e355a46309d2c7754d183ccde5a6373b2baa096",
    ),
    ("CSV", CSV, {}, sha(NATIVE), "c5cee910cffeef62c76e5ea23fdd19adb82b5a4158c48f83a33c6bc8a410d4a0"),
]


@pytest.mark.parametrize(("raw", "context", "worked_out", "pinned"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_identity_is_the_pinned_one_and_what_the_format_says(taken, raw, context, worked_out, pinned):
    assert taken(raw, context=json.dumps(context)).row.event_id.hex() == worked_out
    assert worked_out == pinned


def test_stages_of_one_request_are_two_events_under_one_key(taken):
    started: dict[str, Any] = EVENT | {"stage": "ResponseStarted"}
    first, second = taken(f"{json.dumps(started)}\n{json.dumps(EVENT)}\n".encode(), context='{"cluster":"c"}').rows
    assert first.event_id != second.event_id
    assert first.audit_key == second.audit_key
    assert first.audit_key.hex() == sha(["c", "a-1", URI, "create", TIME])
