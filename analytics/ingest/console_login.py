"""The login at a Console: a bearer token from name and password, Basic on each call, or a ready token.

A token is renewed before it ends and when the Console no longer takes it. Secrets leave this module only
inside an ``Authorization`` header or the login's own body: never in a message, a log, a ``repr`` or the
ledger.

Source: the vendor's OpenAPI 33.01, ``post-authenticate``; RFC 7519 for the token's end.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from kubedossier.analytics.errors import SourceError
from kubedossier.analytics.ingest.console_answer import Reply, judge, read_object, said_in

Kind = Literal["bearer", "basic", "token"]

_UNKNOWN_LIFE_S = 240.0  # a token that does not say when it ends: some Consoles give five minutes
_MISSING = (404, 405, 501)


@dataclass(frozen=True)
class Credentials:
    """What a person or machine proves itself with.

    Attributes:
        username: login name, or a SaaS access key's id; None with a ready token.
        password: or the access key's secret.
        token: a ready bearer token, used instead of name and password.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


class Exchange(Protocol):
    """Sends one request of the login and gives the answer back; raises ``Again`` where none came."""

    def __call__(self, method: str, path: str, *, headers: dict[str, str], content: bytes | None) -> Reply:
        """Send it."""
        ...


class Login:
    """Gives the header of each request, and a new one when the old is used up. Thread-safe."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        basic: bool = False,
        exchange: Exchange,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.kind: Kind = "token" if credentials.token else "basic" if basic else "bearer"
        self._credentials = credentials
        self._exchange = exchange
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._generation = 0
        self._token: str | None = None
        self._renew_at = 0.0
        if credentials.token:
            self._take(credentials.token, fresh=False)

    @property
    def account(self) -> str | None:
        """The login name, for the ledger."""
        return self._credentials.username

    def header(self) -> tuple[int, dict[str, str]]:
        """The header for one request, and its generation for ``renew``."""
        with self._lock:
            if self.kind == "bearer" and (self._token is None or self._monotonic() >= self._renew_at):
                self._log_in()
            elif self.kind == "token" and self._monotonic() >= self._renew_at:
                self._extend()
            return self._generation, self._authorization()

    def renew(self, generation: int) -> bool:
        """Get a new token because one was refused; False where that cannot help."""
        with self._lock:
            if generation != self._generation:
                return True  # somebody else was faster
            if self.kind != "bearer":
                return False
            self._log_in()
            return True

    def scrub(self, text: str) -> str:
        """The text without any secret in it."""
        for secret in (self._credentials.password, self._credentials.token, self._token):
            if secret:
                text = text.replace(secret, "***")
        return text

    def _authorization(self) -> dict[str, str]:
        if self.kind == "basic":
            pair = f"{self._credentials.username}:{self._credentials.password}".encode()
            return {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}
        return {"Authorization": f"Bearer {self._token}"}

    def _log_in(self) -> None:
        body = json.dumps({"username": self._credentials.username, "password": self._credentials.password})
        reply = self._exchange(
            "POST", "authenticate", headers={"Content-Type": "application/json"}, content=body.encode()
        )
        if reply.status in _MISSING:  # a Console (or a gateway before it) that only knows Basic
            self.kind = "basic"
            self._generation += 1
            return
        if reply.status in (400, 401, 403):
            raise refused(self.scrub(said_in(reply)), reply.status)
        judge(reply, now=_moment(self._wall()), what="a login")
        token = read_object(reply).get("token")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise SourceError(
                "The Console answered the login without a usable token",
                hint="Check --console; KUBEDOSSIER_TOKEN takes a ready token.",
            )
        self._take(token, fresh=True)

    def _extend(self) -> None:
        """Swap a ready token for a fresh one where the Console offers that; else go on with the old one."""
        reply = self._exchange("GET", "authenticate/renew", headers=self._authorization(), content=None)
        token = read_object(reply).get("token") if reply.status == 200 else None
        if isinstance(token, str) and token.isascii() and token.isprintable() and token:
            self._take(token, fresh=True)
        else:
            self._renew_at = float("inf")

    def _take(self, token: str, *, fresh: bool) -> None:
        self._token = token
        self._generation += 1
        life = token_life_s(token, now=self._wall(), fresh=fresh)
        if life is None:
            # A ready token that does not say when it ends is used until it is refused.
            life = _UNKNOWN_LIFE_S if fresh else float("inf")
        self._renew_at = self._monotonic() + life - min(60.0, life / 4)


def token_life_s(token: str, *, now: float, fresh: bool) -> float | None:
    """How long a token lasts, in seconds from ``now``, or None where it does not say.

    Args:
        token: three parts with dots between them; the middle one holds its end.
        now: seconds since the epoch.
        fresh: it was issued this moment, so the distance from its beginning to its end counts, and a wrong
            local clock does no harm.
    """
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        end, begin = claims.get("exp"), claims.get("iat")
    except (IndexError, ValueError, AttributeError):
        return None
    if not isinstance(end, int | float):
        return None
    life = end - (begin if fresh and isinstance(begin, int | float) else now)
    if fresh and life <= 0:
        return None
    return max(0.0, float(life))


def refused(said: str, status: int) -> SourceError:
    """The error for a login that the Console does not take."""
    return SourceError(
        f"The Console refused the login ({status}{said})",
        hint="Check KUBEDOSSIER_USERNAME and KUBEDOSSIER_PASSWORD (or _PASSWORD_FILE), or KUBEDOSSIER_TOKEN.",
    )


def _moment(wall: float) -> datetime:
    return datetime.fromtimestamp(wall, UTC)
