"""GKE: Cloud Audit entries of the service k8s.io, and no other entry of the same log."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from kubedossier.analytics.ingest.paths import NOTHING, ApiPath, parse_method_name

ENTRY: dict[str, Any] = {
    "insertId": "in-1",
    "labels": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "by IAM"},
    "logName": "projects/shop-1/logs/cloudaudit.googleapis.com%2Factivity",
    "operation": {"first": True, "id": "op", "last": True, "producer": "k8s.io"},
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "authenticationInfo": {"principalEmail": "ann@example.com"},
        "authorizationInfo": [{"granted": True, "permission": "io.k8s.core.v1.configmaps.get"}],
        "methodName": "io.k8s.core.v1.configmaps.get",
        "requestMetadata": {"callerIp": "192.0.2.7", "callerSuppliedUserAgent": "kubectl/v1.31"},
        "resourceName": "core/v1/namespaces/shop/configmaps/prices",
        "serviceName": "k8s.io",
        "status": {},
    },
    "receiveTimestamp": "2026-10-03T04:05:08.123456789Z",
    "resource": {
        "labels": {"cluster_name": "prod-eu", "location": "europe-west4", "project_id": "shop-1"},
        "type": "k8s_cluster",
    },
    "timestamp": "2026-10-03T04:05:06.789012Z",
}


def entry(payload: dict[str, Any] | None = None, **fields: Any) -> bytes:
    whole = copy.deepcopy(ENTRY) | fields
    whole["protoPayload"] |= payload or {}
    whole["protoPayload"] = {key: value for key, value in whole["protoPayload"].items() if value is not None}
    return json.dumps({key: value for key, value in whole.items() if value is not None}).encode()


def test_an_entry_fills_the_columns_the_console_would_have_filled(taken):
    raw = entry()
    row = taken(raw).row
    assert (row.raw, row.source_format) == (raw, "gke-audit")
    assert (row.cluster, row.account, row.provider) == ("prod-eu", "shop-1", "gcp")
    assert (row.verb, row.action, row.user, row.groups) == (
        "io.k8s.core.v1.configmaps.get", "get", "ann@example.com", None,
    )  # fmt: skip
    assert (row.resources, row.request_uri) == ("core/v1/namespaces/shop/configmaps/prices", None)
    assert (row.api_group, row.resource, row.namespace, row.name) == ("core", "configmaps", "shop", "prices")
    assert row.authorization == tuple(sorted(ENTRY["labels"].items()))
    assert (row.decision, row.status_code, row.audit_id, row.audit_key) == ("allow", 200, "in-1", None)
    assert (row.source_ips, row.user_agent, row.flags) == (("192.0.2.7",), "kubectl/v1.31", None)


@pytest.mark.parametrize(
    "wrap", [lambda one: b"[%s,\n%s]" % (one, one), lambda one: b'{"entries":[%s,%s]}' % (one, one)]
)
def test_arrays_and_pages_of_entries_come_apart(taken, wrap):
    assert [row.raw for row in taken(wrap(entry())).rows] == [entry(), entry()]


@pytest.mark.parametrize(
    ("code", "http"), [(0, 200), (3, 400), (5, 404), (6, 409), (7, 403), (10, 409), (13, 500), (14, 503), (16, 401)]
)
def test_status_codes_of_grpc_become_those_of_http(taken, code, http):
    assert taken(entry({"status": {"code": code, "message": "why"}})).row.status_code == http


def test_a_refused_request_tells_its_message(taken):
    assert taken(entry({"status": {"code": 7, "message": "no right"}})).row.message == "no right"


def test_a_running_exec_has_status_101(taken):
    payload = {
        "methodName": "io.k8s.core.v1.pods.exec.create",
        "resourceName": "core/v1/namespaces/shop/pods/till-1/exec",
        "request": {"@type": "core.k8s.io/v1.PodExecOptions", "command": ["sh", "-c", "cat /etc/shadow"]},
    }
    row = taken(entry(payload)).row
    assert (row.status_code, row.subresource, row.action, row.body_present) == (101, "exec", "create", True)
    assert row.techniques_derived == ("execIntoContainer", "unsecuredCredentials")


def test_an_exec_whose_command_was_not_logged_is_open_on_what_it_did(taken):
    payload = {"methodName": "io.k8s.core.v1.pods.exec.create", "resourceName": "core/v1/namespaces/shop/pods/a/exec"}
    row = taken(entry(payload)).row
    assert (row.techniques_derived, row.flags) == (("execIntoContainer",), ("technique_unknown",))


@pytest.mark.parametrize("name", ["readyz", "api/v1", "HNAP1", "apis/apps/v1"])
def test_a_call_of_no_resource_names_none(taken, name):
    row = taken(entry({"methodName": "io.k8s.get", "resourceName": name})).row
    assert (row.action, row.resource, row.resources, row.request_uri) == ("get", None, name, None)


def test_anonymous_calls_are_told_by_what_they_ask(taken):
    who = {"authenticationInfo": {"principalEmail": "system:anonymous"}, "methodName": "io.k8s.get"}
    assert taken(entry(who | {"resourceName": "readyz"})).row.techniques_derived is None
    assert taken(entry(who | {"resourceName": "HNAP1"})).row.techniques_derived == ("accessKubernetesAPIServer",)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("io.k8s.core.v1.pods.exec.create", ApiPath("core", "v1", None, "pods", None, "exec")),
        (
            "io.k8s.authorization.rbac.v1.clusterrolebindings.create",
            ApiPath("rbac.authorization.k8s.io", "v1", None, "clusterrolebindings"),
        ),
        (
            "io.k8s.rbac.v1.clusterrolebindings.create",
            ApiPath("rbac.authorization.k8s.io", "v1", None, "clusterrolebindings"),
        ),
        ("io.k8s.apps.v1.daemonsets.patch", ApiPath("apps", "v1", None, "daemonsets")),
        (
            "io.k8s.authorization.v1beta1.subjectaccessreviews.create",
            ApiPath("authorization.k8s.io", "v1beta1", None, "subjectaccessreviews"),
        ),
        ("io.k8s.get", NOTHING),
        ("v2.deploymentmanager.deployments.insert", NOTHING),
        (None, NOTHING),
    ],
)
def test_a_method_name_serves_where_the_entry_names_no_resource(method, path):
    assert parse_method_name(method) == path


def test_the_resource_name_counts_before_the_method_name(taken):
    row = taken(entry({"methodName": "io.k8s.core.v1.pods.create"})).row
    assert (row.resource, row.action) == ("configmaps", "create")
    bare = taken(entry({"methodName": "io.k8s.core.v1.pods.create", "resourceName": None})).row
    assert (bare.resource, bare.resources) == ("pods", None)


def test_custom_resources_are_known_by_their_service(taken):
    payload = {
        "methodName": "com.example.stable.v1.crontabs.update",
        "resourceName": "stable.example.com/v1/namespaces/shop/crontabs/mine",
    }
    row = taken(entry(payload)).row
    assert (row.api_group, row.resource, row.name, row.action) == ("stable.example.com", "crontabs", "mine", "update")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (entry({"serviceName": "container.googleapis.com"}), "GKE control-plane call"),
        (entry({"serviceName": "cloudbilling.googleapis.com"}), "other Google Cloud log"),
        (
            entry({"serviceName": None, "methodName": "v2.deploymentmanager.deployments.insert"}),
            "other Google Cloud log",
        ),
        (
            b'{"insertId":"1","logName":"projects/p/logs/stdout","textPayload":"x","timestamp":"2026-10-03T00:00:00Z",'
            b'"resource":{"type":"k8s_container"}}',
            "other Google Cloud log",
        ),
    ],
)
def test_entries_of_other_services_are_skipped_and_counted(taken, raw, what):
    outcome = taken(raw)
    assert (outcome.rows, outcome.skipped) == ([], {what: 1})


def test_an_entry_without_service_is_known_by_its_method(taken):
    assert taken(entry({"serviceName": None})).row.resource == "configmaps"


def test_labels_of_the_command_line_serve_where_the_entry_is_silent(taken):
    context = '{"account":"said","cluster":"said","provider":"aws"}'
    row = taken(entry(resource=None), context=context).row
    assert (row.cluster, row.account, row.provider) == ("said", "said", "gcp")
    assert taken(entry(), context=context).row.cluster == "prod-eu"


def test_wrong_types_cost_a_flag_and_never_the_entry(taken):
    raw = entry(
        {"status": {"code": "seven"}, "requestMetadata": "x", "authenticationInfo": []}, timestamp=5, labels=[1]
    )
    row = taken(raw).row
    assert set(row.flags) == {
        "wrong_type:protoPayload.status.code",
        "wrong_type:protoPayload.requestMetadata",
        "wrong_type:timestamp",
        "wrong_type:labels",
        "time_truncated",
    }
    assert row.time is not None


def test_a_number_beyond_a_double_in_a_known_field_is_a_reject(taken):
    raw = entry().replace(b'"status": {}', b'"status": {"code": 1e999}')
    assert [reason for reason, _ in taken(raw).rejected] == ["number_out_of_range"]


def test_invalid_utf8_in_a_body_is_a_reject(taken):
    raw = entry({"request": {"x": "~"}}).replace(b"~", b"\xff")
    assert [reason for reason, _ in taken(raw).rejected] == ["not_utf8"]
