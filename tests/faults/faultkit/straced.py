"""Faults in the system calls of the real command line, by strace: nothing of it is replaced or knows.

Only calls that name the case's disk are disturbed. Python's start is not the same every time: where the n-th call turns
out to be another one, the run proves nothing and says so.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from faultkit.nursery import Run

SYSCALLS = (
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
)
FAULTS = ("error=EIO", "error=ENOSPC", "signal=KILL")
_CALL = re.compile(r"(\d+) +(\w+)\((.*)")


def why_not() -> str:
    """Why strace cannot be used here; empty where it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-e", "trace=fsync", "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.strip()[-80:]}" if tried.returncode else ""


def unprivileged() -> tuple[str, ...]:
    """What to put before a command so that permissions hold for it, too, where root runs the tests."""
    if os.geteuid():
        return ()
    if not shutil.which("setpriv"):
        pytest.skip("root may read and write everywhere, and setpriv is not installed")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def command(case: Path, *argv: str) -> list[str]:
    """The command line as it is installed beside this Python."""
    return [sys.executable, "-m", "kubedossier", "--archive", str(case / "disk" / "A"), *argv]


def environment(case: Path) -> dict[str, str]:
    """The variables of a run in a case's folder."""
    return {
        **os.environ,
        "XDG_STATE_HOME": str(case / "disk" / "state"),
        "XDG_CONFIG_HOME": str(case / "config"),
        "KUBEDOSSIER_TOKEN": "any",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def cli(case: Path, *argv: str, before: tuple[str, ...] = (), **more) -> Run:
    """One run of the real command line."""
    ended = subprocess.run(
        [*before, *command(case, *argv)],
        cwd=case,
        env=environment(case),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        **more,
    )
    return Run(128 - ended.returncode if ended.returncode < 0 else ended.returncode, ended.stdout, ended.stderr)


def calls(case: Path) -> list[tuple[str, int]]:
    """``(system call, its number)`` for each call of an undisturbed run that touches the case's disk."""
    log = case / "strace"
    run = cli(case, "import", "more.ndjson", before=_strace(log, f"trace={','.join(SYSCALLS)}"))
    assert run.code == 4, run
    found, seen = [], Counter()
    for line in log.read_text(errors="replace").splitlines():
        if match := _CALL.match(line):
            seen[match[1], match[2]] += 1  # strace counts for each thread alone
            if f"{case}/disk" in match[3]:
                found.append((match[2], seen[match[1], match[2]]))
    return found


def disturbed(case: Path, syscall: str, number: int, fault: str) -> Run | None:
    """A run with a fault at one call; None where the fault hit another file than one of the case's disk."""
    log = case / "strace"
    inject = (f"trace={syscall}", f"inject={syscall}:{fault}:when={number}")
    run = cli(case, "import", "more.ndjson", before=_strace(log, *inject))
    lines = log.read_text(errors="replace").splitlines()
    if fault.startswith("signal"):
        hit = [line for line in lines if _CALL.match(line)][-1:] if run.code == 137 else []
    else:
        hit = [line for line in lines if "(INJECTED)" in line]
    return run if any(f"{case}/disk" in line for line in hit) else None


def _strace(log: Path, *expressions: str) -> tuple[str, ...]:
    return ("strace", "-f", "-y", "-qq", "-o", str(log), *(part for one in expressions for part in ("-e", one)))
