"""The Console's CSV: the header decides, quotes are respected, and a record is the same event as in JSON."""

from __future__ import annotations

import csv
import io
import json

import pytest

AUDIT = {
    "time": "2026-10-03T04:05:06.789Z",
    "verb": "io.k8s.core.v1.pods.exec.create",
    "user": {"username": "ann@example.com", "uid": "u-1", "groups": ["cn=staff,dc=example", "b"]},
    "authorizationInfo": {"authorization.k8s.io/decision": "allow"},
    "message": 'Exec, "quoted"\nover two lines',
    "sourceIPs": ["192.0.2.7", "private"],
    "resources": "core/v1/namespaces/shop/pods/till-1/exec",
    "requestURI": "/api/v1/namespaces/shop/pods/till-1/exec?command=sh",
    "attackTechniques": ["execIntoContainer"],
    "cluster": "prod-eu",
    "accountID": "acct",
    "provider": "gcp",
    "collections": ["All", "Shop"],
    "eventBlob": '{"auditID":"b-1","stage":"ResponseComplete","userAgent":"kubectl/v1.31"}',
}
COLUMNS = (
    "time", "verb", "user.username", "user.uid", "user.groups", "authorizationInfo", "message", "sourceIPs",
    "resources", "requestURI", "attackTechniques", "cluster", "accountID", "provider", "collections", "eventBlob",
)  # fmt: skip


def cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def written(*audits: dict, header=COLUMNS, delimiter=",", end="\r\n") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerow(header)
    for audit in audits:
        flat = audit | {f"user.{key}": value for key, value in audit.get("user", {}).items()}
        writer.writerow([cell(flat.get(name)) for name in COLUMNS])
    return out.getvalue().encode()


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_record_is_the_same_event_as_in_json(taken, delimiter, end):
    from_json = taken(json.dumps(AUDIT).encode()).row
    outcome = taken(written(AUDIT, delimiter=delimiter, end=end))
    row = outcome.row
    assert row.event_id == from_json.event_id
    assert (row.groups, row.collections) == (tuple(AUDIT["user"]["groups"]), ("All", "Shop"))
    assert (row.source_format, row.audit_id, row.techniques_native) == ("console-csv", "b-1", ("execIntoContainer",))
    kept = written(AUDIT, delimiter=delimiter, end=end).partition(end.encode())[2].removesuffix(end.encode())
    assert row.raw == kept
    assert json.loads(outcome.records[0].context)["csv_header"] == delimiter.join(COLUMNS)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_blocks_may_end_anywhere(taken, size):
    whole = b"\xef\xbb\xbf" + written(AUDIT, AUDIT | {"verb": "get"}, AUDIT | {"verb": "list"})
    outcome = taken(*(whole[at : at + size] for at in range(0, len(whole), size)))
    assert [row.verb for row in outcome.rows] == [AUDIT["verb"], "get", "list"]
    assert [one.place for one in outcome.records] == ["line 2", "line 4", "line 6"]


def test_columns_under_the_names_people_use_are_understood(taken):
    text = (
        "Time,User,Verb,Cluster,Account ID,Source IPs,ATT&CK techniques,Request URI,Colour\n"
        '2026-10-03T04:05:06Z,ann,get,prod,acct,192.0.2.7; 192.0.2.8,"kubernetesSecrets, unsecuredCredentials",/api,x\n'
    )
    row = taken(text.encode()).row
    assert (row.user, row.cluster, row.account, row.request_uri) == ("ann", "prod", "acct", "/api")
    assert row.source_ips == ("192.0.2.7", "192.0.2.8")
    assert row.techniques_native == ("kubernetesSecrets", "unsecuredCredentials")


def test_a_user_cell_may_hold_the_whole_user(taken):
    text = 'time,user\n2026-10-03T04:05:06Z,"{""username"":""ann"",""groups"":[""a""]}"\n'
    assert (taken(text.encode()).row.user, taken(text.encode()).row.groups) == ("ann", ("a",))


def test_a_cell_that_should_be_json_and_is_not_costs_a_flag(taken):
    row = taken(b"time,authorizationInfo\n2026-10-03T04:05:06Z,allow\n").row
    assert (row.authorization, row.flags) == (None, ("wrong_type:authorizationInfo",))


@pytest.mark.parametrize(
    "cell", ['["\\ud800"]', "[NaN]", "[1e999]", "[" * 3000 + "]" * 3000, "[1]", "[", '{"username":"\\ud800"}']
)
def test_json_that_no_event_may_hold_stays_text_or_costs_a_flag(taken, cell):
    quoted = '"' + cell.replace('"', '""') + '"'
    row = taken(
        f"time,user,sourceIPs,authorizationInfo\n2026-10-03T04:05:06Z,{quoted},{quoted},{quoted}\n".encode()
    ).row
    assert row.user == cell
    assert "wrong_type:authorizationInfo" in row.flags
    assert ("wrong_type:sourceIPs" in row.flags) is cell.startswith("[")


def test_a_record_of_other_width_is_a_reject_with_its_line(taken):
    outcome = taken(b'time,verb,cluster\n2026-10-03T04:05:06Z,get,c\n2026-10-03T04:05:07Z,ge\nx,"y"z,w\n,,\n')
    assert len(outcome.rows) == 1
    assert outcome.rejected == [("csv_columns", "line 3"), ("csv_columns", "line 4"), ("no_known_field", "line 5")]


def test_a_file_that_ends_inside_a_quote_loses_nothing_before_it(taken):
    outcome = taken(b'time,verb\n2026-10-03T04:05:06Z,get\n2026-10-03T04:05:07Z,"ge')
    assert len(outcome.rows) == 1
    assert outcome.rejected == [("csv_columns", "line 3")]


def test_a_header_that_comes_again_is_skipped(taken):
    outcome = taken(b"time,verb\n2026-10-03T04:05:06Z,get\ntime,verb\n2026-10-03T04:05:07Z,get\n")
    assert (len(outcome.rows), outcome.skipped) == (2, {"CSV header": 1})


def test_bytes_that_are_no_utf8_are_a_reject(taken):
    assert taken(b"time,verb\n2026-10-03T04:05:06Z,\xff\n").rejected == [("not_utf8", "line 2")]


@pytest.mark.parametrize("text", [b"name,size\na,1\n", b"time,place\nnow,here\n", b"hello\n", b'"{""a"":1}",x\n'])
def test_other_tables_are_no_events(taken, text):
    outcome = taken(text)
    assert not outcome.rows
    assert {reason for reason, _ in outcome.rejected} == {"not_json"}


def test_the_servers_own_download_comes_back_as_the_same_events(taken):
    from kubedossier.analytics.serve.answers import csv_pieces

    row = {"source_format": "console-json", "raw": json.dumps(AUDIT)}
    assert taken(b"".join(csv_pieces([row]))).row.event_id == taken(json.dumps(AUDIT).encode()).row.event_id


def test_the_event_a_record_holds_can_be_had_whole():
    from kubedossier.analytics.ingest.sources import csv_context
    from kubedossier.analytics.ingest.sources.console_csv import read_event

    header, _, record = written(AUDIT).decode().removesuffix("\r\n").partition("\r\n")
    assert read_event(record.encode(), csv_context("{}", header)) == AUDIT
