"""Traps seen in real audit data, one rule each, on events of our own making."""

from __future__ import annotations

import json

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.importer import import_files
from kubedossier.analytics.schema import EVENT_SCHEMA


def lines(*events: object) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in events).encode()


def pod(**fields: object) -> dict[str, object]:
    return {"resource": "pods", "namespace": "shop", "name": "till-1", "apiVersion": "v1"} | fields


def test_stages_hide_each_other_whatever_their_order_and_their_file(archive_path, tmp_path, event):
    first, second = tmp_path / "1.ndjson", tmp_path / "2.ndjson"
    lonely = event(auditID="exec", stage="ResponseStarted", verb="get", responseStatus={"code": 101})
    first.write_bytes(lines(event(auditID="late"), event(auditID="late", stage="ResponseStarted"), lonely))
    second.write_bytes(lines(event(auditID="split", stage="ResponseStarted")))
    list(import_files(archive_path, [str(first), str(second)]))
    first.write_bytes(lines(event(auditID="split")))
    list(import_files(archive_path, [str(first)]))
    archive = Archive(archive_path)
    assert archive.sql("select count(*) from records").item() == 5
    shown = archive.sql("select audit_id, stage from events order by audit_id").rows()
    assert shown == [("exec", "ResponseStarted"), ("late", "ResponseComplete"), ("split", "ResponseComplete")]


def test_a_byte_identical_line_counts_once_and_a_placeholder_id_does_not_merge_requests(taken, event):
    same = event(auditID="abcde12345")
    other_request = same | {"requestURI": "/api/v1/namespaces/shop/pods"}
    other_time = same | {"requestReceivedTimestamp": "2026-10-03T04:05:07Z"}
    ids = [row.event_id for row in taken(lines(same, same, other_request, other_time)).rows]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert taken(lines(same), context='{"cluster":"other"}').row.event_id not in ids


@pytest.mark.parametrize("verb", ["get", "create"])
def test_an_exec_over_websocket_is_an_exec(taken, event, verb):
    row = taken(lines(event(verb=verb, objectRef=pod(subresource="exec")))).row
    assert "execIntoContainer" in row.techniques_derived


def test_the_admin_login_of_aks_is_no_system_actor(taken, event):
    row = taken(lines(event(user={"username": "masterclient"}, objectRef=pod(subresource="exec")))).row
    assert (row.user_kind, row.techniques_derived) == ("human", ("execIntoContainer",))


@pytest.mark.parametrize("address", ["private", "::1", "192.0.2.7, 198.51.100.1"])
def test_addresses_are_kept_as_words(taken, event, address):
    assert taken(lines(event(sourceIPs=[address]))).row.source_ips == (address,)


@pytest.mark.parametrize(
    ("text", "micros", "flags"),
    [
        ("2026-10-03T04:05:06Z", 0, None),
        ("2026-10-03T04:05:06.7Z", 700_000, None),
        ("2026-10-03T04:05:06.789Z", 789_000, None),
        ("2026-10-03T04:05:06.78901Z", 789_010, None),
        ("2026-10-03T04:05:06.7890120Z", 789_012, None),
        ("2026-10-03T04:05:06.78901234Z", 789_012, ("time_truncated",)),
        ("2026-10-03T04:05:06.789012345Z", 789_012, ("time_truncated",)),
        ("2026-10-03 04:05:06.789012000", 789_012, ("time_without_zone",)),
    ],
)
def test_times_of_every_precision_are_read_and_losses_are_named(taken, event, text, micros, flags):
    row = taken(lines(event(requestReceivedTimestamp=text))).row
    assert (row.time % 1_000_000, row.flags) == (micros, flags)
    assert row.time // 1_000_000 == 1_791_000_306


@pytest.mark.parametrize("version", [None, "audit.k8s.io/v1beta1"])
def test_old_events_are_known_by_their_shape(taken, event, version):
    old = event(
        apiVersion=version,
        kind=None,
        requestReceivedTimestamp=None,
        stageTimestamp=None,
        annotations=None,
        timestamp="2018-10-26T13:38:34Z",
    )
    row = taken(lines(old)).row
    assert (row.time, row.decision, row.resource) == (1_540_561_114_000_000, None, "configmaps")
    oldest = event(
        requestReceivedTimestamp=None, stageTimestamp=None, metadata={"creationTimestamp": "2018-10-26T13:38:34Z"}
    )
    assert taken(lines(oldest)).row.time == 1_540_561_114_000_000


def test_items_of_an_event_list_have_neither_kind_nor_version(taken, event):
    items = [event(kind=None, apiVersion=None), event(kind=None, apiVersion=None, auditID="b")]
    whole = {"apiVersion": "audit.k8s.io/v1", "items": items, "kind": "EventList", "metadata": {}}
    assert [row.audit_id for row in taken(json.dumps(whole).encode()).rows] == [items[0]["auditID"], "b"]


def test_an_impersonated_request_keeps_both_identities(taken, event):
    acting = {"username": "system:admin", "groups": ["system:masters"]}
    row = taken(lines(event(impersonatedUser=acting))).row
    assert (row.user, row.impersonated_user) == ("ann@example.com", "system:admin")
    assert row.techniques_derived == ("abuseElevationControlMechanisms",)
    assert taken(lines(event(impersonatedUser={"username": "bob"}))).row.techniques_derived is None


