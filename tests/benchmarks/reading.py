"""The measurements of reading: questions to a large archive, against the tools that everybody has at hand.

Time is processor time of the whole process and its children: on a shared machine nothing else can be compared.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import events
import large

HERE = Path(__file__).resolve().parent
MONTH, BEFORE = "2026-09", "2026-08"
FILE_EVENTS = 200_000
_LINE = [sys.executable, "-m", "kubedossier"]
_ASK = """
import sys
from kubedossier.analytics import Archive
archive = Archive(sys.argv[1])
for name in sys.argv[2:]:
    archive.answer(name).table
"""
_REPORT = """
import sys
from kubedossier.analytics import Archive
from kubedossier.reports.asking import ask
archive = Archive(sys.argv[1])
ask(archive, archive.period(sys.argv[2]))
"""

Report = Callable[[str, str, float, str, str], None]


def measure(folder: Path, count: int, rounds: int, pandas: str | None, report: Report) -> None:
    """Print all measurements of reading; what a tool is missing for is named."""
    archive = large.make(count, folder / f"served-{count}")

    def compare(work: str, against: str, goal: str, ours: list[str], peer: list[str], *, faster: bool = False) -> None:
        mine, theirs = best(rounds, ours, peer)
        value = theirs / mine if faster else mine / theirs
        report(work, against, value, goal, f"{mine:.2f} s against {theirs:.2f} s")

    peers = [sys.executable, str(HERE / "reading_peers.py")]
    query = [*_LINE, "--archive", str(archive), "query", "-f", "table", "--period", MONTH]
    with_pandas = [pandas, str(HERE / "reading_peers.py")] if pandas else None
    if with_pandas:
        for name, arguments in (
            ("top_users", ["pandas-users", MONTH, BEFORE]),
            ("techniques_by_day", ["pandas-techniques", MONTH]),
        ):
            peer = [*with_pandas, arguments[0], str(archive), *arguments[1:]]
            compare(f"{name} of a month", "time of pandas on that month", "<= 0.25", [*query, name], peer)
    else:
        sys.stdout.write("pandas: left out, --pandas names no Python that has it\n")
    _over_files(folder, peers, with_pandas, compare)
    from reading_peers import NAIVE

    ours = [sys.executable, "-c", _ASK, str(archive), *NAIVE]
    compare(
        "report questions, 13 months",
        "time of naive SQL, same Parquet",
        "<= 0.4",
        ours,
        [*peers, "naive", str(archive)],
    )
    small = _two_months(archive, folder)
    both = [[sys.executable, "-c", _REPORT, str(one), MONTH] for one in (archive, small)]
    compare("a month's report questions", "time in an archive of 2 months", "<= 1.3", *both)


def best(rounds: int, *commands: list[str]) -> list[float]:
    """The least processor time of each command, in seconds, all taking turns."""
    found: list[list[float]] = [[] for _ in commands]
    for _ in range(rounds):
        for times, command in zip(found, commands, strict=True):
            times.append(_processor_s(command))
    return [min(times) for times in found]


def _processor_s(command: list[str]) -> float:
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read().decode()}")
    return used.ru_utime + used.ru_stime


def _over_files(folder: Path, peers: list[str], with_pandas: list[str] | None, compare: Callable[..., None]) -> None:
    """The users with most events: out of an archive, and out of the same events as a compressed file."""
    file, archive = folder / f"events-{FILE_EVENTS}.json.gz", folder / f"served-{FILE_EVENTS}"
    large.make(FILE_EVENTS, archive)
    if not file.exists():
        with gzip.open(file, "wb", compresslevel=6) as out:
            for line in _readable(events.lines(FILE_EVENTS)):
                out.write(line + b"\n")
    ours = [*_LINE, "--archive", str(archive), "query", "-f", "table", "top_users"]
    if shutil.which("jq"):
        script = f"gzip -dc '{file}' | jq -r .user.username | sort | uniq -c | sort -rn | head -20"
        compare(
            "users out of 200,000 events", "speed of jq over .json.gz", ">= 15", ours, ["sh", "-c", script], faster=True
        )
    else:
        sys.stdout.write("jq: left out, it is not installed\n")
    if with_pandas:
        compare("the same", "speed of pandas", ">= 25", ours, [*with_pandas, "pandas", str(file)], faster=True)
    compare("the same", "speed of DuckDB", ">= 4", ours, [*peers, "duckdb", str(file)], faster=True)


def _readable(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Without the damaged lines, which no peer survives."""
    for line in lines:
        try:
            json.loads(line)
        except ValueError:
            continue
        yield line


def _two_months(archive: Path, folder: Path) -> Path:
    """An archive of the month and the one before, which is all that its report compares it with."""
    from kubedossier.analytics import Archive

    small = folder / f"{archive.name}-two-months"
    if small.exists():
        return small
    source = folder / "two-months.ndjson"
    with source.open("wb") as out:
        for month in (BEFORE, MONTH):
            for raw in Archive(archive).select("select raw from records where month = $month", {"month": month})["raw"]:
                out.write(raw.as_py().encode() + b"\n")
    environ = os.environ | {"KUBEDOSSIER_WITNESS": str(folder / "witness")}
    growing = small.with_suffix(".growing")
    subprocess.run(
        [*_LINE, "--archive", str(growing), "import", str(source)], env=environ, check=True, stdout=subprocess.DEVNULL
    )
    source.unlink()
    return growing.rename(small)
