"""Small archives made through the intake, as a snapshot makes them: a quiet month, a busy one, a hostile one."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.periods import parse_period
from kubedossier.reports.build import build
from kubedossier.reports.model import Report, Request
from kubedossier.reports.press import pdf_bytes

CONSOLE = "https://console.example:8083"
SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)

CLUSTERS = (
    ("prod-eu-west-1", "aws", "111122223333", 40),
    ("prod-us-central", "gcp", "acme-prod", 28),
    ("payments-eu", "aws", "444455556666", 16),
    ("staging-eu", "azure", "sub-7f1c", 8),
    ("data-lake", "gcp", "acme-data", 5),
    ("edge-apac", "alibaba", "5501", 2),
)
USERS = (
    ("svc-deployer@platform.example.com", 30),
    ("anna.lindqvist@example.com", 14),
    ("m.okafor@example.com", 12),
    ("system:serviceaccount:ci:runner", 11),
    ("d.rossi@contractor.example.net", 8),
    ("priya.n@example.com", 6),
    ("backup-operator@platform.example.com", 5),
    ("j.smith@example.com", 4),
    ("system:node:ip-10-0-4-12.eu-west-1.compute.internal", 4),
    ("system:serviceaccount:kube-system:generic-garbage-collector", 3),
    ("temp-migration@platform.example.com", 1),
)
ACTIONS = (
    ("create", "pods", "exec", "execIntoContainer", "ledger-api-7c9f", 8),
    ("get", "secrets", "", "kubernetesSecrets", "db-root", 4),
    ("list", "secrets", "", "kubernetesSecrets", "", 3),
    ("create", "pods", "", "createContainer", "indexer-0", 15),
    ("create", "rolebindings", "", "accountManipulation", "preview-editors", 2),
    ("get", "nodes", "", "accessKubernetesAPIServer", "", 30),
    ("list", "pods", "", "softwareDiscovery", "", 14),
    ("create", "pods", "", "privilegedContainer", "agent-x", 1),
    ("delete", "events", "", "obfuscatedFiles", "", 1),
    ("create", "cronjobs", "", "scheduledTaskJob", "nightly", 2),
)


def pick(source: random.Random, items: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    chosen = list(items)
    return source.choices(chosen, weights=[item[-1] for item in chosen])[0]


def event(at: datetime, user: str, action: tuple[Any, ...], cluster: tuple[Any, ...], **more: Any) -> dict[str, Any]:
    verb, resource, subresource, technique, name, _ = action
    path = (
        f"/api/v1/namespaces/payments/{resource}"
        + (f"/{name}" if name else "")
        + (f"/{subresource}" if subresource else "")
    )
    return {
        "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "verb": verb,
        "user": {"username": user, "groups": ["system:authenticated"]},
        "authorizationInfo": {"authorization.k8s.io/decision": "allow"},
        "message": "Matched by a rule",
        "sourceIPs": ["203.0.113.9"],
        "resources": f"{resource}/{subresource}" if subresource else resource,
        "requestURI": path,
        "attackTechniques": [technique],
        "cluster": cluster[0],
        "accountID": cluster[2],
        "provider": cluster[1],
        "collections": ["All"],
    } | more


def month(seed: int, first: datetime, after: datetime, number: int) -> list[dict[str, Any]]:
    source = random.Random(seed)
    events = []
    while len(events) < number:
        at = first + timedelta(milliseconds=source.randrange(int((after - first).total_seconds() * 1000)))
        if at.weekday() >= 5 and source.random() < 0.7:
            continue
        denied = {"authorizationInfo": {"authorization.k8s.io/decision": "forbid"}} if source.random() < 0.02 else {}
        events.append(event(at, pick(source, USERS)[0], pick(source, ACTIONS), pick(source, CLUSTERS), **denied))
    return events


def as_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def snapshot(
    root: Path,
    events: list[dict[str, Any]],
    first: datetime,
    after: datetime,
    gaps: Iterable[tuple[datetime, datetime, str]] = (),
) -> None:
    """Archive events as one unfiltered snapshot that collected the whole range but for the gaps."""
    collected, at = [], first
    for start, end, _ in sorted(gaps):
        collected.append({"from": as_text(at), "to": as_text(start)})
        at = end
    collected.append({"from": as_text(at), "to": as_text(after)})
    with Intake(root, kind="snapshot") as intake:
        intake.add(
            [Record(json.dumps(one).encode(), "console-json", "{}", str(n), CONSOLE) for n, one in enumerate(events)]
        )
        intake.commit(
            {
                "console": CONSOLE,
                "source": {"url": CONSOLE, "api_version": "v33.01", "account": "auditor", "auth": "basic"},
                "filtered": False,
                "console_total": len(events),
                "console_oldest": as_text(first),
                "windows": [
                    {
                        "from": as_text(first),
                        "to": as_text(after),
                        "total_before": len(events),
                        "total_after": len(events),
                        "received": len(events),
                        "stable": True,
                        "pages": 1,
                        "sha256": "0" * 64,
                    }
                ],
                "collected": [one for one in collected if one["from"] < one["to"]],
                "gaps": [{"from": as_text(start), "to": as_text(end), "reason": reason} for start, end, reason in gaps],
            }
        )


@pytest.fixture(scope="session", autouse=True)
def _no_witness_at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterable[None]:
    """Archives of the whole session are not witnessed in the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Two months of 600 and 900 events; 14 October was dropped in part, nothing was collected on 20 October."""
    root = tmp_path_factory.mktemp("busy") / "dossier"
    snapshot(root, month(1, SEPTEMBER, OCTOBER, 600), SEPTEMBER, OCTOBER)
    lost = OCTOBER + timedelta(days=13)
    none = OCTOBER + timedelta(days=19)
    events = [
        one
        for one in month(2, OCTOBER, NOVEMBER, 900)
        if not (as_text(lost) <= one["time"] < as_text(lost + timedelta(hours=15)))
        and one["time"][:10] != f"{none:%Y-%m-%d}"
    ]
    gaps = [(lost, lost + timedelta(hours=15), "dropped"), (none, none + timedelta(days=1), "failed")]
    snapshot(root, events, OCTOBER, NOVEMBER, gaps)
    return Archive(root)


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """September with one event; October collected on all days and without any."""
    root = tmp_path_factory.mktemp("quiet") / "dossier"
    snapshot(
        root, [event(SEPTEMBER + timedelta(days=3), "anna@example.com", ACTIONS[0], CLUSTERS[0])], SEPTEMBER, OCTOBER
    )
    snapshot(root, [], OCTOBER, NOVEMBER)
    return Archive(root)


@pytest.fixture(scope="session")
def newcomers_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """One known user in September and October; in October also two new ones, one of them from a new public address."""
    root = tmp_path_factory.mktemp("newcomers") / "dossier"
    run, read = ACTIONS[0], ACTIONS[1]
    known = {"sourceIPs": ["198.51.100.1"]}
    pod = "system:serviceaccount:shop:web"
    snapshot(
        root,
        [
            event(SEPTEMBER, "anna@example.com", run, CLUSTERS[0], **known),
            event(SEPTEMBER, pod, read, CLUSTERS[0], **known),
        ],
        SEPTEMBER,
        OCTOBER,
    )
    events = [
        event(OCTOBER, "anna@example.com", run, CLUSTERS[0], **known),
        event(OCTOBER + timedelta(hours=1), pod, read, CLUSTERS[0], sourceIPs=["10.9.9.9"]),
        event(OCTOBER + timedelta(hours=2), "eve@example.com", run, CLUSTERS[0], sourceIPs=["203.0.113.77"]),
        event(OCTOBER + timedelta(hours=3), "eve@example.com", read, CLUSTERS[0], sourceIPs=["203.0.113.77"]),
        event(OCTOBER + timedelta(hours=4), "zoe@example.com", ACTIONS[5], CLUSTERS[0], **known),
    ]
    snapshot(root, events, OCTOBER, NOVEMBER)
    return report_of(Archive(root))


@pytest.fixture(scope="session")
def anonymous_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Requests without an identity: two denied, three on open paths, one served that should not have been."""
    root = tmp_path_factory.mktemp("anonymous") / "dossier"
    forbidden = {"authorizationInfo": {"authorization.k8s.io/decision": "forbid"}}
    cases: list[dict[str, Any]] = [
        forbidden,
        forbidden,
        {"requestURI": "/healthz", "resources": ""},
        {"requestURI": "/healthz?verbose", "resources": ""},
        {"requestURI": "/version", "resources": ""},
        {"sourceIPs": ["198.51.100.9"]},
    ]
    events = [
        event(OCTOBER + timedelta(hours=n), "system:anonymous", ACTIONS[6], CLUSTERS[0], **more)
        for n, more in enumerate(cases)
    ]
    snapshot(root, events, OCTOBER, NOVEMBER)
    return report_of(Archive(root))


