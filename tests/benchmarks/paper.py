"""How long a report takes, from the command to the finished PDF, beside the renderer alone with the same HTML.

Run by ``bench.py``. As a program: ``python paper.py save ARCHIVE PERIOD HTML`` keeps the HTML of a report, and
``python paper.py set HTML`` has WeasyPrint set it and nothing else.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, those of the processor in all its processes, and the peaks of the two largest."""

    seconds: float
    cpu_seconds: float
    peaks_bytes: tuple[int, int]


def cost(command: list[str]) -> Cost:
    """Run a command and measure it; in processor time, too, for a machine has other things to do as well."""
    start = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peaks: dict[int, int] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            peaks |= {pid: max(size, peaks.get(pid, 0)) for pid, size in _peaks(process.pid).items()}
            time.sleep(0.02)
        if process.returncode:
            assert process.stderr is not None
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{process.stderr.read().decode()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    largest = (*sorted(peaks.values(), reverse=True), 0, 0)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - start, cpu_seconds, (largest[0], largest[1]))


def _peaks(pid: int) -> dict[int, int]:
    """The peak memory of a process and of each that it started; nothing where the system does not tell (macOS)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return {}
    found = {pid: sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))}
    for child in children:
        # One that is only being started shares the memory, and the words, of the process that starts it.
        if _command(child) != command:
            found |= _peaks(int(child))
    return found


def _command(pid: str) -> bytes | None:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None


def report_and_renderer(archive: Path, folder: Path, rounds: int, period: str = "2025-10") -> tuple[Cost, Cost, int]:
    """The report of the month and the renderer alone, both taking turns; the best of each, and the number of pages."""
    page, pdf = folder / "report.html", folder / "report.pdf"
    here = str(Path(__file__).resolve())
    subprocess.run([sys.executable, here, "save", str(archive), period, str(page)], check=True)
    command = [sys.executable, "-m", "kubedossier", "--archive", str(archive), "report", "--period", period]
    ours, alone = [], []
    for _ in range(rounds):
        ours.append(cost([*command, "-o", str(pdf)]))
        alone.append(cost([sys.executable, here, "set", str(page)]))
    best = [min(found, key=lambda one: one.cpu_seconds) for found in (ours, alone)]
    return best[0], best[1], _pages(pdf)


def _pages(path: Path) -> int:
    import pikepdf

    with pikepdf.open(path) as pdf:
        return len(pdf.pages)


def _save(archive: str, period: str, path: str) -> None:
    from datetime import UTC, datetime

    from kubedossier.analytics import Archive
    from kubedossier.analytics.periods import parse_period
    from kubedossier.reports.build import build
    from kubedossier.reports.model import Request
    from kubedossier.reports.render import html

    report = build(Archive(archive), parse_period(period, now=datetime.now(UTC)), Request())
    Path(path).write_text(html(report), "utf-8")


def _set(path: str) -> None:
    import weasyprint

    from kubedossier.reports.render import _own_fonts
    from kubedossier.reports.templating import asset

    with _own_fonts():
        sheets = [weasyprint.CSS(string=asset("styles", name)) for name in ("report.css", "a4.css")]
        weasyprint.HTML(string=Path(path).read_text("utf-8")).write_pdf(
            os.devnull, stylesheets=sheets, pdf_variant="pdf/a-3a", pdf_tags=True
        )


if __name__ == "__main__":
    {"save": _save, "set": _set}[sys.argv[1]](*sys.argv[2:])
