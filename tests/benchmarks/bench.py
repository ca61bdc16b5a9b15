"""``make bench``: how fast, beside tools that everybody knows, on this machine, in this run.

Seconds mean little on a shared machine; the ratio of two measurements that took turns means something. Each line
names the peer, the ratio and the goal. Peers run in processes of their own, as ours do.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import events
import large
import paging
import paper
import raw_logs
import reading

HERE = Path(__file__).resolve().parent
PARTS = ["import", "memory", "raw", "repeat", "start", "snapshot", "pages", "read", "paper"]
KUBEDOSSIER = [sys.executable, "-m", "kubedossier"]


@dataclass(frozen=True)
class Run:
    """One measured command: wall-clock seconds, and the peak memory of all its processes together."""

    seconds: float
    peak_bytes: int


def measure(command: list[str], *, codes: tuple[int, ...] = (0,), env: dict[str, str] | None = None) -> Run:
    """Run a command to its end and measure it; its errors are shown where it ends otherwise than it should."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=os.environ | (env or {}))
        peak = 0
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.002 if time.perf_counter() - started < 1 else 0.1)
        seconds = time.perf_counter() - started
        errors.seek(0)
        if process.returncode not in codes:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read().decode()}")
    return Run(seconds, peak)


def _memory(pid: int) -> int:
    """The proportional memory of a process and its descendants, in bytes; 0 where the system does not tell (macOS)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        own = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, ValueError):
        return 0
    return own + sum(_memory(int(child)) for child in children)


def best(rounds: int, *tasks: Callable[[], Run]) -> list[Run]:
    """The best time and the worst peak of each task, all taking turns."""
    found: list[list[Run]] = [[] for _ in tasks]
    for _ in range(rounds):
        for runs, task in zip(found, tasks, strict=True):
            runs.append(task())
    return [Run(min(one.seconds for one in runs), max(one.peak_bytes for one in runs)) for runs in found]


def report(work: str, against: str, value: float, goal: str, detail: str) -> None:
    """Print one line of the result."""
    sys.stdout.write(f"{work:<34} {against:<34} {value:>6.2f}  goal {goal:<8} {detail}\n")
    sys.stdout.flush()


def bench_import(folder: Path, count: int, rounds: int) -> None:
    """Import, against DuckDB's COPY doing less, and doing the same."""
    source = folder / f"events-{count}.ndjson"
    events.write(count, source)

    def ours() -> Run:
        archive = folder / "import"
        shutil.rmtree(archive, ignore_errors=True)
        env = {"KUBEDOSSIER_WITNESS": str(folder / "witness")}
        return measure([*KUBEDOSSIER, "--archive", str(archive), "import", str(source)], codes=(0, 4), env=env)

    def peer(script: str) -> Callable[[], Run]:
        def run() -> Run:
            target = folder / "copy"
            shutil.rmtree(target, ignore_errors=True)
            return measure([sys.executable, str(HERE / "duckdb_import.py"), script, str(source), str(target)])

        return run

    mine, less, same = best(rounds, ours, peer("less"), peer("same"))
    detail = f"{mine.seconds:.1f} s against {less.seconds:.1f} s"
    report(
        f"import of {count:,} events", "speed of DuckDB COPY doing less", less.seconds / mine.seconds, ">= 0.8", detail
    )
    detail = f"{mine.seconds:.1f} s against {same.seconds:.1f} s"
    report("the same", "speed of DuckDB doing the same", same.seconds / mine.seconds, ">= 2", detail)
    peak = mine.peak_bytes / less.peak_bytes
    detail = f"{mine.peak_bytes / 2**20:,.0f} MiB against {less.peak_bytes / 2**20:,.0f} MiB"
    report("peak memory of import", "of the same COPY", peak, "<= 0.13", detail)
    measure([*KUBEDOSSIER, "--archive", str(folder / "import"), "compact"])
    measure([*KUBEDOSSIER, "--archive", str(folder / "import"), "gc", "--yes"])
    stored = sum(path.stat().st_size for path in (folder / "import" / "events").rglob("*.parquet"))
    zipped = _gzip_size(folder / "import", folder / "unique.ndjson.gz")
    report("bytes an event, compacted", "gzip -6 of the same, as it came", stored / zipped, "<= 1.0", f"{stored:,} B")


