"""The client of the Console's API: the only place that speaks HTTP to it.

It asks patiently, proves who it is, checks whom it talks to, and hands back the exact bytes of each event. It
must never carry a login to another host, follow a redirect there, take a broken page for an empty one, or put
a secret into a message. Threads may share one client.

Source: the vendor's OpenAPI 33.01, ``get-audits-kubernetes``.
"""

from __future__ import annotations

import hashlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urljoin

import httpx

from kubedossier import __version__
from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.ingest.console_address import Address, Query
from kubedossier.analytics.ingest.console_answer import Again, Page, Reply, judge, read_page, said_in, time_in
from kubedossier.analytics.ingest.console_login import Credentials, Kind, Login, refused
from kubedossier.analytics.ingest.console_pace import Patience, Stopped, Throttle, Trial
from kubedossier.analytics.ingest.console_trust import Trust, tls_context

AUDITS = "audits/kubernetes"
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_SLOWEST_BODY_S = 300.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Retry:
    """A request goes wrong and will be sent again: for progress displays and logs."""

    reason: str
    wait_s: float
    tries: int


class Console:
    """One Console, logged in when it is first asked.

    Args:
        address: where it is.
        credentials: who asks.
        basic: send name and password with each call instead of getting a token first.
        trust: the certificates to take.
        patience: how long to try.
        connections: requests under way at once, at most.
        body_limit_bytes: the largest body that is read.
        on_retry: told before each repeated request; called from any thread.
        sleep, monotonic, wall, chance: clock, waiting and chance, for tests.

    Attributes:
        certificate_sha256: of the certificate it showed, hex; None before the first answer, and without TLS.
        told_time: what its clock said in the newest answer, aware UTC; None where it never did.
    """

    def __init__(
        self,
        address: Address,
        credentials: Credentials,
        *,
        basic: bool = False,
        trust: Trust | None = None,
        patience: Patience | None = None,
        connections: int = 4,
        body_limit_bytes: int = 256 * 1024 * 1024,
        on_retry: Callable[[Retry], None] | None = None,
        sleep: Callable[[float], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.address = address
        self.trust = trust or Trust()
        self.certificate_sha256: str | None = None
        self.told_time: datetime | None = None
        self.on_retry = on_retry
        self._patience = patience or Patience()
        self._body_limit = body_limit_bytes
        self._monotonic, self._wall, self._chance = monotonic, wall, chance
        self._stopped = threading.Event()
        self._sleep = sleep or self._wait
        self._answered = False
        self.throttle = Throttle(connections, monotonic=monotonic, sleep=self._sleep)
        self.login = Login(credentials, basic=basic, exchange=self._log_in_request, monotonic=monotonic, wall=wall)
        self._http = httpx.Client(
            verify=tls_context(self.trust),
            timeout=_TIMEOUT,
            follow_redirects=False,
            # A proxy must not see what is asked of this very machine.
            trust_env=not address.loopback,
            limits=httpx.Limits(max_connections=connections + 1, max_keepalive_connections=connections + 1),
            headers={
                "User-Agent": f"kubedossier/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            },
        )

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.stop()
        self._http.close()

    def stop(self) -> None:
        """Wake every thread that waits here; they raise ``Stopped``."""
        self._stopped.set()
        self.throttle.stop()

    def page(self, query: Query, *, offset: int = 0, limit: int = 50) -> Page:
        """One page of events.

        Raises:
            SourceError: the Console refused, or gave no whole page within the patience.
            Stopped: the run was stopped meanwhile.
        """
        pairs = query.pairs(offset, limit)

        def ask() -> Page:
            return read_page(self._get(AUDITS, pairs, what="Kubernetes audits"))

        return self._patiently(ask, "Kubernetes audits")

    def version(self) -> str | None:
        """The Console's own version such as ``33.01.137``; None where it does not say."""

        def ask() -> str | None:
            try:
                reply = self._get("version", [], what="its version")
            except SourceError:
                return None
            words = reply.body[:64].decode("utf-8", "replace").strip().strip('"')
            return words if reply.status == 200 and words and words.isprintable() and "<" not in words else None

        return self._patiently(ask, "its version")

    def hail(self) -> Mapping[str, str]:
        """Ask for anything without a login, and take any answer: it is there, and its certificate is trusted.

        Returns:
            The headers of the answer, names in lower case.

        Raises:
            SourceError: no answer within the patience, or a certificate that is not trusted.
        """
        url = self.address.url("version")
        return self._patiently(lambda: self._exchange("GET", url, {}, []), "answer").headers

    def log_in(self) -> Kind:
        """Have a login ready, and say of which kind.

        Raises:
            SourceError: it was refused, or no answer came within the patience.
        """
        self._patiently(self.login.header, "login")
        return self.login.kind

    def _get(self, path: str, pairs: Sequence[tuple[str, str]], *, what: str) -> Reply:
        """One GET with a login; logs in once more when that is refused."""
        project = [("project", self.address.project)] if self.address.project else []
        for last in (False, True):
            generation, header = self.login.header()
            reply = self._exchange("GET", self.address.url(path), header, [*pairs, *project])
            if reply.status != 401:
                break
            if last or not self.login.renew(generation):
                raise refused(self.login.scrub(said_in(reply)), 401)
        judge(reply, now=datetime.fromtimestamp(self._wall(), UTC), what=what)
        self._answered = True
        return reply

    def _log_in_request(self, method: str, path: str, *, headers: dict[str, str], content: bytes | None) -> Reply:
        return self._exchange(method, self.address.url(path), headers, [], content)

    def _patiently(self, ask: Callable[[], _T], what: str) -> _T:
        started = self._monotonic()
        deadline_s = self._patience.total_s if self._answered else min(self._patience.first_s, self._patience.total_s)
        trial = Trial(self._patience, deadline_s=deadline_s, started=started, chance=self._chance)
        while True:
            try:
                with self.throttle:
                    value = ask()
            except Again as again:
                if self._stopped.is_set():
                    raise Stopped from None
                reason = self.login.scrub(again.reason)
                wait_s = trial.delay(again, now=self._monotonic())
                if wait_s is None:
                    raise SourceError(
                        f"{self.address.base} gave no {what} in {trial.tries} tries: {reason}",
                        hint="Check that the address is the Console's, and how it is.",
                    ) from None
                if again.slow_down:
                    self.throttle.slow_down(wait_s)
                if self.on_retry:
                    self.on_retry(Retry(reason, wait_s, trial.tries))
                self._sleep(wait_s)
            else:
                self.throttle.went_well()
                return value

    def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        pairs: Sequence[tuple[str, str]],
        content: bytes | None = None,
    ) -> Reply:
        """Send one request and read the whole answer; a redirect is followed on the same host only."""
        for _ in range(4):
            try:
                reply = self._send(method, url, headers, pairs, content)
            except httpx.TransportError as error:
                if self._stopped.is_set():
                    raise Stopped from None
                raise self._trouble(error) from None
            if reply.status not in _REDIRECTS:
                return reply
            url, pairs = urljoin(url, reply.headers.get("location", "")), []
            if method != "GET" or not self.address.same_origin(url):
                shown = url.partition("?")[0][:200]
                raise SourceError(
                    f"The Console redirects to {shown}; the login is not carried there",
                    hint="Where that is the right address, give it as --console.",
                )
        raise SourceError("The Console redirects in a circle", hint="Check --console.")

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        pairs: Sequence[tuple[str, str]],
        content: bytes | None,
    ) -> Reply:
        started = self._monotonic()
        body = bytearray()
        params = httpx.QueryParams(list(pairs)) if pairs else None
        with self._http.stream(method, url, headers=headers, params=params, content=content) as response:
            self._note_certificate(response)
            try:
                for part in response.iter_bytes():
                    body += part
                    if len(body) > self._body_limit:
                        raise SourceError(
                            f"The Console sent a body of more than {self._body_limit // 1024**2} MiB",
                            hint="Ask for fewer events at once: --page-size 5.",
                        )
                    if self._monotonic() - started > _SLOWEST_BODY_S:
                        raise Again(f"a body that did not end within {_SLOWEST_BODY_S:.0f} s")
            except httpx.DecodingError:
                raise Again("a body whose compression is broken") from None
            self.told_time = time_in(response.headers.get("date", "")) or self.told_time
            return Reply(
                response.status_code,
                {key.lower(): value for key, value in response.headers.items()},
                bytes(body),
            )

    def _note_certificate(self, response: httpx.Response) -> None:
        if self.certificate_sha256 is None and (stream := response.extensions.get("network_stream")):
            tls = stream.get_extra_info("ssl_object")
            if tls is not None and (certificate := tls.getpeercert(True)):
                self.certificate_sha256 = hashlib.sha256(certificate).hexdigest()

    def _trouble(self, error: httpx.TransportError) -> Exception:
        """What a failure below HTTP means."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            return SourceError(
                f"The certificate of {self.address.base} is not trusted: {cause.verify_message}",
                hint="Give its authority with --ca-bundle FILE; --insecure takes any certificate.",
            )
        words = self.login.scrub(str(error)) or type(error).__name__
        return Again(f"no answer ({words})")

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise Stopped
