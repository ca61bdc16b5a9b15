"""GKE entries in messages of Pub/Sub: pushed, pulled by the API, or printed by gcloud."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

ENTRY = {
    "insertId": "abc",
    "logName": "projects/shop/logs/cloudaudit.googleapis.com%2Fdata_access",
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "serviceName": "k8s.io",
        "methodName": "io.k8s.core.v1.secrets.get",
        "resourceName": "core/v1/namespaces/shop/secrets/till",
        "authenticationInfo": {"principalEmail": "ann@example.com"},
    },
    "resource": {"type": "k8s_cluster", "labels": {"cluster_name": "prod-eu", "project_id": "shop"}},
    "timestamp": "2026-10-03T04:05:06.789Z",
}


def message(data: bytes | None, **fields: Any) -> dict[str, Any]:
    body = {"data": base64.b64encode(data).decode()} if data is not None else {}
    return body | {"messageId": "1", "publishTime": "2026-10-03T04:05:07Z", "attributes": {"a": "b"}} | fields


def pushed(data: bytes | None) -> dict[str, Any]:
    both = {"message_id": "1", "publish_time": "2026-10-03T04:05:07Z"}
    return {"message": message(data, **both), "subscription": "projects/shop/subscriptions/audit"}


def pulled(data: bytes | None) -> dict[str, Any]:
    return {"ackId": "x", "message": message(data)}


@pytest.mark.parametrize(
    "written",
    [
        lambda data: json.dumps(pushed(data)),
        lambda data: json.dumps(pulled(data)),
        lambda data: json.dumps([pulled(data)], indent=2),
        lambda data: json.dumps({"receivedMessages": [pulled(data)]}),
    ],
    ids=["push", "one of gcloud", "list of gcloud", "answer of pull"],
)
@pytest.mark.parametrize("body", ["small", "large"])
def test_the_entry_inside_is_the_record_byte_for_byte(taken, written, body):
    padding = {"request": {"spec": "x" * 20_000}} if body == "large" else {}
    entry = json.dumps(ENTRY | {"protoPayload": {**ENTRY["protoPayload"], **padding}}, indent=1).encode()
    row = taken(written(entry).encode()).row
    assert (row.raw, row.source_format) == (entry, "gke-audit")
    assert (row.cluster, row.account, row.user, row.name) == ("prod-eu", "shop", "ann@example.com", "till")
    assert row.event_id == taken(entry).row.event_id


def test_what_is_no_audit_entry_is_counted_and_what_is_damaged_is_rejected(taken):
    other = json.dumps({"logName": "projects/shop/logs/stdout", "insertId": "x", "textPayload": "hello"}).encode()
    lines = [pushed(other), pushed(None), pushed(b"hello"), pushed(json.dumps(ENTRY).encode()), pushed(b"x")]
    lines[-1]["message"]["data"] = "not base64!"
    outcome = taken("\n".join(map(json.dumps, lines)).encode())
    assert len(outcome.rows) == 1
    assert outcome.skipped == {"other Google Cloud log": 1, "Pub/Sub message without data": 1}
    assert outcome.rejected == [("pubsub_data", "line 3"), ("pubsub_data", "line 5")]
