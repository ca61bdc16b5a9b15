"""What ``kubedossier schedule`` says: jobs, their times and how their runs ended, for people and as data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from kubedossier.analytics.errors import IncompleteError, KubedossierError
from kubedossier.cli.diagnostics import warn
from kubedossier.cli.output import visible, write_line

if TYPE_CHECKING:
    from kubedossier.analytics.jobs import JobConfig
    from kubedossier.reports.job_state import JobState
    from kubedossier.reports.schedule import Done


def tell(done: Done) -> Exception | None:
    """Print what was done; gives the error, if any."""
    of = f" of {done.due.period.title()}" if done.due.period else ""
    write_line(f"{done.due.job.name}: {done.due.job.run}{of}, due {done.due.moment:%Y-%m-%d %H:%M} UTC: {done.outcome}")
    for path in done.paths:
        write_line(f"  {visible(str(path))}")
    return done.error


def tell_error(name: str, error: Exception) -> None:
    """Tell on standard error what failed."""
    if isinstance(error, KubedossierError):
        warn(f"{name}: {error.message}" + (f"\n{error.hint}" if error.hint else ""), exit_code=error.exit_code)
    else:
        warn(f"{name}: unexpected {type(error).__name__}: {error}", exit_code=1)


def raise_worst(errors: list[Exception]) -> None:
    """End with what failed: the first failure, else what was merely incomplete; the others are told before."""
    if not errors:
        return
    worst = next((one for one in errors if not isinstance(one, IncompleteError)), errors[0])
    for one in errors:
        if one is not worst:
            tell_error("also", one)
    raise worst


def what(job: JobConfig) -> str:
    """What a job does."""
    if job.run == "snapshot":
        return "snapshot" + (f" of {job.console}" if job.console else "")
    to = "".join(f", to {one.directory}" for one in job.deliver)
    return f"report {job.report or 'monthly'} of {job.period}{to}"


def shown(job: JobConfig, moment: datetime) -> str:
    """A moment in UTC, and in the job's zone."""
    utc = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if job.timezone == "UTC":
        return utc
    return f"{utc}   {moment.astimezone(job.timetable.zone):%Y-%m-%d %H:%M %Z}, {job.timezone}"


def told_state(job: JobConfig, state: JobState | None) -> Iterable[str]:
    """Lines on how a job fares."""
    if state is None or state.last is None:
        yield "  last     never run"
    else:
        yield f"  last     {shown(job, state.last.due)}: {state.last.outcome}"
        if state.last.message:
            yield f"           {visible(state.last.message)}"
    if state is not None and state.failures:
        yield click.style(
            f"  failing  {state.failures:,} in a row since {state.failing_since:%Y-%m-%d %H:%M} UTC", fg="red"
        )
    for moment in state.waiting if state is not None else ():
        yield f"  waiting  {shown(job, moment)}"


def as_data(job: JobConfig, state: JobState | None, times: list[datetime]) -> dict[str, object]:
    """A job and how it fares as JSON; times are UTC."""

    def text(moment: datetime | None) -> str | None:
        return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    last = state.last if state else None
    return {
        "name": job.name,
        "run": job.run,
        "what": what(job),
        "cron": job.cron,
        "timezone": job.timezone,
        "next": [text(one) for one in times],
        "waiting": [text(one) for one in (state.waiting if state else ())],
        "failures": state.failures if state else 0,
        "failing_since": text(state.failing_since) if state else None,
        "last": last
        and {
            "due": text(last.due),
            "started": text(last.started),
            "ended": text(last.ended),
            "outcome": last.outcome,
            "message": last.message,
        },
    }
