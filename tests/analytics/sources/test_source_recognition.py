"""What a record is, is told record by record by its shape; what is no event is refused by name."""

from __future__ import annotations

import json

import pytest

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest.importer import Labels, import_files
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.sources import FORMATS
from kubedossier.analytics.store.ledger import Ledger

CONSOLE = {"time": "2026-10-03T04:05:06Z", "verb": "get", "cluster": "console"}
ENTRY = {
    "insertId": "1",
    "timestamp": "2026-10-03T04:05:06Z",
    "resource": {"labels": {"cluster_name": "gke"}},
    "protoPayload": {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.list", "resourceName": "core/v1/pods"},
}
RESOURCE = "/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/AKS"


def one_of_each(event) -> list[str]:
    text = json.dumps(event)
    aks = {
        "category": "kube-audit",
        "resourceId": RESOURCE,
        "time": "2026-10-03T04:05:06Z",
        "properties": {"log": text},
    }
    eks = {"owner": "1", "logGroup": "/aws/eks/eks/cluster", "logStream": "kube-apiserver-audit-1"}
    return [
        json.dumps(CONSOLE),
        text,
        json.dumps(ENTRY),
        json.dumps(aks),
        json.dumps(eks | {"messageType": "DATA_MESSAGE", "logEvents": [{"message": text, "timestamp": 1}]}),
        "2026-10-03T04:05:07.000Z " + text,
        json.dumps({"kind": "EventList", "items": [event]}),
        json.dumps({"records": [aks]}),
        json.dumps({"entries": [ENTRY]}),
    ]


def test_formats_mixed_in_one_file_are_told_apart(taken, event):
    outcome = taken("\n".join(one_of_each(event())).encode())
    assert [(row.source_format, row.cluster) for row in outcome.rows] == [
        ("console-json", "console"),
        ("kubernetes-audit", None),
        ("gke-audit", "gke"),
        ("aks-diagnostic", "AKS"),
        ("eks-cloudwatch", "eks"),
        ("eks-cloudwatch", None),
        ("kubernetes-audit", None),
        ("aks-diagnostic", "AKS"),
        ("gke-audit", "gke"),
    ]
    assert (outcome.rejected, outcome.skipped) == ([], {})


def test_mixed_formats_are_archived_and_every_row_can_be_made_again(archive_path, tmp_path, event):
    file, table = tmp_path / "mixed.log", tmp_path / "console.csv"
    file.write_text("\n".join(one_of_each(event())))
    table.write_text("Time,Verb,User\n2026-10-03T04:05:06Z,get,ann\n")
    labels = Labels(cluster="said", account="acct", provider="oci")
    receipts = [
        one.receipt for one in import_files(archive_path, [str(file), str(table)], labels=labels) if one.receipt
    ]
    assert (receipts[0].new, receipts[0].duplicate, receipts[0].rejected) == (7, 3, 0)
    ledger = Ledger.read(archive_path)
    assert list(recheck_events(ledger, ledger.live())) == []


@pytest.mark.parametrize("source_format", FORMATS)
def test_a_format_that_was_said_is_the_only_one_tried(taken, event, source_format):
    outcome = taken("\n".join(one_of_each(event())[:4]).encode(), source_format=source_format)
    assert {row.source_format for row in outcome.rows} <= {source_format}


def test_records_of_the_console_need_one_of_its_fields_and_no_other_clouds_shape(taken):
    assert taken(b'{"time":"2026-10-03T04:05:06Z","new":1}').row.source_format == "console-json"
    assert taken(b'{"err":"boom"}').rejected == [("no_known_field", "line 1")]
    others = [
        {"time": "2026-10-03T04:05:06Z", "category": "Administrative", "resourceId": RESOURCE, "operationName": "x"},
        {"timestamp": "2026-10-03T04:05:06Z", "logName": "l", "insertId": "1", "jsonPayload": {}, "resource": {}},
        {"eventVersion": "1.11", "eventSource": "eks.amazonaws.com", "resources": [], "eventName": "CreateCluster"},
    ]
    outcome = taken("\n".join(map(json.dumps, others)).encode())
    assert outcome.skipped == {"other Azure log": 1, "other Google Cloud log": 1, "other AWS log": 1}


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {}}, "Kubernetes AdmissionReview"),
        (
            {"kind": "Event", "apiVersion": "v1", "involvedObject": {}, "message": "Pulled", "metadata": {}},
            "core/v1 Event",
        ),
        (
            {"kind": "Event", "apiVersion": "events.k8s.io/v1", "regarding": {}, "note": "x", "metadata": {}},
            "core/v1 Event",
        ),
        ({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no"}, "Kubernetes Status"),
        ({"kind": "Widget-of-Ann", "apiVersion": "x/v1", "metadata": {}, "spec": {}}, "Kubernetes object"),
    ],
)
def test_look_alikes_are_counted_under_names_of_our_own(taken, value, what):
    outcome = taken(json.dumps(value).encode())
    assert (outcome.rows, outcome.rejected, outcome.skipped) == ([], [], {what: 1})