def bench_memory(folder: Path, count: int) -> None:
    """Peak memory grows neither with what comes nor with what is there already; time does not hang on the order."""
    sources = {number: folder / f"events-{number}.ndjson" for number in (count // 10, count * 3 // 10, count)}
    peaks: dict[int, int] = {}
    archive = folder / "memory"

    def run_of(source: Path) -> Run:
        env = {"KUBEDOSSIER_WITNESS": str(folder / "witness")}
        return measure([*KUBEDOSSIER, "--archive", str(archive), "import", str(source)], codes=(0, 4), env=env)

    for number, source in sources.items():
        events.write(number, source)
        shutil.rmtree(archive, ignore_errors=True)
        peaks[number] = run_of(source).peak_bytes
    few, most = peaks[count // 10], peaks[count]
    if not few:
        return  # the system does not tell
    listed = ", ".join(f"{number:,}: {peak / 2**20:,.0f} MiB" for number, peak in peaks.items())
    report(f"peak memory, {count:,} events", f"of {count // 10:,} events", most / few, "<= 1.2", listed)
    onto = run_of(sources[count // 10]).peak_bytes
    detail = f"{onto / 2**20:,.0f} MiB"
    report(f"the same, {count // 10:,} into {count:,}", "into an empty archive", onto / few, "<= 1.2", detail)
    shuffled = folder / "shuffled.ndjson"
    lines = sources[count // 10].read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    shuffled.write_bytes(b"".join(lines))
    ordered, mixed = best(2, lambda: run_of(sources[count // 10]), lambda: run_of(shuffled))
    detail = f"{mixed.seconds:.1f} s against {ordered.seconds:.1f} s"
    report("these again, in no order", "time in the order of time", mixed.seconds / ordered.seconds, "<= 1.5", detail)


def bench_raw(folder: Path, count: int, rounds: int) -> None:
    """Import of a raw audit log, against as many of the Console's events; both by processor time."""
    raw, native = folder / f"raw-{count}.log", folder / f"events-{count}.ndjson"
    raw_logs.write(count, raw)
    events.write(count, native)

    def task(source: Path) -> tuple[float, Run]:
        archive = folder / "raw"
        shutil.rmtree(archive, ignore_errors=True)
        command = [*KUBEDOSSIER, "--archive", str(archive), "import", str(source)]
        env = {"KUBEDOSSIER_WITNESS": str(folder / "witness")}
        return raw_logs.with_cpu(lambda: measure(command, codes=(0, 4), env=env))

    taken = [(task(raw), task(native)) for _ in range(rounds)]
    mine, peer = (min(one[at][0] for one in taken) for at in (0, 1))
    detail = f"{count / mine:,.0f} events a second of processor time against {count / peer:,.0f}"
    report(f"import of {count:,} raw lines", "rate of the Console's JSON", peer / mine, ">= 0.5", detail)
    peaks = [max(one[at][1].peak_bytes for one in taken) for at in (0, 1)]
    detail = f"{peaks[0] / 2**20:,.0f} MiB against {peaks[1] / 2**20:,.0f} MiB"
    report("peak memory of it", "of the Console's JSON", peaks[0] / peaks[1], "<= 1.2", detail)


def bench_repeat(folder: Path, count: int, rounds: int) -> None:
    """Importing two days again into a full archive, against the same into an empty one."""
    source = folder / "two-days.ndjson"
    whole = folder / f"events-{count}.ndjson"
    lines = whole.read_bytes().split(b"\n")[count // 2 : count // 2 + count * 2 // events.DAYS]
    source.write_bytes(b"\n".join(lines) + b"\n")

    def task(archive: Path, fresh: bool) -> Callable[[], Run]:
        def run() -> Run:
            if fresh:
                shutil.rmtree(archive, ignore_errors=True)
            env = {"KUBEDOSSIER_WITNESS": str(folder / "witness")}
            return measure([*KUBEDOSSIER, "--archive", str(archive), "import", str(source)], codes=(0, 4), env=env)

        return run

    empty, full = best(rounds + 2, task(folder / "empty", True), task(folder / "import", False))
    detail = f"{full.seconds:.2f} s against {empty.seconds:.2f} s"
    report(
        "two days again, full archive", "time into an empty archive", full.seconds / empty.seconds, "<= 1.05", detail
    )


def bench_start(folder: Path, rounds: int) -> None:
    """How long until the first word."""
    archive = str(folder / "empty")
    query = [*KUBEDOSSIER, "--archive", archive, "query", "top_users"]
    nothing, help_, duckdb, asked = best(
        rounds * 3,
        lambda: measure([sys.executable, "-c", "pass"]),
        lambda: measure([*KUBEDOSSIER, "--help"]),
        lambda: measure([sys.executable, "-c", "import duckdb"]),
        lambda: measure(query),
    )
    detail = f"{help_.seconds:.2f} s against {nothing.seconds:.2f} s"
    report("kubedossier --help", "time of python -c pass", help_.seconds / nothing.seconds, "<= 4", detail)
    detail = f"{asked.seconds:.2f} s against {duckdb.seconds:.2f} s"
    report("query top_users, small archive", "time of import duckdb", asked.seconds / duckdb.seconds, "<= 3", detail)


def bench_snapshot(folder: Path, rounds: int) -> None:
    """A snapshot over a line of 50 ms, several requests under way, against one."""
    source = _served(folder, 30_000)  # a third of what a Console keeps

    with paging.server(paging.slow_console(source)) as console:

        def task(connections: int) -> Callable[[], Run]:
            def run() -> Run:
                archive = folder / "snapshot"
                shutil.rmtree(archive, ignore_errors=True)
                command, env = paging.snapshot(console.url, archive, connections)
                return measure(command, env=env)

            return run

        one, four = best(rounds, task(1), task(4))
    detail = f"{four.seconds:.1f} s against {one.seconds:.1f} s"
    report("snapshot over 50 ms, 4 connections", "speed of 1 connection", one.seconds / four.seconds, ">= 3", detail)


def bench_pages(folder: Path, count: int) -> None:
    """The last page of a large archive, against the first; and 16 clients at once."""
    archive = _served(folder, count)
    year = [("from", "2026-01-01T00:00:00Z"), ("to", "2026-10-01T00:00:00Z")]
    populations = {
        "no filter": [],
        "reversed": [("reverse", "true")],
        "technique": [("attackTechniques", "execIntoContainer")],
        "range": year,
        "two techniques, range": [*year, ("attackTechniques", "createAccount"), ("attackTechniques", "unheardOf")],
        "one user": [("user", "user00001@example.com")],
        "sorted by user": [("sort", "user.username")],
        "sorted by URI": [("sort", "requestURI")],
    }
    for name, (first, last, total) in paging.first_and_last(archive, populations).items():
        detail = f"{last:.2f} s against {first:.2f} s, {total:,} events"
        report(f"last page: {name}", "time of the first page", last / first, "<= 5", detail)
    means, peak_bytes = paging.at_once(archive, 10)
    worst, middle = max(means), sorted(means)[len(means) // 2]
    detail = f"{worst:.2f} s a page against {middle:.2f} s; {peak_bytes / 2**20:,.0f} MiB"
    report("16 clients at once, the slowest", "time of the median client", worst / middle, "<= 2", detail)
    beside, peak_bytes = paging.at_once(archive, 10, beside=[("sort", "requestURI")])
    detail = f"{max(beside):.2f} s a page against {worst:.2f} s; {peak_bytes / 2**20:,.0f} MiB"
    report("the same, beside a costly request", "time without it", max(beside) / worst, "<= 2", detail)


def bench_paper(folder: Path, count: int, rounds: int) -> None:
    """A month's report, from the command to the PDF, against the renderer alone with the same HTML.

    Of events that share their addresses, and of such with an address of their own each: those are the most to count,
    and with a month before it each is looked up in that.
    """
    for name, number, days, own_addresses, period in (
        ("month", count, 31, False, "2025-10"),
        ("month-own-addresses", count, 31, True, "2025-10"),
        ("two-months", 2 * count, 61, True, "2025-11"),
    ):
        archive = folder / f"{name}-{count}"
        if not archive.exists():
            source = folder / f"{name}-{count}.ndjson"
            events.write(number, source, days=days, own_addresses=own_addresses)
            env = {"KUBEDOSSIER_WITNESS": str(folder / "witness")}
            measure([*KUBEDOSSIER, "--archive", str(archive), "import", str(source)], codes=(0, 4), env=env)
        ours, alone, pages = paper.report_and_renderer(archive, folder, rounds, period)
        ratio, sizes = ours.cpu_seconds / alone.cpu_seconds, [size / 2**20 for size in ours.peaks_bytes]
        detail = f"{ours.cpu_seconds:.1f} s of processor against {alone.cpu_seconds:.1f} s"
        work = "report, an address an event" if own_addresses else f"report of a month of {count:,}"
        work = "the same, with a month before" if days > 31 else work
        report(work, "time of WeasyPrint, same HTML", ratio, "<= 3", detail)
        elapsed, detail = ours.seconds / alone.seconds, f"{ours.seconds:.1f} s against {alone.seconds:.1f} s"
        report("its elapsed time", "elapsed time of WeasyPrint", elapsed, "<= 3", detail)
        report("its pages", "pages", pages, "<= 40", "")
        report("its memory, in MiB", "largest process", sizes[0], "<= 381", f"second largest {sizes[1]:,.0f} MiB")


def _served(folder: Path, count: int) -> Path:
    """An archive of so many events, made once."""
    return large.make(count, folder / f"served-{count}")


def _gzip_size(archive: Path, target: Path) -> int:
    from kubedossier.analytics import Archive

    with gzip.GzipFile(filename="", mode="wb", fileobj=target.open("wb"), compresslevel=6) as out:
        for month in sorted(path.name for path in (archive / "events").iterdir()):
            question = "select raw from records where month = $month order by time"  # as they stood in the file
            table = Archive(archive).select(question, {"month": month[6:]})
            for raw in table["raw"]:
                out.write(raw.as_py().encode() + b"\n")
    return target.stat().st_size


def main() -> None:
    """Run the benchmarks that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the data lie; kept there for the next run")
    parser.add_argument(
        "--pandas", help="a Python that has pandas and pyarrow, apart from ours: ours is slower beside it"
    )
    parser.add_argument("only", nargs="*", help="parts; all when none is named: " + ", ".join(PARTS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kubedossier-bench-") as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        chosen = asked.only or PARTS
        if "import" in chosen:
            bench_import(folder, asked.events, asked.rounds)
        if "memory" in chosen:
            bench_memory(folder, asked.events)
        if "raw" in chosen:
            bench_raw(folder, asked.events, asked.rounds)
        if "repeat" in chosen:
            bench_repeat(folder, asked.events, asked.rounds)
        if "start" in chosen:
            bench_start(folder, asked.rounds)
        if "snapshot" in chosen:
            bench_snapshot(folder, asked.rounds)
        if "pages" in chosen:
            bench_pages(folder, asked.events)
        if "read" in chosen:
            reading.measure(folder, asked.events, asked.rounds, asked.pandas, report)
        if "paper" in chosen:
            bench_paper(folder, asked.events, asked.rounds)


if __name__ == "__main__":
    main()
