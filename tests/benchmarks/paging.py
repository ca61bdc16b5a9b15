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

Pairs = list[tuple[str, str]]


class Server:
    """A server at work, as a process.

    Attributes:
        url: which it printed.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self.url = process.stdout.readline().strip()

    def peak_bytes(self) -> int:
        """The most memory it ever had; 0 where the system does not tell (macOS)."""
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


@contextmanager
def server(command: list[str]) -> Iterator[Server]:
    """A server, ended with the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield Server(process)
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
        order = [] if any(name == "sort" for name, _ in pairs) else [("sort", "time")]
        started = time.perf_counter()
        self._http.request("GET", f"{PATH}?{urlencode([*order, *pairs])}")
        answer = self._http.getresponse()
        body = answer.read()
        if answer.status != 200 or (body == b"null") != (answer.headers["Total-Count"] == "0"):
            sys.exit(f"the server answered {answer.status}: {body[:200]!r}")
        return time.perf_counter() - started, int(answer.headers["Total-Count"])


def first_and_last(archive: Path, populations: dict[str, Pairs]) -> dict[str, tuple[float, float, int]]:
    """Seconds of the first and of the last page, each the first thing its server is asked about that population."""
    found: dict[str, tuple[float, float, int]] = {}
    with server(serve(archive)) as one, server(serve(archive)) as other:
        for url in (one.url, other.url):
            Client(url).page(("user", "nobody"))  # libraries are loaded, the archive is open
        for name, pairs in populations.items():
            first, total = Client(one.url).page(*pairs)
            last, _ = Client(other.url).page(*pairs, ("offset", str(max(0, total - 50))))
            found[name] = (first, last, total)
    return found


def at_once(archive: Path, pages: int, *, beside: Pairs | None = None) -> tuple[list[float], int]:
    """The mean seconds a page of each of 16 clients that, all at once, ask for places all over the archive.

    Args:
        archive: what is served.
        pages: for each client.
        beside: what another client asks for meanwhile.

    Returns:
        The means, and the server's peak memory.
    """
    with server(serve(archive)) as one, ThreadPoolExecutor(CLIENTS + 1) as pool:
        _, total = Client(one.url).page()

        def take(number: int) -> list[float]:
            client, random_ = Client(one.url), random.Random(number)
            return [client.page(("offset", str(random_.randrange(total - 50))))[0] for _ in range(pages)]

        another = pool.submit(Client(one.url).page, *beside) if beside else None
        each = list(pool.map(take, range(CLIENTS)))
        if another:
            another.result()
        return [statistics.fmean(times) for times in each], one.peak_bytes()
