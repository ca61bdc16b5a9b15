"""Rows: what a record says, and that the fast readers and the strict ones say the same."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubedossier.analytics.ingest.chunks import derive_chunk
from kubedossier.analytics.ingest.parsing import RejectedRecord, parse_strict
from kubedossier.analytics.ingest.row import Record, build_batch
from kubedossier.analytics.ingest.sources import console_columns, derive, kubernetes
from kubedossier.analytics.ingest.sources.console_columns import read_columns
from kubedossier.analytics.store.digests import leaf

texts = st.text(max_size=12) | st.sampled_from(["", "io.k8s.core.v1.pods.exec.create", "core/v1/namespaces/d/pods/p"])
odd = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.lists(texts)
lists = st.none() | st.lists(texts, max_size=3) | odd
users = st.none() | st.fixed_dictionaries({}, optional={"username": texts | odd, "uid": texts, "groups": lists}) | odd
audits = st.fixed_dictionaries(
    {},
    optional={
        "time": texts | st.just("2026-10-01T00:00:00.5Z") | odd,
        "verb": texts,
        "user": users,
        "authorizationInfo": st.dictionaries(texts, texts, max_size=2) | odd,
        "message": texts | odd,
        "sourceIPs": lists,
        "resources": texts,
        "requestURI": texts,
        "attackTechniques": lists | st.just(["execIntoContainer", "nonsense"]),
        "cluster": texts,
        "accountID": texts,
        "provider": texts | st.just("gcp"),
        "collections": lists,
        "eventBlob": texts | st.just('{"auditID":"x","responseStatus":{"code":403}}'),
        "newField": odd,
    },
)


@given(audits.filter(bool), st.booleans())
@example({"verb": 'ends with a quote"', "message": '":":'}, True)
@example({"authorizationInfo": {'"': '":'}}, True)
def test_the_columns_say_what_the_strict_reader_says(audit, ascii_only):
    raw = json.dumps(audit, ensure_ascii=ascii_only, separators=(",", ":")).encode()
    fast = derive_chunk([Record(raw)])
    assert strictly([raw]).equals(fast.batch)


@given(st.lists(st.tuples(audits, st.booleans()), max_size=12), st.integers(1, 5))
def test_many_records_say_what_each_says_alone_whatever_stands_beside_them(some, group):
    raws = [json.dumps(audit, separators=(",", ":") if tight else None).encode() for audit, tight in some]
    everything = [*raws, b"damaged", *raws]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console_columns, "_GROUP", group)
        together = derive_chunk([Record(raw) for raw in everything])
    assert each_once(strictly(everything)).equals(each_once(together.batch))
    assert together.batch.num_rows + len(together.repeats) + len(together.rejects) == len(everything)
    kept = together.batch.column("raw").to_pylist()
    assert together.leaves == b"".join(leaf(raw.encode()) for raw in kept)
    ids = together.batch.column("event_id").to_pylist()
    again = {leaf(raw): derive(Record(raw)).event_id for raw in raws if read_columns([raw]).kept}
    assert all(again[one] == ids[row] for one, row in together.repeats)


@pytest.mark.parametrize("group", range(1, 8))
def test_a_repeat_is_told_with_the_row_it_repeats_wherever_both_stand(monkeypatch, group):
    monkeypatch.setattr(console_columns, "_GROUP", group)
    numbers = [1, 2, 3, 3, 2, 4, 4, 4, 1, 5, 5]
    raws = [b'{"verb":"get","message":"%d","collections":["%d"]}' % (one, at) for at, one in enumerate(numbers)]
    found = derive_chunk([Record(one) for one in raws])
    assert found.batch.column("message").to_pylist() == ["1", "2", "3", "4", "5"]
    assert found.batch.column("collections").to_pylist() == [["0"], ["1"], ["2"], ["5"], ["9"]]
    assert found.repeats == [(leaf(raws[at]), row) for at, row in ((3, 2), (4, 1), (6, 3), (7, 3), (8, 0), (10, 4))]


def each_once(batch: pa.RecordBatch) -> pa.RecordBatch:
    ids = batch.column("event_id").to_pylist()
    return batch.take(pa.array([row for row, one in enumerate(ids) if ids.index(one) == row], pa.int32()))


def strictly(raws: list[bytes]) -> pa.RecordBatch:
    """What the strict reader says of those of the records that are events."""
    rows, records = [], []
    for raw in raws:
        try:
            rows.append(derive(Record(raw)))
        except RejectedRecord:
            continue
        records.append(Record(raw))
    return build_batch(rows, records, "") if rows else derive_chunk([]).batch


@given(
    st.fixed_dictionaries(
        {"auditID": st.just("a"), "stage": st.sampled_from(["ResponseStarted", "ResponseComplete", "odd"])},
        optional={
            "verb": texts,
            "user": users,
            "requestURI": texts | st.just("/api/v1/namespaces/d/pods/p/exec?x=1"),
            "sourceIPs": lists,
            "annotations": st.dictionaries(texts, texts, max_size=2) | odd,
            "requestReceivedTimestamp": texts | st.just("2026-10-01T00:00:00.123456789Z"),
            "responseStatus": st.fixed_dictionaries({}, optional={"code": odd, "message": texts}) | odd,
            "objectRef": st.fixed_dictionaries({}, optional={"resource": texts, "name": texts, "namespace": texts}),
            "requestObject": odd | st.dictionaries(texts, texts),
            "foreign": odd,
        },
    )
)
def test_the_fast_reader_of_raw_logs_says_what_the_strict_one_says(event):
    raw = json.dumps(event).encode()
    fast = kubernetes.read(raw, '{"cluster":"c"}')
    if fast is not None:
        assert fast == kubernetes.read_object(raw, parse_strict(raw), '{"cluster":"c"}')


def test_a_repeated_key_is_flagged_and_the_last_counts():
    row = derive(Record(b'{"verb":"get","cluster":"a","cluster":"b"}'))
    assert row.cluster == "b"
    assert "duplicate_key" in row.flags


@pytest.mark.parametrize(
    "raw",
    [
        b'{"verb":"get","cluster":"a","cluster":"b"}',
        b'{"verb":"get","cluster":"a:b","cluster":"c"}',
        b'{"verb":"\\u003a","cluster":"a","cluster":"b"}',
        b'{"verb":"get","authorizationInfo":{"a":"1","a":"2"}}',
        b'{"verb":"get","user":{"uid":"1","uid":"2"}}',
        b'{"verb":"get","cluster" : "a" , "cluster" : "b"}',
    ],
)
def test_no_repeated_key_passes_the_fast_reader(raw):
    assert not read_columns([raw]).kept
    assert "duplicate_key" in derive(Record(raw)).flags


@given(audits.filter(bool), st.data(), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_no_repeated_key_passes_the_fast_reader_whatever_else_is_in_the_record(audit, data, separators, ascii_only):
    members = [
        json.dumps({key: value}, ensure_ascii=ascii_only, separators=separators)[1:-1] for key, value in audit.items()
    ]
    name = data.draw(st.sampled_from(sorted(audit)))
    again = json.dumps({name: data.draw(texts | lists)}, ensure_ascii=ascii_only, separators=separators)[1:-1]
    members.insert(data.draw(st.integers(0, len(members))), again)
    raw = ("{" + separators[0].join(members) + "}").encode("utf-8", "replace")
    assert not read_columns([raw]).kept


def test_a_quoted_key_inside_the_blob_is_no_repeated_key():
    raw = json.dumps({"verb": "get", "eventBlob": '{"verb":"get","verb":"get"}'}, separators=(",", ":")).encode()
    assert read_columns([raw]).kept


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"verb":"get"}}{', "not_json"),
        (b'{"verb":"\xff"}', "not_utf8"),
        (b'{"verb":"\xed\xa0\x80"}', "not_utf8"),
        (b'{"verb":"\\ud800"}', "lone_surrogate"),
        (b'{"verb":"get","\\udfff":1}', "lone_surrogate"),
        (b'{"verb":"get","x":NaN}', "nan_or_infinity"),
        (b'{"verb":"get","x":-Infinity}', "nan_or_infinity"),
        (b'{"verb":"get","x":' + b"[" * 300 + b"]" * 300 + b"}", "too_deep"),
        (b'{"verb":"get","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep"),
        (b'{"verb":1e999}', "number_out_of_range"),
        (b'{"time":' + b"9" * 5000 + b"}", "number_out_of_range"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'{"err":"boom"}', "no_known_field"),
        (b"{}", "no_known_field"),
    ],
)
def test_what_cannot_be_an_event_is_rejected_with_its_reason(raw, reason):
    with pytest.raises(RejectedRecord) as caught:
        derive(Record(raw))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("raw", "flag"),
    [
        (b'{"verb":"get"}', "time_missing"),
        (b'{"time":"soon"}', "time_unreadable"),
        (b'{"time":12}', "wrong_type:time"),
        (b'{"user":{"groups":"x"}}', "wrong_type:user.groups"),
        (b'{"verb":"get","x":' + b"9" * 5000 + b"}", "huge_number"),
        (b'{"verb":"get","x":1}', "unknown_field"),
        (b'{"attackTechniques":["quantumTunnelling"]}', "unknown_technique"),
        (b'{"provider":"ibm"}', "unknown_provider"),
        (b'{"verb":"get","eventBlob":"{oops"}', "event_blob_unreadable"),
    ],
)
def test_what_is_odd_is_kept_and_flagged(raw, flag):
    assert flag in derive(Record(raw)).flags


def test_the_example_of_the_vendor_is_understood():
    raw = b"""{"time": "2022-11-23T16:20:20.383Z", "verb": "io.k8s.core.v1.pods.exec.create",
      "user": {"username": "johndoe@example.com"}, "authorizationInfo": {"authorization.k8s.io/decision": "allow"},
      "sourceIPs": ["private"], "resources": "core/v1/namespaces/default/pods/test-pd/exec",
      "attackTechniques": ["execIntoContainer"], "cluster": "c", "provider": "gcp"}"""
    row = derive(Record(raw))
    assert (row.action, row.resource, row.subresource) == ("create", "pods", "exec")
    assert (row.namespace, row.name, row.api_group) == ("default", "test-pd", "core")
    assert (row.decision, row.user_kind, row.flags) == ("allow", "human", None)
    assert row.raw == raw


def test_the_blob_tells_what_the_fields_do_not():
    blob = {"auditID": "a-1", "stage": "ResponseComplete", "level": "RequestResponse", "userAgent": "kubectl/v1.31"}
    blob |= {"impersonatedUser": {"username": "bob"}, "responseStatus": {"code": 403}, "requestObject": {"kind": "Pod"}}
    blob |= {"objectRef": {"resource": "pods", "namespace": "n", "name": "p", "apiVersion": "v1"}}
    row = derive(Record(json.dumps({"verb": "create", "eventBlob": json.dumps(blob)}).encode()))
    assert (row.audit_id, row.stage, row.level) == ("a-1", "ResponseComplete", "RequestResponse")
    assert (row.user_agent, row.impersonated_user, row.status_code) == ("kubectl/v1.31", "bob", 403)
    assert (row.body_present, row.resource, row.namespace, row.audit_key) == (True, "pods", "n", None)


def test_an_impersonated_request_keeps_both_names():
    raw = (
        b'{"auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"system:admin"},'
        b'"impersonatedUser":{"username":"bob","groups":["g"]}}'
    )
    row = derive(Record(raw))
    assert (row.user, row.impersonated_user, row.user_kind) == ("system:admin", "bob", "human")