def test_an_event_with_the_name_of_its_look_alike_is_told_by_audit_id_or_stage(taken, event):
    assert taken(json.dumps(event(involvedObject={})).encode()).row.audit_id == event()["auditID"]
    assert taken(json.dumps(event(auditID=None, foreign=1)).encode()).row.stage == "ResponseComplete"


@pytest.mark.parametrize(
    "text", ['{"kind": 0}', "kind: Pod\napiVersion: v1\n", "2026-10-03T04:05:06Z daemon started\n", "[1, 2]"]
)
def test_a_file_that_is_no_audit_log_is_refused_and_says_what_is_expected(archive_path, tmp_path, text):
    file = tmp_path / "odd"
    file.write_text(text)
    with pytest.raises(KubedossierError, match="is no audit log") as caught:
        list(import_files(archive_path, [str(file)]))
    for word in ("CSV", "EKS", "AKS", "GKE"):
        assert word in caught.value.hint


def test_concatenated_damage_stays_one_reject(taken, event):
    line = json.dumps(event()) + "}{" + json.dumps(event()) + "\n"
    assert taken(line.encode()).rejected == [("not_json", "line 1")]


def test_an_empty_envelope_is_no_error(taken):
    for empty in (
        {"records": []},
        {"events": []},
        {"entries": []},
        {"kind": "EventList", "items": []},
        {"kind": "EventList", "items": None},
    ):
        outcome = taken(json.dumps(empty).encode())
        assert (outcome.rows, outcome.rejected) == ([], [])


def test_bodies_of_opentelemetry_logs_are_events(taken, event):
    named = [{"key": "k8s.cluster.name", "value": {"stringValue": "prod"}}, {"key": "n", "value": {"intValue": "1"}}]
    records = [{"body": {"stringValue": json.dumps(event())}, "timeUnixNano": "1"}, {"body": {"kvlistValue": {}}}]
    export = {
        "resourceLogs": [{"resource": {"attributes": named}, "scopeLogs": [{"scope": {}, "logRecords": records}]}]
    }
    row = taken(json.dumps(export).encode()).row
    assert (row.source_format, row.cluster, row.raw) == ("kubernetes-audit", "prod", json.dumps(event()).encode())
    assert taken(json.dumps(export).encode(), context='{"cluster":"said"}').row.cluster == "prod"


def test_an_event_that_speaks_of_other_shapes_inside_stays_an_event(taken, event):
    body = {"protoPayload": {"serviceName": "k8s.io"}, "properties": {"log": "x"}, "records": [], "logEvents": []}
    row = taken(json.dumps(event(requestObject=body, foreign=1)).encode()).row
    assert (row.source_format, row.body_present) == ("kubernetes-audit", True)


def test_a_field_the_console_may_add_later_does_not_make_its_record_a_raw_event(taken):
    later = CONSOLE | {"auditID": "a", "stage": "ResponseComplete", "eventBlob": "{}"}
    assert taken(json.dumps(later).encode()).row.source_format == "console-json"


@pytest.mark.parametrize(
    "envelope",
    [
        {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": [{"timestamp": 1}]},
        {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": "none"},
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": "none"},
        {"records": {}},
        {"entries": 5},
        {"resourceLogs": 5},
        {"awslogs": {"data": 5}},
        {"Records": [{"kinesis": {"data": "no base64"}}]},
    ],
)
def test_an_envelope_that_cannot_be_opened_is_a_reject_and_never_skipped(taken, envelope):
    outcome = taken(json.dumps(envelope).encode())
    assert (outcome.rows, outcome.skipped) == ([], {})
    assert outcome.rejected == [("no_known_field", "line 1")]


def test_bytes_that_are_no_utf8_inside_an_envelope_are_a_reject(taken):
    raw = b'{"logGroup":"g","logEvents":[{"message":"{\\"auditID\\":\\"\xff\\"}"}]}'
    assert taken(raw).rejected == [("not_utf8", "line 1")]


def test_the_command_offers_every_format():
    from kubedossier.cli.import_ import command

    choices = next(one.type.choices for one in command.params if one.name == "input_format")
    assert sorted(choices) == sorted(["auto", *FORMATS])
