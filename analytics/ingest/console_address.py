"""Where a Console is, and what is asked of it: the base URL and the query string.

The base URL keeps its path (a SaaS Console lives below one), so paths are appended and never resolved against
it. Plain http carries a login in the clear and is taken to this machine only.

Source: the vendor's OpenAPI 33.01; RFC 3986.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.ingest.times import from_micros

_VERSION = re.compile(r"v\d+(\.\d+)*")
_API_TAIL = re.compile(r"/api/v\d[\d.]*(/.*)?$")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """The base URL of a Console, without credentials.

    Attributes:
        base: scheme, host, port and path; no slash at the end.
        api_version: ``v33.01`` or ``v1``.
        project: the tenant project that every call names; None for the Console itself.
    """

    base: str
    api_version: str
    project: str | None = None

    @property
    def name(self) -> str:
        """What the archive calls it: the base URL, and the project because its events are its own."""
        return self.base if self.project is None else f"{self.base}?project={quote(self.project, safe='')}"

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(urlsplit(self.base).hostname or "")

    def url(self, path: str, *, versioned: bool = True) -> str:
        """The URL of an API path such as ``audits/kubernetes``."""
        return f"{self.base}/api/{self.api_version}/{path}" if versioned else f"{self.base}/{path}"

    def same_origin(self, url: str) -> bool:
        """Whether a URL has the same scheme, host and port."""
        return _origin(url) == _origin(self.base)


def parse_address(url: str, *, api_version: str = "v33.01", project: str | None = None) -> Address:
    """Read the base URL of a Console as a user writes it.

    Raises:
        UsageError: it is no http(s) URL, carries a login, a query or a fragment, or is plain http beyond this
        machine.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError("The Console's URL cannot be read", hint=_URL_HINT) from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "The Console's URL carries a login",
            hint="Put it in KUBEDOSSIER_USERNAME and KUBEDOSSIER_PASSWORD instead.",
        )
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\]", text):
        raise UsageError(f"'{text}' is not the URL of a Console", hint=_URL_HINT)
    if parts.query or parts.fragment:
        raise UsageError(f"'{text}' has a query or a fragment", hint=_URL_HINT)
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"'{text}' is plain http: the login would travel in the clear",
            hint="Use https; --ca-bundle trusts its CA.",
        )
    if not _VERSION.fullmatch(api_version):
        raise UsageError(f"'{api_version}' is not an API version", hint="Write v33.01, or v1 for the newest.")
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        shown += f":{port}"
    path = _API_TAIL.sub("", parts.path).rstrip("/")
    return Address(f"{parts.scheme}://{shown}{path}", api_version, project or None)


_URL_HINT = "Write it like https://console.example:8083, with the path where a SaaS Console has one."


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme)


@dataclass(frozen=True, slots=True)
class Filters:
    """What a run is limited to: values of one kind are OR-ed, kinds AND-ed; all empty means every event."""

    users: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.techniques or self.clusters)

    def pairs(self) -> list[tuple[str, str]]:
        """As query parameters: repeated keys, never a list in one value, because names may hold commas."""
        return [
            *(("user", value) for value in self.users),
            *(("attackTechniques", value) for value in self.techniques),
            *(("cluster", value) for value in self.clusters),
        ]


@dataclass(frozen=True, slots=True)
class Query:
    """One population of events to page through, always in the order of time.

    Attributes:
        filters: what it is limited to.
        start, end: bounds in microseconds since the epoch, UTC; None leaves that side open.
        reverse: newest first.
    """

    filters: Filters = Filters()
    start: int | None = None
    end: int | None = None
    reverse: bool = False

    def between(self, start: int | None, end: int | None) -> Query:
        """The same with other bounds."""
        return replace(self, start=start, end=end)

    def backwards(self) -> Query:
        """The same, newest first."""
        return replace(self, reverse=True)

    def pairs(self, offset: int, limit: int) -> list[tuple[str, str]]:
        """As query parameters; bounds in whole milliseconds, rounded outwards."""
        found = []
        if self.start is not None:
            found.append(("from", millisecond_text(self.start - self.start % 1000)))
        if self.end is not None:
            found.append(("to", millisecond_text(self.end + -self.end % 1000)))
        found += self.filters.pairs()
        found += [("sort", "time"), ("reverse", "true" if self.reverse else "false")]
        return [*found, ("offset", str(offset)), ("limit", str(limit))]


def millisecond_text(micros: int) -> str:
    """A moment as the API takes it: RFC 3339 with milliseconds, ``Z``."""
    return from_micros(micros).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
