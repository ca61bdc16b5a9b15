"""The users file: who may read, one line each, with the password as a salted scrypt hash.

A line is ``NAME:$scrypt$ln=14,r=8,p=5$SALT$HASH`` (salt and hash in Base64 without padding); blank lines and those
that begin with ``#`` are left out. No password stands in it, and none can be worked out from it in reasonable time.

Source: RFC 7914 (scrypt); the PHC string format; OWASP's Password Storage Cheat Sheet for the cost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.serve.auth import Account

_LINE = re.compile(
    r"\$scrypt\$ln=(?P<ln>\d{1,2}),r=(?P<r>\d{1,2}),p=(?P<p>\d{1,2})\$(?P<salt>[A-Za-z0-9+/]+)\$(?P<hash>[A-Za-z0-9+/]+)",
    re.ASCII,
)
_HINT = "'kubedossier serve --hash-password NAME' prints a line for it."


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A password that can be checked and not be read.

    Attributes:
        log_n, r, p: scrypt's cost; it takes 128 * r * 2**log_n bytes.
        salt: random bytes.
        digest: what scrypt made of the password and the salt.
    """

    log_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, password: str, *, log_n: int = 14, r: int = 8, p: int = 5) -> PasswordHash:
        """The hash of a password under a fresh salt."""
        salt = secrets.token_bytes(16)
        return cls(log_n, r, p, salt, _scrypt(password, salt, log_n, r, p, 32))

    @classmethod
    def read(cls, text: str) -> PasswordHash:
        """What ``str`` of a hash wrote.

        Raises:
            ValueError: it is no such text, or costs more than a login may.
        """
        found = _LINE.fullmatch(text)
        if found is None:
            raise ValueError("no hash of the form $scrypt$ln=14,r=8,p=5$SALT$HASH")
        log_n, r, p = (int(found[name]) for name in ("ln", "r", "p"))
        if not (1 <= log_n <= 20 and 1 <= r <= 32 and 1 <= p <= 16):
            raise ValueError("the cost of its hash is beyond what a login may take")
        try:
            salt, digest = (base64.b64decode(found[name] + "=" * (-len(found[name]) % 4)) for name in ("salt", "hash"))
        except binascii.Error:
            raise ValueError("its salt or hash is no Base64") from None
        if len(digest) < 16:
            raise ValueError("its hash is too short")
        return cls(log_n, r, p, salt, digest)

    def __str__(self) -> str:
        """As a users file holds it."""
        salt, digest = (base64.b64encode(one).rstrip(b"=").decode() for one in (self.salt, self.digest))
        return f"$scrypt$ln={self.log_n},r={self.r},p={self.p}${salt}${digest}"

    def fits(self, password: str) -> bool:
        """Whether this is the password; takes a good part of a second by intent."""
        made = _scrypt(password, self.salt, self.log_n, self.r, self.p, len(self.digest))
        return hmac.compare_digest(made, self.digest)


def user_line(username: str, password: str) -> str:
    """A line for the users file.

    Raises:
        UsageError: the name or the password cannot be used to log in.
    """
    if not _usable(username):
        raise UsageError(f"'{username}' cannot be a user's name", hint="It has no colon, blank or control character.")
    if not password:
        raise UsageError("The password is empty")
    return f"{username}:{PasswordHash.of(password)}"


def read_users(path: Path) -> tuple[Account, ...]:
    """The accounts of a users file.

    Raises:
        UsageError: it cannot be read, a line is wrong, or it names nobody; names file and line.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"Cannot read the users in '{path}': {reason}") from None
    accounts: dict[str, Account] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        username, _, text = line.strip().partition(":")
        try:
            if not _usable(username):
                raise ValueError("no name before the first colon")
            if username in accounts:
                raise ValueError(f"'{username}' is there already")
            accounts[username] = Account(username, PasswordHash.read(text))
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: {error}", hint=_HINT) from None
    if not accounts:
        raise UsageError(f"'{path}' names no user", hint=_HINT)
    return tuple(accounts.values())


def _usable(username: str) -> bool:
    return bool(username) and ":" not in username and username.isprintable() and not re.search(r"\s", username)


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int, size: int) -> bytes:
    n = 1 << log_n
    memory = 128 * r * (n + p + 2) + 1024 * 1024
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=size)
