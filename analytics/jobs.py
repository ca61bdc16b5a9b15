"""Jobs: what is to be done at set times, as the configuration names them.

A job that cannot mean what was written is a mistake here, found when the configuration is read and not at six in the
morning of the first.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.timetable import Timetable

# What a job may run, and the keys that mean something to it.
RUNS = {"snapshot": ("console",), "report": ("report", "period", "deliver")}


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """Where a job puts a copy of what it made: one entry of ``deliver``."""

    directory: Path


@dataclass(frozen=True, slots=True)
class JobConfig:
    """Something to do at set times: one table ``[[job]]``.

    Attributes:
        name: letters, digits, ``-`` and ``_``; no two jobs share one.
        run: ``snapshot`` or ``report``.
        cron: when, in five fields.
        timezone: in which the fields are read; an IANA name.
        console: for a snapshot, the Console's name; None is each that is configured.
        report: for a report, its name; None is ``monthly``.
        period: for a report, one that moves with the day it is due; None is the report's own, else ``last-month``.
        deliver: for a report, where copies go.
    """

    name: str
    run: str
    cron: str
    timezone: str = "UTC"
    console: str | None = None
    report: str | None = None
    period: str | None = None
    deliver: tuple[DeliveryConfig, ...] = ()

    @property
    def timetable(self) -> Timetable:
        """When it is due."""
        return Timetable(self.cron, self.timezone)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a job: the key, a sentence that goes on after it, and what to write instead."""

    key: str
    what: str
    hint: str = ""


def moves(period: str) -> bool:
    """Whether a period, as users write it, depends on the day it is asked for."""
    return re.fullmatch(r"last-(week|month|quarter|year)|[1-9]\d{0,4}d", period) is not None


def mistake(job: JobConfig, taken: Collection[str] = ()) -> Mistake | None:
    """The first mistake in a job, if any.

    Args:
        job: as it was read.
        taken: names that other jobs have.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", job.name):
        return Mistake("name", "must be letters, digits, '-' and '_', at most 63")
    if job.name in taken:
        return Mistake("name", f"is '{job.name}', and so is that of a job before it")
    if job.run not in RUNS:
        return Mistake("run", "must be 'snapshot' or 'report'")
    for key in sorted({one for keys in RUNS.values() for one in keys} - set(RUNS[job.run])):
        if getattr(job, key):
            return Mistake(key, f"means nothing to a {job.run}")
    if job.period is not None and not moves(job.period):
        hint = "Write last-week, last-month, last-quarter, last-year, or a number of days such as 30d."
        return Mistake("period", "must be a period that moves with the day it is due", hint)
    return _mistake_in_times(job)


def _mistake_in_times(job: JobConfig) -> Mistake | None:
    try:
        Timetable("* * * * *", job.timezone)
    except ValueError as error:
        hint = "Write a name such as Europe/Berlin; where the system has no list of them, install tzdata."
        return Mistake("timezone", str(error), hint)
    try:
        _ = job.timetable
    except ValueError as error:
        return Mistake("cron", str(error), "'0 6 1 * *' is six o'clock on the first of every month.")
    return None