def test_requests_without_an_object_are_read_from_their_path(taken, event):
    row = taken(lines(event(objectRef=None, requestURI="/apis/apps/v1/namespaces/shop/deployments?limit=5"))).row
    assert (row.api_group, row.resource, row.namespace, row.name) == ("apps", "deployments", "shop", None)
    row = taken(lines(event(objectRef=None, requestURI="/healthz"))).row
    assert (row.resource, row.resources) == (None, None)
    row = taken(lines(event(objectRef={"resource": "pods", "apiGroup": "", "apiVersion": "v1"}))).row
    assert (row.api_group, row.name, row.resources) == ("core", None, "core/v1/pods")


def test_a_user_without_anything_is_nobody_and_extra_stays_in_raw_alone(taken, event):
    assert taken(lines(event(user={}))).row.user is None
    user = {"username": "ann", "extra": {"accessKeyId": ["AKIAEXAMPLE"]}}
    _assert_only_raw_holds(taken(lines(event(user=user))).row, "AKIAEXAMPLE")


@pytest.mark.parametrize(
    "body",
    [
        [{"op": "replace", "path": "/spec", "value": 1}, {"op": "add"}, 7, None],
        {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": "none"}},
        {"spec": {"template": [], "jobTemplate": {"spec": None}}},
        {
            "spec": {
                "containers": [None, {"securityContext": [], "volumeMounts": {}}],
                "volumes": [3, {"hostPath": "x"}],
            }
        },
    ],
)
def test_bodies_of_every_shape_are_looked_at_with_care(taken, event, body):
    fields = {"verb": "patch", "level": "RequestResponse", "requestObject": body, "objectRef": pod()}
    row = taken(lines(event(**fields))).row
    assert (row.techniques_derived, row.flags) == (None, None)


@pytest.mark.parametrize("body", [None, "skipped-too-big-size-object"])
def test_a_body_that_was_not_logged_leaves_the_answer_open(taken, event, body):
    fields = {"verb": "create", "level": "Request", "requestObject": body, "objectRef": pod()}
    row = taken(lines(event(**fields))).row
    assert (row.techniques_derived, row.flags) == (("createContainer",), ("technique_unknown",))
    assert row.body_present is False


def test_a_long_line_is_read_and_a_truncated_one_costs_only_itself(taken, event):
    long = event(auditID="long", level="Request", requestObject={"data": {"x": "y" * 300_000}})
    whole = lines(event(), long, event(auditID="last"))
    cut = lines(event())[:200] + b"\n"
    outcome = taken(cut + whole)
    assert [row.audit_id for row in outcome.rows] == [event()["auditID"], "long", "last"]
    assert outcome.rejected == [("not_json", "line 1")]
    record = {
        "logGroup": "/aws/eks/c/cluster",
        "logEvents": [{"message": cut.decode()}, {"message": json.dumps(event())}],
    }
    outcome = taken(json.dumps(record).encode())
    assert (len(outcome.rows), outcome.rejected) == (1, [("not_json", "line 1, item 1")])


def test_foreign_fields_are_kept_and_named(taken, event):
    row = taken(lines(event(p_row_id="1", job="audit"))).row
    assert row.flags == ("unknown_field",)
    viaq = event(**{"@timestamp": "2026-10-03T04:05:09Z", "k8s_audit_level": "Request", "level": "default"})
    assert taken(lines(viaq)).row.level == "Request"


def test_secrets_in_a_body_stand_in_raw_alone(taken, event):
    body = {"kind": "ConfigMap", "data": {"password": "hunter2-example"}}
    row = taken(lines(event(verb="create", level="Request", requestObject=body, responseObject=body))).row
    _assert_only_raw_holds(row, "hunter2-example")


def test_the_person_is_found_on_the_deployment_and_not_on_the_pods_of_its_controller(taken, event):
    controller = {"username": "system:serviceaccount:kube-system:replicaset-controller"}
    made = {"verb": "create", "level": "Request", "requestObject": {"spec": {}}}
    deployment = {"resource": "deployments", "apiGroup": "apps", "apiVersion": "v1", "namespace": "shop"}
    outcome = taken(lines(event(user=controller, objectRef=pod(), **made), event(objectRef=deployment, **made)))
    assert [row.techniques_derived for row in outcome.rows] == [None, ("createContainer",)]


@pytest.mark.parametrize("body", [b'{"a":"\xff"}', b'"\xc3("'])
def test_invalid_utf8_in_a_body_is_a_reject(taken, event, body):
    raw = lines(event(requestObject="~")).replace(b'"~"', body)
    assert taken(raw).rejected == [("not_utf8", "line 1")]


def test_a_body_nested_beyond_the_limit_is_a_reject(taken, event):
    raw = lines(event(requestObject="~")).replace(b'"~"', b"[" * 201 + b"]" * 201)
    assert taken(raw).rejected == [("too_deep", "line 1")]
    braces = lines(event(requestObject={"text": "{[" * 400}))
    assert taken(braces).row.flags is None


def _assert_only_raw_holds(row, secret):
    columns = {name: str(getattr(row, name)) for name in EVENT_SCHEMA.names if hasattr(row, name)}
    assert {name for name, text in columns.items() if secret in text} == {"raw"}
