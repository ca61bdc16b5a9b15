"""The second judge: veraPDF, where it is on this machine.

Only what it says itself may be repeated, and only where it made checks at all: a program that looked at nothing finds
nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.errors import KubedossierError

PROFILES = {"3a": "PDF/A-3a", "ua1": "PDF/UA-1"}
LONGEST_S = 600
_DETAILS = re.compile(r"<details\b([^>]*)>")
_NUMBER = re.compile(r'(passedChecks|failedChecks|failedRules)="(\d+)"')


@dataclass(frozen=True, slots=True)
class Judgement:
    """What veraPDF said of one profile: checks passed and failed."""

    profile: str
    passed: int
    failed: int


def find() -> str | None:
    """The program's path; None where it is not installed."""
    return shutil.which("verapdf")


def judge(path: Path) -> tuple[Judgement, ...] | None:
    """Let veraPDF judge a file by both profiles; None where it is not installed.

    Raises:
        KubedossierError: it did not give an answer that can be counted.
    """
    program = find()
    if program is None:
        return None
    return tuple(_judged(program, flavour, name, path.resolve()) for flavour, name in PROFILES.items())


def _judged(program: str, flavour: str, name: str, path: Path) -> Judgement:
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command on a path that is absolute)
            [program, "--flavour", flavour, "--format", "xml", str(path)],
            capture_output=True,
            timeout=LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KubedossierError(f"veraPDF gave no answer on {name}: {error}") from error
    details = _DETAILS.search(done.stdout.decode("utf-8", "replace"))
    numbers = {key: int(value) for key, value in _NUMBER.findall(details[1])} if details else {}
    passed, failed = numbers.get("passedChecks", 0), numbers.get("failedChecks", 0)
    if not passed + failed:
        raise KubedossierError(f"veraPDF made no check of {name}", hint="Run it by hand, or take it off the PATH.")
    return Judgement(name, passed, failed)
