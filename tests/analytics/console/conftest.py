"""A Console that can be told to misbehave, over real TLS on loopback; and time that passes only when told to."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import socket
import ssl
import threading
from collections import deque
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest.console import Console
from kubedossier.analytics.ingest.console_address import parse_address
from kubedossier.analytics.ingest.console_login import Credentials
from kubedossier.analytics.ingest.console_pace import Patience
from kubedossier.analytics.ingest.console_plan import Wanted
from kubedossier.analytics.ingest.console_survey import survey
from kubedossier.analytics.ingest.console_trust import Trust
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.pull import Pull
from kubedossier.analytics.serve.certificates import own_certificate
from kubedossier.analytics.store.ledger import Ledger

USERNAME, PASSWORD = "auditor", "p%ss word:ü"
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
NOW = datetime(2026, 10, 4, tzinfo=UTC)


def make_event(number: int, time: datetime | str | None = None, **fields) -> bytes:
    """One event of the Console's; blanks and order are its own, so that exactness can be seen."""
    moment = FIRST + timedelta(minutes=number) if time is None else time
    text = (
        moment
        if isinstance(moment, str)
        else moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    )
    event = {
        "time": text,
        "verb": "create",
        "user": {"username": f"user-{number % 3}"},
        "message": f"event {number}",
        "attackTechniques": [["execIntoContainer", "kubernetesSecrets"][number % 2]],
        "cluster": f"cluster-{number % 4}",
    }
    return json.dumps(event | fields, separators=(" ,", ": ")).encode()


