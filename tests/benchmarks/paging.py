"""The measurements that need a server: a snapshot over a slow line, and pages far into a large archive."""

from __future__ import annotations

import http.client
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

HERE = Path(__file__).resolve().parent
PATH = "/api/v1/audits/kubernetes"
CLIENTS = 16
_LINE = [sys.executable, "-m", "kubedossier"]


@contextmanager
def server(command: list[str]) -> Iterator[str]:
    """A server at work; gives the URL that it prints."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def slow_console(archive: Path) -> list[str]:
    """The command of a server whose answers are late."""
    return [sys.executable, str(HERE / "slow_console.py"), str(archive)]


def serve(archive: Path) -> list[str]:
    """The command of an ordinary server."""
    return [*_LINE, "--archive", str(archive), "serve", "--plain-http", "--port", "0"]


def snapshot(url: str, archive: Path, connections: int) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a first snapshot."""
    environ = {"KUBEDOSSIER_USERNAME": "a", "KUBEDOSSIER_PASSWORD": "b", "KUBEDOSSIER_WITNESS": f"{archive}-witness"}
    command = [*_LINE, "--archive", str(archive), "snapshot", "--console", url, "--connections", str(connections)]
    return command, environ


class Client:
    """One connection that is kept open."""

    def __init__(self, url: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(url).netloc)

    def page(self, *pairs: tuple[str, str]) -> tuple[float, int]:
        """Seconds until a page is there, and how many events match."""
        started = time.perf_counter()
        self._http.request("GET", f"{PATH}?{urlencode([('sort', 'time'), *pairs])}")
        answer = self._http.getresponse()
        body = answer.read()
        if answer.status != 200 or (body == b"null") != (answer.headers["Total-Count"] == "0"):
            sys.exit(f"the server answered {answer.status}: {body[:200]!r}")
        return time.perf_counter() - started, int(answer.headers["Total-Count"])


def first_and_last(archive: Path, filters: dict[str, list[tuple[str, str]]]) -> dict[str, tuple[float, float, int]]:
    """Seconds of the first and of the last page by filter, each the first thing its server is asked about it."""
    found: dict[str, tuple[float, float, int]] = {}
    with server(serve(archive)) as one, server(serve(archive)) as other:
        for url in (one, other):
            Client(url).page(("user", "nobody"))  # libraries are loaded, the archive is open
        for name, pairs in filters.items():
            first, total = Client(one).page(*pairs)
            last, _ = Client(other).page(*pairs, ("offset", str(max(0, total - 50))))
            found[name] = (first, last, total)
    return found


def at_once(archive: Path, pages: int) -> list[float]:
    """The mean seconds a page of each of 16 clients that, all at once, ask for places all over the archive."""
    with server(serve(archive)) as url:
        _, total = Client(url).page()

        def take(number: int) -> list[float]:
            client, random_ = Client(url), random.Random(number)
            return [client.page(("offset", str(random_.randrange(total - 50))))[0] for _ in range(pages)]

        with ThreadPoolExecutor(CLIENTS) as pool:
            each = list(pool.map(take, range(CLIENTS)))
    return [statistics.fmean(one) for one in each]
