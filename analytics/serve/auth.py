"""Who may read: logins, and the tokens they get.

Tokens are signed by a key that lives as long as the server and end after half an hour. Comparisons take the same time
whatever is wrong. A hashed password is worked through once; while the server lives it knows the right one again by a
keyed digest, since clients send it with every call. Without a login the server answers everybody who reaches it, which
is for loopback only, and then only requests that name this machine as their host: a web page elsewhere must not be able
to ask through a browser.

Source: RFC 7519 (three parts, HS256), RFC 7617 (Basic).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

TOKEN_LIFE_S = 30 * 60
_HEADER = b'{"alg":"HS256","typ":"JWT"}'
_HASHED_AT_ONCE = 2
_HASH_WAIT_S = 5.0
"""So that a flood of wrong passwords takes neither all memory nor all threads."""


class RefusedError(Exception):
    """The request may not be answered.

    Attributes:
        status: 401, 403 or 429.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Hashed(Protocol):
    """A password that can be checked and not be read."""

    def fits(self, password: str) -> bool:
        """Whether this is the password."""
        ...


@dataclass(frozen=True)
class Account:
    """One login.

    Attributes:
        username: its name.
        password: its password, or a hash of it.
        may_read: whether it has the permission to read Kubernetes audits.
    """

    username: str
    password: str | Hashed = field(repr=False)
    may_read: bool = True


class Access:
    """Decides about requests.

    Args:
        accounts: the logins; none lets everybody in.
        life_s: how long a token lasts.
        wall: clock, seconds since the epoch.
    """

    def __init__(
        self, accounts: tuple[Account, ...] = (), *, life_s: int = TOKEN_LIFE_S, wall: Callable[[], float] = time.time
    ) -> None:
        self._accounts = {account.username: account for account in accounts}
        self._life_s = life_s
        self._wall = wall
        self._key = secrets.token_bytes(32)
        self._known: dict[str, bytes] = {}
        self._hashing = threading.BoundedSemaphore(_HASHED_AT_ONCE)
        # Whoever is unknown is checked against somebody, so that the time tells nothing.
        self._decoy = next((one.password for one in accounts if not isinstance(one.password, str)), "")

    @property
    def open(self) -> bool:
        """Whether everybody is let in."""
        return not self._accounts

    def log_in(self, username: str, password: str) -> str:
        """A token for a name and password.

        Raises:
            RefusedError: they are wrong.
        """
        if not self.open:
            self._check(username, password)
        return self._token(username)

    def renew(self, authorization: str | None) -> str:
        """A fresh token for a request that has proved itself.

        Raises:
            RefusedError: it has not.
        """
        return self._token(self._who(authorization))

    def admit(self, authorization: str | None, *, reads_audits: bool = False) -> None:
        """Let a request pass by its ``Authorization`` header.

        Args:
            authorization: the header's value.
            reads_audits: whether it asks for audits, which needs the permission.

        Raises:
            RefusedError: it may not pass.
        """
        username = self._who(authorization)
        if reads_audits and not self.open and not self._accounts[username].may_read:
            raise RefusedError(403, "the permission monitorAccessKubernetes is missing")

    def _who(self, authorization: str | None) -> str:
        if self.open:
            return ""
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            username, password = _basic(value.strip())
            self._check(username, password)
            return username
        if scheme.lower() == "bearer":
            return self._bearer(value.strip())
        raise RefusedError(401, "a login is needed")

    def _check(self, username: str, password: str) -> None:
        account = self._accounts.get(username)
        expected = account.password if account else self._decoy
        if isinstance(expected, str):
            same = hmac.compare_digest(_fold(expected), _fold(password))
        else:
            same = self._fits(username, expected, password)
        if account is None or not same:
            raise RefusedError(401, "wrong username or password")

    def _fits(self, username: str, expected: Hashed, password: str) -> bool:
        mark = hmac.new(self._key, password.encode("utf-8", "replace"), hashlib.sha256).digest()
        if hmac.compare_digest(self._known.get(username, b""), mark):
            return True
        if not self._hashing.acquire(timeout=_HASH_WAIT_S):
            raise RefusedError(429, "too many logins at once")
        try:
            same = expected.fits(password)
        finally:
            self._hashing.release()
        if same and username in self._accounts:
            self._known[username] = mark
        return same

    def _token(self, username: str) -> str:
        now = int(self._wall())
        claims = json.dumps({"sub": username, "iat": now, "exp": now + self._life_s}).encode()
        body = _encode(_HEADER) + b"." + _encode(claims)
        return (body + b"." + _encode(self._sign(body))).decode("ascii")

    def _bearer(self, token: str) -> str:
        body, _, signature = token.encode("utf-8", "replace").rpartition(b".")
        if not hmac.compare_digest(_encode(self._sign(body)), signature):
            raise RefusedError(401, "the token is not valid")
        claims = json.loads(base64.urlsafe_b64decode(_padded(body.partition(b".")[2])))
        if self._wall() >= claims["exp"]:
            raise RefusedError(401, "the token has expired")
        if claims["sub"] not in self._accounts:
            raise RefusedError(401, "the token is not valid")
        username: str = claims["sub"]
        return username

    def _sign(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()


def _basic(value: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise RefusedError(401, "the Basic login cannot be read")
    return username, password


def _fold(text: str) -> bytes:
    """The text at one length, so that comparing tells nothing about it."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _padded(text: bytes) -> bytes:
    return text + b"=" * (-len(text) % 4)