def as_page(events: list[bytes]) -> bytes:
    """Events as the Console sends them."""
    return b"[\n " + b" ,\n".join(events) + b"\n]" if events else b"null"


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return NOW.timestamp() + self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class ScriptedConsole:
    """A Console whose events and faults a test sets.

    Attributes:
        events: what it has, as raw JSON.
        faults: taken one by one by requests for audits: None, a status, or the name of a fault.
        fault_for_ever: the fault of every request once ``faults`` is empty.
        on_request: called with the number of each request for audits, before it is answered.
        counts: whether it sends Total-Count.
        heeds_offset: whether it looks at ``offset``.
        most: its cap on ``limit``.
        requests: query parameters of the requests for audits.
        headers: their headers.
        bodies: SHA-256 (hex) of each page it sent without a fault.
        tokens: the tokens it takes.
        date: what its clock says, as HTTP writes it; None is the time.
        behind: by how much its clock is behind that of a run; None where it tells no time.
    """

    def __init__(self, tls) -> None:
        self.tls = tls
        self.events: list[bytes] = []
        self.faults: deque = deque()
        self.fault_for_ever = None
        self.on_request = lambda number: None
        self.counts = True
        self.heeds_offset = True
        self.most = 50
        self.retry_after = None
        self.echo = ""
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.bodies: list[str] = []
        self.last_body = b"null"
        self.paths: list[str] = []
        self.tokens: set[str] = set()
        self.logins = 0
        self.token_life_s = 1800
        self.clock = Clock()
        self.untimed_first = True
        self.date = None
        self.behind = timedelta(0)
        self.lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.console = self
        self._server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.tls.load_cert_chain(tls.cert, tls.key)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def client(self, **options) -> Console:
        """A client that trusts it and never really sleeps."""
        address = parse_address(options.pop("url", self.url), project=options.pop("project", None))
        given = {
            "trust": Trust(ca_bundle=self.tls.ca),
            "sleep": self.clock.sleep,
            "monotonic": self.clock.monotonic,
            "wall": self.clock.wall,
            "chance": lambda: 0.5,
            "patience": Patience(first_s=600.0),
        }
        credentials = options.pop("credentials", Credentials(USERNAME, PASSWORD))
        return Console(address, credentials, **(given | options))

    def pull(self, archive, *, now=NOW, client=None, steps=None, **wanted):
        """One run into an archive; gives the outcome. ``steps`` sees what it tells."""
        self.date = format_datetime(now - self.behind, usegmt=True) if self.behind is not None else ""
        options = {"connections": 2, "page_size": 10} | wanted
        with client or self.client() as console, Intake(archive, kind="snapshot") as intake:
            run = self.run = Pull(console, intake, Wanted(**options), survey(console), now=lambda: now)
            with closing(run.run()) as progress:
                for step in progress:
                    if steps is not None and steps(step) == "leave":
                        break
            return run.outcome

    def issue(self) -> str:
        self.logins += 1
        claims = {"iat": int(self.clock.wall()), "exp": int(self.clock.wall()) + self.token_life_s, "n": self.logins}
        middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        token = f"e30.{middle}.signature"
        self.tokens.add(token)
        return token

    def matching(self, asked: dict) -> list[bytes]:
        """The events that a query matches, in its order."""
        found = []
        for raw in self.events:
            event = json.loads(raw)
            time = event.get("time") or ""
            usable = time[:4].isdigit() and time[:4] >= "2014"
            if ("from" in asked or "to" in asked) and not usable:
                continue
            if asked.get("from", [""])[0] > time or time > asked.get("to", ["~"])[0]:
                continue
            if "user" in asked and event.get("user", {}).get("username") not in asked["user"]:
                continue
            if "cluster" in asked and event.get("cluster") not in asked["cluster"]:
                continue
            if "attackTechniques" in asked and not set(event["attackTechniques"]) & set(asked["attackTechniques"]):
                continue
            found.append((usable != self.untimed_first, time, raw))
        found.sort(key=lambda one: one[:2], reverse=asked.get("reverse") == ["true"])
        return [raw for _, _, raw in found]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def finish_request(self, request, client_address):
        try:
            request = self.tls.wrap_socket(request, server_side=True)
        except OSError:
            return
        with request:
            self.RequestHandlerClass(request, client_address, self)

    def shutdown_request(self, request):
        self.close_request(request)

    def handle_error(self, request, client_address):
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *args):
        """Say nothing."""

    def date_time_string(self, timestamp=None):
        date = self.server.console.date
        return super().date_time_string(timestamp) if date is None else date

    def do_POST(self):
        console = self.server.console
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with console.lock:
            console.paths.append(self.path)
            if body == {"username": USERNAME, "password": PASSWORD}:
                self.answer(200, json.dumps({"token": console.issue()}).encode())
            else:
                self.answer(401, json.dumps({"err": f"invalid credentials {body['password']}"}).encode())

    def do_GET(self):
        console = self.server.console
        parts = urlsplit(self.path)
        with console.lock:
            console.paths.append(parts.path)
            if parts.path.endswith("/version"):
                self.answer(200, b'"33.01.137"')
            elif not self.logged_in(console):
                self.answer(401, b'{"err":"unauthorized"}')
            else:
                self.audits(console, parse_qs(parts.query, keep_blank_values=True))

    def logged_in(self, console) -> bool:
        scheme, _, value = (self.headers["Authorization"] or "").partition(" ")
        if scheme == "Basic":
            return base64.b64decode(value).decode() == f"{USERNAME}:{PASSWORD}"
        return value in console.tokens

    def audits(self, console, asked):
        console.requests.append(asked)
        console.headers.append(dict(self.headers))
        console.on_request(len(console.requests))
        fault = console.faults.popleft() if console.faults else console.fault_for_ever
        rows = console.matching(asked)
        offset = int(asked["offset"][0]) if console.heeds_offset else 0
        page = rows[offset : offset + min(int(asked["limit"][0]), console.most)]
        self.asked, self.rows, body = asked, rows, as_page(page)
        headers = {"Total-Count": str(len(rows))} if console.counts else {}
        if fault is None:
            console.bodies.append(hashlib.sha256(body).hexdigest())
            self.answer(200, body, headers)
        elif isinstance(fault, int):
            extra = {} if console.retry_after is None else {"Retry-After": console.retry_after}
            self.answer(fault, b"" if fault == 204 else json.dumps({"err": f"no {console.echo}"}).encode(), extra)
        else:
            getattr(self, f"fault_{fault}")(body, headers)
        console.last_body = body

    def fault_drop(self, body, headers):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def fault_html(self, body, headers):
        self.answer(200, b"<html>please log in</html>", {"Content-Type": "text/html"})

    def fault_web_page_as_json(self, body, headers):
        self.answer(200, b"<html>please log in</html>")

    def fault_truncated(self, body, headers):
        self.answer(200, body[: len(body) // 2], headers)

    def fault_short(self, body, headers):
        self.answer(200, body[: len(body) // 2], headers, length=len(body))
        self.close_connection = True

    def fault_object(self, body, headers):
        self.answer(200, b'{"err":"try later"}', headers)

    def fault_empty(self, body, headers):
        self.answer(200, b"", headers)

    def fault_gzip(self, body, headers):
        self.answer(200, gzip.compress(body), headers | {"Content-Encoding": "gzip"})

    def fault_broken_gzip(self, body, headers):
        self.answer(200, gzip.compress(body)[:-20] + b"x" * 20, headers | {"Content-Encoding": "gzip"})

    def fault_bomb(self, body, headers):
        self.answer(200, gzip.compress(b"[" + b" " * 50_000_000 + b"]"), headers | {"Content-Encoding": "gzip"})

    def fault_wrong_count(self, body, headers):
        self.answer(200, body, {"Total-Count": str(len(self.server.console.requests) + 1000)})

    def fault_first_page(self, body, headers):
        """As if it had not seen the offset."""
        limit = min(int(self.asked["limit"][0]), self.server.console.most)
        self.answer(200, as_page(self.rows[:limit]), headers)

    def fault_page_before(self, body, headers):
        """As if a cache on the way answered."""
        self.answer(200, self.server.console.last_body, headers)

    def fault_fewer(self, body, headers):
        """Less than was asked, though there is more."""
        offset, limit = int(self.asked["offset"][0]), int(self.asked["limit"][0])
        self.answer(200, as_page(self.rows[offset : offset + max(1, limit // 2)]), headers)

    def fault_ties(self, body, headers):
        """Events of one moment in another order."""
        offset, limit = int(self.asked["offset"][0]), int(self.asked["limit"][0])
        numbered = sorted(enumerate(self.rows), key=lambda one: (json.loads(one[1])["time"], -one[0]))
        turned = [raw for _, raw in numbered]
        self.answer(200, as_page(turned[offset : offset + min(limit, self.server.console.most)]), headers)

    def answer(self, status, body, headers=None, length=None):
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="session")
def console_tls(tmp_path_factory):
    """A certificate for loopback and its private authority."""
    return own_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def console(console_tls):
    """A Console with no events yet."""
    scripted = ScriptedConsole(console_tls)
    yield scripted
    scripted.close()


@pytest.fixture(scope="session")
def new_console(console_tls):
    """Makes Consoles: ``new_console()`` as a context manager."""

    @contextmanager
    def start():
        scripted = ScriptedConsole(console_tls)
        try:
            yield scripted
        finally:
            scripted.close()

    return start


@pytest.fixture
def second_console(console_tls):
    """Another Console."""
    scripted = ScriptedConsole(console_tls)
    yield scripted
    scripted.close()


@pytest.fixture
def event():
    """Makes events: ``event(7)``, ``event(7, time=..., cluster=...)``."""
    return make_event


@pytest.fixture
def http_date():
    """A moment so many seconds after the clock's now, as HTTP writes it."""
    return lambda clock, seconds: format_datetime(
        datetime.fromtimestamp(clock.wall(), UTC) + timedelta(seconds=seconds), usegmt=True
    )


@pytest.fixture
def stored():
    """The raw texts in an archive, sorted."""

    def read(path) -> list[bytes]:
        table = Archive(path).select("select raw from records", {})
        return sorted(raw.encode() for raw in table.column("raw").to_pylist())

    return read


@pytest.fixture
def runs():
    """The ledger's entries of snapshots."""
    return lambda path: [one for one in Ledger.read(path).entries if one["type"] == "snapshot"]
