"""Audit events as rows of tables: of CloudWatch Logs Insights in CSV, of Log Analytics in CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest

from kubedossier.analytics.ingest.sources.aks_tables import time_text

STREAM = "kube-apiserver-audit-0a1b2c3d4e5f"
LOG = "123456789012:/aws/eks/prod-eu/cluster"
SUBSCRIPTION = "0a0b0c0d-0000-1111-2222-333344445555"
RESOURCE = (
    f"/subscriptions/{SUBSCRIPTION}/resourcegroups/shop/providers/microsoft.containerservice/managedclusters/prod-eu"
)


def table(*rows: Sequence[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def as_text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def audit_row(event: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """An event as a row of AKSAudit, as data export writes it."""
    row = {
        "TenantId": "t",
        "TimeGenerated": "2026-10-03T04:05:07.8Z",
        "Annotations": event.get("annotations"),
        "AuditId": event.get("auditID"),
        "Level": event.get("level"),
        "ObjectRef": event.get("objectRef"),
        "PodName": "kube-apiserver-7d9",
        "RequestReceivedTime": event.get("requestReceivedTimestamp"),
        "RequestUri": event.get("requestURI"),
        "RequestObject": event.get("requestObject"),
        "ResponseStatus": event.get("responseStatus"),
        "SourceIps": event.get("sourceIPs"),
        "Stage": event.get("stage"),
        "StageReceivedTime": event.get("stageTimestamp"),
        "User": event.get("user"),
        "UserAgent": event.get("userAgent"),
        "Verb": event.get("verb"),
        "Type": "AKSAudit",
        "_ResourceId": RESOURCE,
    }
    return {key: value for key, value in (row | fields).items() if value is not None}


def as_command_line(row: dict[str, Any]) -> dict[str, str]:
    """The same as ``az monitor log-analytics query`` prints it: all values as text."""
    texts = {key: value if isinstance(value, str) else as_text(value) for key, value in row.items()}
    return texts | {"RequestObject": "None", "TableName": "PrimaryResult"}


def what(row: Any) -> tuple[Any, ...]:
    return (
        row.event_id, row.audit_key, row.time, row.verb, row.user, row.uid, row.groups, row.decision, row.source_ips,
        row.request_uri, row.resource, row.namespace, row.name, row.status_code, row.user_agent, row.stage, row.level,
    )  # fmt: skip


@pytest.fixture
def plain(taken, event):
    """What the same event gives in a diagnostic record."""
    record = {"category": "kube-audit", "resourceId": RESOURCE, "properties": {"log": as_text(event())}}
    return what(taken(json.dumps(record).encode()).row)


def test_a_row_of_logs_insights_gives_the_message_as_the_api_would(taken, event):
    message = as_text(event(userAgent='a "quoted", agent'))
    outcome = taken(
        table(
            ["@logStream", "@timestamp", "@message", "@log"], [STREAM, "2026-10-03 04:05:07.001", message + "\n", LOG]
        )
    )
    assert outcome.row.raw == message.encode()
    assert (outcome.row.source_format, outcome.row.cluster, outcome.row.account) == (
        "eks-cloudwatch", "prod-eu", "123456789012",
    )  # fmt: skip
    api = [{"field": "@message", "value": message}, {"field": "@log", "value": LOG}, {"field": "@ptr", "value": "x"}]
    assert taken(json.dumps({"results": [api]}).encode()).row.event_id == outcome.row.event_id
    assert "csv_header" not in outcome.records[0].context


def test_a_row_of_logs_insights_has_its_time_for_an_event_without_one(taken, event):
    message = as_text(event(requestReceivedTimestamp=None, stageTimestamp=None))
    row = taken(table(["@timestamp", "@message"], ["2026-10-03 04:05:07.001", message])).row
    assert row.time == 1_791_000_307_001_000
    assert row.flags is None


def test_rows_of_logs_insights_are_told_apart_one_by_one(taken, event):
    outcome = taken(
        table(
            ["@timestamp", "@message", "@logStream"],
            ["", as_text(event()), STREAM],
            ["", 'time="x" level=info msg=access', "authenticator-1"],
            ["@timestamp", "@message", "@logStream"],
            ["", "", STREAM],
            ["", as_text(event())[:80], STREAM],
            ["too", "few"],
        )
    )
    assert len(outcome.rows) == 1
    assert outcome.skipped == {
        "CloudWatch stream authenticator": 1,
        "CSV header": 1,
        "Logs Insights row without @message": 1,
    }
    assert [reason for reason, _ in outcome.rejected] == ["not_json", "csv_columns"]


def test_rows_that_never_asked_for_the_message_are_counted_as_such(taken):
    outcome = taken(table(["@timestamp", "user.username"], ["2026-10-03 04:05:07.001", "ann"]))
    assert outcome.skipped == {"Logs Insights row without @message": 1}


@pytest.mark.parametrize("form", [lambda row: row, as_command_line], ids=["data export", "command line"])
def test_a_row_of_aks_audit_is_the_event_and_is_kept_whole(taken, event, form, plain):
    raw = json.dumps(form(audit_row(event()))).encode()
    row = taken(raw).row
    assert (row.raw, row.source_format) == (raw, "aks-diagnostic")
    assert (row.cluster, row.account, row.provider) == ("prod-eu", SUBSCRIPTION, "azure")
    assert row.flags is None
    assert what(row) == plain


def test_rules_see_the_body_of_a_row(taken, event):
    pod = {"kind": "Pod", "spec": {"containers": [{"name": "a", "securityContext": {"privileged": True}}]}}
    made = event(verb="create", objectRef={"resource": "pods", "namespace": "shop"}, requestObject=pod)
    row = taken(json.dumps(audit_row(made)).encode()).row
    assert row.techniques_derived == ("privilegedContainer", "createContainer")
    too_big = taken(json.dumps(audit_row(made, RequestObject="skipped-too-big-size-object")).encode()).row
    assert (too_big.techniques_derived, too_big.body_present) == (("createContainer",), False)
    assert too_big.flags == ("technique_unknown",)


@pytest.mark.parametrize("portal", [False, True])
def test_a_row_of_aks_audit_in_csv(taken, event, plain, portal):
    row = as_command_line(audit_row(event()))
    columns = list(row)
    if portal:
        row["RequestReceivedTime"] = "10/3/2026, 4:05:06.789012 AM"
        columns = [f"{one} [UTC]" if one.endswith(("Time", "Generated")) else one for one in columns]
    data = table(columns, list(row.values()))
    found = taken(data).row
    assert found.raw == data.splitlines()[1]
    assert what(found) == plain
    assert found.flags is None


def test_the_answer_of_the_query_api_comes_apart_into_its_rows(taken, event, plain):
    row = audit_row(event())
    columns = [{"name": one, "type": "string"} for one in row]
    values = as_text([as_text(one) if isinstance(one, dict | list) else one for one in row.values()])
    whole = f'{{"tables":[{{"name":"PrimaryResult","columns":{as_text(columns)},"rows":[{values}, ["too","few"] ]}}]}}'
    outcome = taken(whole.encode())
    assert [one.raw.decode() for one in outcome.rows] == [values]
    assert what(outcome.rows[0]) == plain
    assert [reason for reason, _ in outcome.rejected] == ["table_columns"]


@pytest.mark.parametrize("column", ["log_s", "properties"])
def test_a_row_of_azure_diagnostics_holds_the_event_as_text(taken, event, plain, column):
    log = as_text(event()) + "\n"
    row = {
        "TimeGenerated": "2026-10-03T04:05:07Z", "Category": "kube-audit-admin", "_ResourceId": RESOURCE,
        "Type": "AzureDiagnostics", column: log if column == "log_s" else as_text({"log": log, "pod": "p"}),
    }  # fmt: skip
    found = taken(json.dumps(row).encode()).row
    assert (found.cluster, found.provider, found.source_format) == ("prod-eu", "azure", "aks-diagnostic")
    assert what(found) == plain
    name = {"Category": "category"} if column == "properties" else {}
    assert what(taken(table([name.get(one, one) for one in row], list(row.values()))).row) == plain


def test_an_event_without_an_audit_id_is_named_by_itself_in_csv(taken, event):
    log = as_text(event(auditID=None))
    one, other = (taken(table(["log_s", "pod_s"], [log, pod])).row for pod in ("a", "b"))
    assert one.event_id == other.event_id
    assert one.raw != other.raw


def test_rows_of_other_tables_and_categories_are_counted_by_name(taken, event):
    rows = [
        {"TimeGenerated": "x", "Type": "AzureDiagnostics", "Category": "kube-apiserver", "log_s": "I0101 klog"},
        {"TimeGenerated": "x", "Type": "AzureDiagnostics", "Category": "AuditEvent", "ResultType": "Success"},
        {"TimeGenerated": "x", "Type": "ContainerLogV2", "LogMessage": "hello", "_ResourceId": RESOURCE},
        audit_row(event()),
    ]
    outcome = taken("\n".join(map(json.dumps, rows)).encode())
    assert len(outcome.rows) == 1
    assert outcome.skipped == {"AKS log kube-apiserver": 1, "other Azure log": 2}
    csv_rows = table(["TimeGenerated [UTC]", "Category", "Type"], ["x", "AuditEvent", "AzureDiagnostics"])
    assert taken(csv_rows).skipped == {"other Azure log": 1}


def test_a_row_that_was_cut_or_is_not_text_is_rejected(taken, event):
    cut = table(["Category", "log_s"], ["kube-audit", as_text(event())[:90]])
    assert [reason for reason, _ in taken(cut).rejected] == ["not_json"]
    assert [reason for reason, _ in taken(b"Category,log_s\nkube-audit,\xff\n").rejected] == ["not_utf8"]
    assert [reason for reason, _ in taken(b"@timestamp,@message\nx,\xff\n").rejected] == ["not_utf8"]
    assert [reason for reason, _ in taken(b"Category,log_s\nkube-audit\n").rejected] == ["csv_columns"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10/3/2026, 4:05:06.789 AM", "2026-10-03T04:05:06.789Z"),
        ("10/3/2026, 12:05:06 AM", "2026-10-03T00:05:06Z"),
        ("1/31/2026, 12:05:06 PM", "2026-01-31T12:05:06Z"),
        ("1/31/2026, 11:05:06 PM", "2026-01-31T23:05:06Z"),
        ("2026-10-03T04:05:06.789Z", "2026-10-03T04:05:06.789Z"),
    ],
)
def test_the_portals_times_are_read(written, meant):
    assert time_text(written) == meant
