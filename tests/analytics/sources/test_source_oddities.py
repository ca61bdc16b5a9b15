"""Whatever stands in a record of any format, it becomes a row, a reject or a look-alike: never a failure."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record, build_batch
from kubedossier.analytics.ingest.sources import FORMATS, SkippedRecord, csv_context, derive, expand, read_ordinary

BODY = {
    "kind": "Pod",
    "spec": {
        "containers": [{"securityContext": {"privileged": True, "capabilities": {"add": ["ALL"]}}}],
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
    },
}
EVENT = {
    "auditID": "a",
    "stage": "ResponseComplete",
    "level": "RequestResponse",
    "verb": "create",
    "requestURI": "/api/v1/namespaces/n/pods?command=sh",
    "user": {
        "username": "ann",
        "uid": "aws-iam-authenticator:123456789012:x",
        "groups": ["g"],
        "extra": {"arn": ["x"]},
    },
    "impersonatedUser": {"username": "system:admin", "groups": ["system:masters"]},
    "objectRef": {"resource": "pods", "namespace": "n", "name": "p", "apiVersion": "v1"},
    "responseStatus": {"code": 201, "message": "m"},
    "requestObject": BODY,
    "requestReceivedTimestamp": "2026-10-03T04:05:06.789012Z",
    "annotations": {"authorization.k8s.io/decision": "allow"},
}
ENTRY = {
    "insertId": "i",
    "labels": {"authorization.k8s.io/decision": "allow"},
    "logName": "l",
    "timestamp": "2026-10-03T04:05:06Z",
    "resource": {"labels": {"cluster_name": "c", "project_id": "p"}},
    "protoPayload": {
        "serviceName": "k8s.io",
        "methodName": "io.k8s.core.v1.pods.create",
        "resourceName": "core/v1/namespaces/n/pods/p",
        "authenticationInfo": {"principalEmail": "ann"},
        "requestMetadata": {"callerIp": "private"},
        "status": {"code": 7, "message": "m"},
        "request": BODY,
    },
}
AKS = {
    "category": "kube-audit",
    "resourceId": "/SUBSCRIPTIONS/S/X/MANAGEDCLUSTERS/C",
    "properties": {"log": EVENT},
    "time": "2026-10-03T04:05:06Z",
}
LOG_EVENT = {"timestamp": 1_790_000_000_000, "message": json.dumps(EVENT), "ingestionTime": 1}
ENVELOPES = [
    {"owner": "1", "logGroup": "/aws/eks/c/cluster", "logStream": "s", "messageType": "D", "logEvents": [LOG_EVENT]},
    {"events": [LOG_EVENT]},
    LOG_EVENT,
    {"@message": json.dumps(EVENT), "@timestamp": "2026-10-03 04:05:06", "@log": "1:/aws/eks/c/cluster"},
    {"results": [[{"field": "@message", "value": json.dumps(EVENT)}]]},
    {"awslogs": {"data": "H4sI"}},
    {"Records": [{"kinesis": {"data": "H4sI"}}]},
    {"records": [AKS]},
    {"entries": [ENTRY]},
    {"kind": "EventList", "items": [EVENT]},
    {"resourceLogs": [{"resource": {"attributes": [{"key": "k8s.cluster.name", "value": {"stringValue": "c"}}]},
                       "scopeLogs": [{"logRecords": [{"body": {"stringValue": json.dumps(EVENT)}}]}]}]},
]  # fmt: skip
WHOLE: list[Any] = [EVENT, ENTRY, AKS, *ENVELOPES]
ODD = st.sampled_from(
    [None, True, 0, -1, 2**31, 2**63, 10**400, 1.5, "", "x", "\ud800", "\x00", "9" * 30, [], [None], ["a", 5], {},
     {"": {}}, {"a": [1]}, [[[]]], "{", "[]", "null"]
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    whole = copy.deepcopy(value)
    at = whole
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    return whole


def become(raw: bytes, source_format: str | None = None, context: str = "{}") -> list[str]:
    record = Record(raw, source_format, context)
    rows, records, rest = [], [], []
    if (row := read_ordinary(record)) is not None:
        rows, records = [row], [record]
    else:
        for one in expand(record):
            try:
                rows.append(derive(one))
                records.append(one)
            except (RejectedRecord, SkippedRecord) as what:
                rest.append(str(what))
    if rows:
        batch = build_batch(rows, records, "s")
        batch.validate(full=True)
        stored = batch.select(["raw", "source_format", "context"]).to_pylist()
        assert [derive(Record(one["raw"].encode(), one["source_format"], one["context"])) for one in stored] == rows
    return [*(row.source_format for row in rows), *rest]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("number", range(len(WHOLE)))
@given(data=st.data())
def test_any_value_anywhere_is_taken_or_refused(number, data):
    whole = WHOLE[number]
    changed = replaced(whole, data.draw(st.sampled_from(places(whole))), data.draw(ODD))
    become(json.dumps(changed).encode())
    become(json.dumps(changed).encode(), data.draw(st.sampled_from(FORMATS)))


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("number", range(len(WHOLE)))
@given(data=st.data())
def test_any_cut_and_any_byte_is_taken_or_refused(number, data):
    raw = json.dumps(WHOLE[number]).encode()
    at = data.draw(st.integers(0, len(raw)))
    byte = data.draw(st.binary(max_size=2))
    become(raw[:at] + byte + raw[at + len(byte) :])
    become(raw[:at] + byte)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["time,verb", "time;verb;user", '"time","verb"', "verb\ttime"]))
def test_any_csv_record_is_taken_or_refused(text, header):
    context = csv_context("{}", header)
    become(text.encode("utf-8", "surrogatepass"), None, context)
    become(text.encode("utf-8", "surrogatepass"), "console-csv", context)
    become(text.encode("utf-8", "surrogatepass"), "console-csv")
