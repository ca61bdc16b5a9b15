"""Events that came as lines of the Console's CSV are served as the events they tell of."""

from __future__ import annotations

import csv
import io
import json

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.importer import import_files

AUDIT = {
    "time": "2026-10-03T04:05:06.700Z",
    "verb": "io.k8s.core.v1.pods.exec.create",
    "user": {"username": "cn=ann,dc=example", "uid": "u-1", "groups": ["cn=staff,dc=example", "b"]},
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
OTHERS = [
    {"time": "0001-01-01T00:00:00Z", "verb": "get", "message": "=1+1"},
    {"time": "2026-10-04T00:00:00Z", "user": {"username": "bob"}, "attackTechniques": ["webShell", "notYetKnown"]},
]
HEADER = (
    "Message,Time,User,UID,Groups,Verb,Authorization info,Source IPs,Resources,Request URI,Techniques,Cluster,"
    "Account ID,Provider,Collections,Event,Remark"
)
PLACES = (
    "message", "time", "user.username", "user.uid", "user.groups", "verb", "authorizationInfo", "sourceIPs",
    "resources", "requestURI", "attackTechniques", "cluster", "accountID", "provider", "collections", "eventBlob",
)  # fmt: skip
DOWNLOAD = "/api/v1/audits/kubernetes/download"


def as_csv(*audits: dict) -> bytes:
    """The Console's events under headings and in an order of somebody's own."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for audit in audits:
        flat = audit | {f"user.{key}": value for key, value in audit.get("user", {}).items()}
        cells = [flat.get(place, "") for place in PLACES]
        writer.writerow([one if isinstance(one, str) else json.dumps(one) for one in cells] + ["seen"])
    return (HEADER + "\r\n" + out.getvalue()).encode()


def imported(archive, folder, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    for _ in import_files(archive, [str(folder / name)]):
        pass


@pytest.fixture
def csv_archive(archive_path, tmp_path):
    """An archive of three events out of a CSV file."""
    imported(archive_path, tmp_path, "events.csv", as_csv(AUDIT, *OTHERS))
    return archive_path


def identities(archive) -> list[bytes]:
    return Archive(archive).select("select event_id from records order by 1", {}).column(0).to_pylist()


def test_an_event_of_the_csv_answers_as_its_json_would(serving, csv_archive):
    with serving(csv_archive) as served:
        events = served.events()
    assert events == [AUDIT, OTHERS[1], OTHERS[0]]
    assert [list(event) for event in events] == [list(AUDIT), list(OTHERS[1]), list(OTHERS[0])]


def test_techniques_filter_what_is_answered(serving, csv_archive):
    with serving(csv_archive) as served:
        assert served.events(("attackTechniques", "notYetKnown")) == [OTHERS[1]]


def test_a_column_that_the_csv_lacks_is_a_field_that_is_absent(serving, archive_path, tmp_path):
    imported(archive_path, tmp_path, "few.csv", b"time,user,cluster\n2026-10-03T00:00:00Z,ann,c\n")
    with serving(archive_path) as served:
        assert served.events() == [{"time": "2026-10-03T00:00:00Z", "user": {"username": "ann"}, "cluster": "c"}]


def test_the_download_of_such_events_imports_as_the_same_events(serving, csv_archive, tmp_path):
    with serving(csv_archive) as served:
        text = served.get(path=DOWNLOAD).content
    imported(tmp_path / "second", tmp_path, "download.csv", text)
    assert identities(tmp_path / "second") == identities(csv_archive)
    with serving(tmp_path / "second") as again:
        assert again.get(path=DOWNLOAD).content == text


def test_json_and_csv_of_one_event_are_one_event(serving, csv_archive, tmp_path):
    with serving(csv_archive) as served:
        imported(tmp_path / "second", tmp_path, "page.json", served.get().content)
    assert identities(tmp_path / "second") == identities(csv_archive)
