"""AKS: the audit event inside a diagnostic record, whatever carried it here."""

from __future__ import annotations

import json
from typing import Any

import pytest

SUBSCRIPTION = "0A0B0C0D-0000-1111-2222-333344445555"
RESOURCE = (
    f"/SUBSCRIPTIONS/{SUBSCRIPTION}/RESOURCEGROUPS/SHOP/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD-EU"
)


def record(log: object, **fields: Any) -> dict[str, Any]:
    whole = {
        "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
        "category": "kube-audit",
        "ccpNamespace": "5f0",
        "resourceId": RESOURCE,
        "properties": {"log": log, "stream": "stdout", "pod": "kube-apiserver-7d9"},
        "time": "2026-10-03T04:05:07.0000000Z",
        "Cloud": "AzureCloud",
        "Environment": "prod",
    }
    return {key: value for key, value in (whole | fields).items() if value is not None}


def as_text(event: object) -> str:
    return json.dumps(event, separators=(",", ":")) + "\n"


@pytest.mark.parametrize("form", [as_text, lambda event: event], ids=["a string with a line end", "an object"])
@pytest.mark.parametrize("category", ["kube-audit", "kube-audit-admin", None])
def test_the_event_inside_fills_the_row_and_the_whole_record_is_kept(taken, event, form, category):
    raw = json.dumps(record(form(event()), category=category)).encode()
    row = taken(raw).row
    assert (row.raw, row.source_format) == (raw, "aks-diagnostic")
    assert (row.cluster, row.account, row.provider) == ("PROD-EU", SUBSCRIPTION, "azure")
    assert (row.audit_id, row.verb, row.user) == (event()["auditID"], "get", "ann@example.com")
    assert row.flags is None


def test_an_event_hubs_message_comes_apart_with_exact_bytes(taken, event):
    first, second = (json.dumps(record(as_text(event(auditID=one)))) for one in "ab")
    outcome = taken(f'\ufeff{{"records": [{first} ,\n {second}]}}'.encode())
    assert [row.raw.decode() for row in outcome.rows] == [first, second]


def test_both_audit_categories_name_one_event(taken, event):
    lines = [json.dumps(record(as_text(event()), category=one)) for one in ("kube-audit", "kube-audit-admin")]
    first, second = taken("\n".join(lines).encode()).rows
    assert first.event_id == second.event_id


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"category": "kube-apiserver"}, "AKS log kube-apiserver"),
        ({"category": "guard"}, "AKS log guard"),
        ({"category": "AuditEvent"}, "other Azure log"),
        ({}, "AKS log that is no event"),
    ],
)
def test_text_logs_of_the_control_plane_are_skipped_and_counted(taken, fields, what):
    klog = 'I1003 04:05:06.789012       1 trace.go:205] Trace[1]: "Get" url:/api/v1\n'
    outcome = taken(json.dumps(record(klog, **fields)).encode())
    assert (outcome.rows, outcome.rejected, outcome.skipped) == ([], [], {what: 1})


def test_an_activity_record_of_azure_is_no_event_of_the_console(taken):
    other = record(None, category="Administrative", properties={"statusCode": "OK"})
    assert taken(json.dumps(other).encode()).skipped == {"other Azure log": 1}


def test_an_event_cut_short_inside_is_a_reject(taken, event):
    outcome = taken(json.dumps(record(as_text(event())[:200])).encode())
    assert [reason for reason, _ in outcome.rejected] == ["not_json"]


@pytest.mark.parametrize(
    "time", ["2026-10-03T04:05:07Z", "2026-10-03T04:05:07.0000000Z", "2026-10-03T04:05:07.000000000Z"]
)
def test_the_time_of_the_record_serves_an_event_without_one(taken, event, time):
    bare = event(requestReceivedTimestamp=None, stageTimestamp=None)
    row = taken(json.dumps(record(as_text(bare), time=time)).encode()).row
    assert (row.time, row.flags) == (1_791_000_307_000_000, None)


def test_labels_serve_where_the_record_names_no_cluster(taken, event):
    raw = json.dumps(record(as_text(event()), resourceId=None)).encode()
    row = taken(raw, context='{"account":"said-a","cluster":"said-c"}').row
    assert (row.cluster, row.account, row.provider) == ("said-c", "said-a", "azure")


def test_an_event_without_audit_id_is_known_by_the_whole_record(taken, event):
    bare = event(auditID=None)
    first = taken(json.dumps(record(bare)).encode()).row
    second = taken(json.dumps(record(bare, ccpNamespace="other")).encode()).row
    assert first.event_id != second.event_id
    assert first.audit_key is None