HOSTILE = (
    "a" * 300,
    "admin\u202egnp.exe",
    "\U0001f600 smile",
    "<script>alert(1)</script>",
    "{{7*7}}{% raw %}",
    "tab\there\x1b[31mred\x00nul\nline",
    "=cmd|' /C calc'!A0",
    '"><img src="file:///etc/passwd">',
    "\u0430dmin",
    "e\u0301\u0301\u0301\u0301zalgo",
    "\u0301lone",
    "  spaces  ",
    "\ue000private",
    "\u05d0\u05d1 hebrew",
    "</title></svg><link rel=stylesheet href='http://198.51.100.1/x.css'>",
)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A month in which every string that an attacker can choose was chosen badly."""
    root = tmp_path_factory.mktemp("hostile") / "dossier"
    events = []
    for number, text in enumerate(HOSTILE):
        for repeat in range(3):
            at = OCTOBER + timedelta(days=number, hours=repeat)
            action = (*ACTIONS[repeat][:4], text[:250].replace("/", "\u2215"), 1)
            cluster = (f"{text}{'c' * repeat}", text, text, 1)
            more: dict[str, Any] = {
                "attackTechniques": [text, "execIntoContainer"],
                "sourceIPs": [text],
                "message": text,
            }
            more["resources"] = f"pods/{text}" if repeat == 2 else action[1]
            if repeat == 1:
                more["authorizationInfo"] = {"authorization.k8s.io/decision": "forbid", text: text}
            events.append(event(at, text, action, cluster, **more))
    snapshot(root, events, OCTOBER, NOVEMBER)
    return Archive(root)


def report_of(archive: Archive, period: str = "2026-10", **request: Any) -> Report:
    return build(archive, parse_period(period, now=NOVEMBER), Request(**request))


@pytest.fixture(scope="session")
def busy_report(busy: Archive) -> Report:
    return report_of(busy, organisation="Example Ltd", classification="Confidential")


@pytest.fixture(scope="session")
def busy_pdf(busy_report: Report) -> bytes:
    return pdf_bytes(busy_report)


@pytest.fixture(scope="session")
def quiet_report(quiet: Archive) -> Report:
    return report_of(quiet)


@pytest.fixture(scope="session")
def quiet_pdf(quiet_report: Report) -> bytes:
    return pdf_bytes(quiet_report)


@pytest.fixture(scope="session")
def hostile_report(hostile: Archive) -> Report:
    return report_of(hostile, organisation=HOSTILE[1], classification=HOSTILE[3])


@pytest.fixture(scope="session")
def hostile_pdf(hostile_report: Report) -> bytes:
    return pdf_bytes(hostile_report, paper="letter")


@pytest.fixture
def text_of(tmp_path: Path) -> Callable[[bytes], str]:
    """The text layer of a PDF, laid out as on the page."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")

    def read(data: bytes) -> str:
        path = tmp_path / "read.pdf"
        path.write_bytes(data)
        return subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True).stdout.decode()

    return read
