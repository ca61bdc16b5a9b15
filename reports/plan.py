"""What is due: times that have come, each kept until its work is done, and the period each report is of.

Everything here is computed from what it is given; the clock is a parameter. A time that came while nobody was there is
caught up: a snapshot once, since it goes on where the last one ended; a report once for each period that was missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from kubedossier.analytics.jobs import JobConfig
from kubedossier.analytics.periods import Period, parse_period
from kubedossier.analytics.store.ledger import Entry, read_time, time_text
from kubedossier.reports.job_state import DONE, FAILED, RUNNING, JobState, Run

GRACE = timedelta(minutes=15)
CATCH_UP = 12
BUSY_AGAIN = timedelta(minutes=1)
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (0, 5, 15, 60))
_SEEN = 4000
_WRONG_CLOCK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Due:
    """Work that a job has to do: for which time, from when on it can be done, and a report's period."""

    job: JobConfig
    moment: datetime
    ready: datetime
    period: Period | None = None


def due_at(job: JobConfig, moment: datetime) -> Due:
    """What a job has to do for one of its times.

    The period of a report follows from the date where the job's clock hangs. It is UTC as all periods are, so that in
    the east a month may end some hours after the job's time: the report waits for it.
    """
    if job.run == "snapshot":
        return Due(job, moment, moment)
    wall = moment.astimezone(job.timetable.zone).replace(tzinfo=UTC)
    period = parse_period(job.period or "last-month", now=wall)
    return Due(job, moment, max(moment, period.end) if period.end <= wall else moment, period)


def take_note(job: JobConfig, before: JobState | None, now: datetime) -> JobState:
    """The job's state with the times that have come since it was last looked at.

    A job that is new begins now, or a quarter of an hour ago; so does one whose times were changed, and what waits
    keeps waiting. Where the clock was set back, nothing is done again; one that had been days ahead is forgotten.
    """
    table = job.timetable
    if before is None:
        before = JobState(job.cron, job.timezone, now - GRACE)
    since = before.since
    if (before.cron, before.timezone) != (job.cron, job.timezone):
        since = max(since, now - GRACE)
    if since > now + _WRONG_CLOCK:
        since = now
    times = table.between(since, now, newest=_SEEN)
    waiting = [one for one in before.waiting if one <= now + _WRONG_CLOCK]
    return JobState(
        cron=job.cron,
        timezone=job.timezone,
        since=times[-1] if times else since,
        waiting=_merged(job, [*waiting, *times]),
        failures=before.failures,
        failing_since=before.failing_since,
        last=before.last,
    )


def _merged(job: JobConfig, times: list[datetime]) -> tuple[datetime, ...]:
    """The times that need work of their own: a snapshot's last one, a report's first one for each period."""
    times = sorted(set(times))
    if job.run == "snapshot":
        return tuple(times[-1:])
    first: dict[Period | None, datetime] = {}
    for one in times:
        first.setdefault(due_at(job, one).period, one)
    return tuple(sorted(first.values())[-CATCH_UP:])


def without_delivered(job: JobConfig, state: JobState, delivered: Collection[tuple[str, str, str]]) -> JobState:
    """The state without the times whose report was delivered, whoever it was that did not live to write it down."""
    if job.run != "report":
        return state
    left = tuple(one for one in state.waiting if delivery_key(due_at(job, one)) not in delivered)
    return state if left == state.waiting else replace(state, waiting=left)


def after_crash(state: JobState, now: datetime) -> JobState:
    """The state where a run was begun and nobody is at it: that run failed."""
    if state.last is None or state.last.outcome != RUNNING:
        return state
    if state.last.due not in state.waiting:
        return replace(state, last=replace(state.last, outcome=DONE, ended=now), failures=0, failing_since=None)
    message = "It ended without a word: killed, or the power went"
    return failed(state, replace(state.last, outcome=FAILED, ended=now, message=message), now)


def failed(state: JobState, last: Run, now: datetime) -> JobState:
    """The state after one more failure."""
    return replace(state, last=last, failures=state.failures + 1, failing_since=state.failing_since or now)


def may_try(state: JobState, now: datetime) -> datetime:
    """From when on a job may be tried: the first time again at once, then after a longer and longer while."""
    if not state.failures or state.last is None:
        return now
    after = RETRY_AFTER[min(state.failures, len(RETRY_AFTER)) - 1]
    # Where the clock was set back, the last try seems to be still to come; that is no reason to wait for it.
    return now if state.last.started > now else state.last.started + after


def in_order(work: Iterable[Due]) -> list[Due]:
    """Snapshots first, so that a report that was missed, too, has their events; then by time."""
    return sorted(work, key=lambda one: (one.job.run != "snapshot", one.moment, one.job.name))


def delivery_key(due: Due) -> tuple[str, str, str]:
    """What makes a delivery the same: the job, and the period's bounds."""
    assert due.period is not None
    return (due.job.name, time_text(due.period.start), time_text(due.period.end))


def deliveries(entries: Iterable[Entry]) -> set[tuple[str, str, str]]:
    """The keys of all deliveries that the ledger holds."""
    return {
        (entry["job"]["name"], entry["period"]["start"], entry["period"]["end"])
        for entry in entries
        if entry["type"] == "delivery"
    }


def from_ledger(entries: Iterable[Entry]) -> dict[str, JobState]:
    """What the ledger knows of the report jobs: up to when each was served."""
    return {
        job["name"]: JobState(job["cron"], job["timezone"], read_time(job["due"]))
        for job in (entry["job"] for entry in entries if entry["type"] == "delivery")
    }


def next_time(job: JobConfig, state: JobState | None, now: datetime) -> datetime:
    """When there may be something to do for a job: a time of its own, a retry, or the end of a period it waits for."""
    times = [due_at(job, next(job.timetable.after(now))).ready]
    if state is not None:
        allowed = may_try(state, now)
        times += [max(due_at(job, one).ready, allowed, now + BUSY_AGAIN) for one in state.waiting]
    return min(times)
