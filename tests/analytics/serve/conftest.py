"""An archive served over real TLS on loopback, and the ways to ask it."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime

import httpx
import pytest

from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.serve.app import build_app
from kubedossier.analytics.serve.auth import Access, Account
from kubedossier.analytics.serve.certificates import own_certificate
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.running import running

NOW = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
LOGIN = ("reader", "s3cret:with colon")
ACCOUNTS = (Account(*LOGIN), Account("intern", "x", may_read=False))
PATH = "/api/v33.01/audits/kubernetes"


def audit(number: int, **fields) -> bytes:
    """One of the Console's events, in a spelling of its own."""
    event = {
        "time": f"2026-10-01T00:{number // 60:02d}:{number % 60:02d}.{number:03d}Z",
        "verb": ("create", "get", "io.k8s.core.v1.pods.exec.create")[number % 3],
        "user": {"username": f"user-{number % 5}", "uid": f"u{9 - number % 7}"},
        "message": f"event {number}",
        "attackTechniques": [["execIntoContainer"], ["kubernetesSecrets", "webShell"], []][number % 3],
        "cluster": f"cluster-{number % 4}",
        "provider": ("aws", "gcp")[number % 2],
    }
    event = {key: value for key, value in (event | fields).items() if value is not None}
    return json.dumps(event, separators=(" ,", ": "), ensure_ascii=False).encode()


KUBERNETES = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "11111111-1111-4111-8111-111111111111",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/default/secrets/db",
    "verb": "get",
    "user": {"username": "jane", "uid": "7", "groups": ["dev"]},
    "sourceIPs": ["10.0.0.1"],
    "objectRef": {"resource": "secrets", "namespace": "default", "name": "db", "apiVersion": "v1"},
    "responseStatus": {"metadata": {}, "code": 200},
    "requestReceivedTimestamp": "2026-10-02T10:00:00.123456Z",
    "stageTimestamp": "2026-10-02T10:00:00.200000Z",
    "annotations": {"authorization.k8s.io/decision": "allow"},
}


class Served:
    """A served archive and its client."""

    def __init__(self, url, tls, archive, clock) -> None:
        self.url, self.tls, self.archive, self.clock = url, tls, archive, clock
        self.http = httpx.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=tls.ca),
            auth=LOGIN,
            trust_env=False,
            timeout=60,
        )

    def get(self, pairs=(), path=PATH, **options) -> httpx.Response:
        return self.http.get(path, params=list(pairs), **options)

    def events(self, *pairs) -> list[dict]:
        """The events of one page."""
        answer = self.get(pairs)
        assert answer.status_code == 200, answer.text
        return answer.json() or []

    def messages(self, *pairs) -> list[str]:
        return [event.get("message") for event in self.events(*pairs)]


def fill(archive, records, source_format="console-json") -> None:
    with Intake(archive, kind="import") as intake:
        intake.add([Record(raw, source_format) for raw in records])
        intake.commit({})


@pytest.fixture
def make_audit():
    return audit


@pytest.fixture
def add():
    """Adds records to an archive."""
    return fill


@pytest.fixture(scope="session")
def serve_tls(tmp_path_factory):
    return own_certificate(tmp_path_factory.mktemp("serve-tls"))


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """An archive of 300 events of the Console's, two without a time, and one raw audit log."""
    path = tmp_path_factory.mktemp("served") / "dossier"
    odd = [audit(900, time=None, message="no time"), audit(901, time="0001-01-01T00:00:00Z", message="year one")]
    fill(path, [*(audit(number) for number in range(300)), *odd])
    fill(path, [json.dumps(KUBERNETES).encode()], "kubernetes-audit")
    return path


@pytest.fixture
def serving(serve_tls):
    """Serves any archive: ``serving(path)`` or ``serving(path, accounts=())``, as a context manager."""
    from contextlib import contextmanager

    @contextmanager
    def start(archive, accounts=ACCOUNTS):
        clock = {"now": NOW}
        errors = []
        access = Access(accounts, wall=lambda: clock["now"])
        with running(build_app(Pages(archive), access, on_error=errors.append), tls=serve_tls) as url:
            served = Served(url, serve_tls, archive, clock)
            served.errors = errors
            with served.http:
                yield served

    return start


@pytest.fixture
def served(serving, filled):
    """The filled archive, served with a login."""
    with serving(filled) as one:
        yield one
