"""Has users' templates checked and filled by child processes: a template is a program, and it may not end.

Each section gets a process of its own, bound in memory and time, so that the one that takes too much can be named. A
section that is not whole is never given back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from kubedossier.analytics.errors import KubedossierError, UsageError
from kubedossier.reports.confinement import EndedError, Limits, result
from kubedossier.reports.model import OwnSource, Report

Medium = Literal["paper", "web"]
LIMITS = Limits(seconds=30.0, memory_bytes=512 * 1024 * 1024)
"""What one section may use; a sound one takes a fraction of a second."""
PROGRAM = ("-P", "-m", "kubedossier.reports.compositor")
"""The child, as arguments of this interpreter; ``-P`` keeps modules of the working folder out."""


def check(source: OwnSource, *, limits: Limits = LIMITS) -> None:
    """Find the mistakes of a template without filling it.

    Raises:
        UsageError: it is wrong, or compiling it takes too much; names the file and, where there is one, the line.
        StorageError: there is no room for temporary files.
    """
    _composed(source.place, ("check", source), limits)


def filled_sections(report: Report, medium: Medium, *, limits: Limits = LIMITS) -> tuple[str, ...]:
    """The markup of each of the report's own sections, in their order, for paper or for a browser.

    Raises:
        UsageError: a template fails or takes too much; names the file and, where there is one, the line.
        StorageError: there is no room for temporary files.
    """
    slim = replace(report, attachments=(), logo=None)
    return tuple(_composed(one.place, ("fill", slim, one, medium), limits).decode() for one in report.own)


def _composed(place: str, job: object, limits: Limits) -> bytes:
    try:
        return result(PROGRAM, job, limits)
    except EndedError as error:
        if error.overrun:
            raise UsageError(
                f"{place}: the template {error}",
                hint="Let the SQL count and limit; a template loops over its rows, and over nothing without end.",
            ) from error
        raise KubedossierError(
            f"{place}: the template was not filled: its process {error}",
            hint="Run again with -vv and send the output to the developers.",
        ) from error
