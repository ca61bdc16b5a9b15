"""The schedule: does what is due, each period once, however often and from wherever it is called.

A report's delivery is the ledger's entry about it, written while the copies are in place: what is in the ledger was
delivered, and what is not is done again. A failed job leaves nothing behind, is told, and is tried again. How a
snapshot is taken and a report is made is not known here; that is given.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from kubedossier.analytics.errors import BusyError, FindingsError, IncompleteError, KubedossierError
from kubedossier.analytics.jobs import JobConfig
from kubedossier.analytics.periods import Period
from kubedossier.analytics.store.commit import Writer, new_id
from kubedossier.analytics.store.ledger import Ledger, time_text
from kubedossier.reports import plan
from kubedossier.reports.deliver import placed
from kubedossier.reports.job_state import (
    BUSY,
    DONE,
    FAILED,
    INCOMPLETE,
    INTERRUPTED,
    RUNNING,
    AtWorkError,
    Book,
    JobState,
    Run,
)
from kubedossier.reports.job_troubles import Trouble, note_of, troubles_noted

LONGEST_WAIT_S = 60.0


class Hands(Protocol):
    """Who does the work; raises KubedossierError where it fails."""

    def snapshot(self, job: JobConfig) -> None:
        """Take the job's snapshot."""
        ...

    def report(self, job: JobConfig, period: Period, as_of: int, folder: Path) -> None:
        """Make the job's report of a period, from the archive as of an entry: a file in a folder for each format."""
        ...


class Clock(Protocol):
    """The time, and how to wait."""

    def now(self) -> datetime:
        """The time, aware UTC."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is time to stop; whether it is."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """What was tried and how it ended.

    Attributes:
        due: the work.
        outcome: as in ``job_state``.
        error: what went wrong; an incomplete snapshot and a report with findings are done, and have one, too.
        paths: the report's copies.
    """

    due: plan.Due
    outcome: str
    error: Exception | None = None
    paths: tuple[Path, ...] = ()


class Schedule:
    """The jobs of an archive.

    Args:
        root: the archive; the first snapshot makes it.
        jobs: what is to be done; a report's ``period`` is filled in.
        hands: who does it.
        now: the clock, aware UTC.
        shield: a block in which nobody should be interrupted.
    """

    def __init__(
        self,
        root: Path,
        jobs: Sequence[JobConfig],
        hands: Hands,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        shield: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._root, self._jobs, self._hands, self._now, self._shield = root, tuple(jobs), hands, now, shield
        self._book = Book(root)

    def states(self) -> dict[str, JobState]:
        """What is known of the jobs; only looks."""
        return self._book.read()

    def due(self, *, retry: bool = False) -> Generator[Done, None, None]:
        """Do what is due and what was missed; yields each piece of work when it has ended.

        Args:
            retry: try what failed at once, however recently that was.

        Raises:
            AtWorkError: another process is at it.
            StorageError: the state cannot be read or written.
            IntegrityError: the ledger is broken.
        """
        with self._book.held():
            states = self._look()
            work = [plan.due_at(job, one) for job in self._jobs for one in states[job.name].waiting]
            stuck: set[str] = set()
            for due in plan.in_order(work):
                name, now = due.job.name, self._now()
                if name in stuck or due.ready > now or (not retry and plan.may_try(states[name], now) > now):
                    continue
                done = self._try(due, states)
                if due.moment in states[name].waiting:
                    stuck.add(name)  # what stopped this one would stop the next period's, too
                yield done

    def run(self, clock: Clock) -> Iterator[Done]:
        """Do what is due whenever it is, until the clock says to stop; yields as ``due`` does."""
        while True:
            try:
                with closing(self.due()) as found:
                    yield from found
            except AtWorkError:
                pass  # then they do what is due
            if clock.wait(self._pause_s(clock.now())):
                return

    def _pause_s(self, now: datetime) -> float:
        """How long nothing is to be done; never long, since the machine's clock may jump or the machine sleep."""
        states = self.states()
        wake = min(plan.next_time(job, states.get(job.name), now) for job in self._jobs)
        return min(LONGEST_WAIT_S, max(1.0, (wake - now).total_seconds()))

    def _look(self) -> dict[str, JobState]:
        """Take note of the times that have come, and of what a killed process left."""
        before, now = self._book.read(), self._now()
        asking = [one for one in self._jobs if one.run == "report" and self._has_waiting(one, before, now)]
        entries = Ledger.read(self._root).entries if asking else ()  # which would be long to read for nothing
        delivered, served = plan.deliveries(entries), plan.from_ledger(entries)
        states = dict(before)  # also of jobs that another configuration has
        for job in self._jobs:
            state = plan.take_note(job, before.get(job.name) or served.get(job.name), now)
            states[job.name] = plan.after_crash(plan.without_delivered(job, state, delivered), now)
        if states != before:
            self._book.write(states)
        return states

    @staticmethod
    def _has_waiting(job: JobConfig, before: Mapping[str, JobState], now: datetime) -> bool:
        return job.name not in before or bool(plan.take_note(job, before[job.name], now).waiting)

    def _try(self, due: plan.Due, states: dict[str, JobState]) -> Done:
        name = due.job.name
        run = Run(due.moment, self._now(), RUNNING)
        states[name] = replace(states[name], last=run)
        self._book.write(states)
        try:
            done = self._do(due, states)
        except (KeyboardInterrupt, GeneratorExit):
            states[name] = self._after(states[name], Done(due, INTERRUPTED))
            self._book.write(states)
            raise
        states[name] = self._after(states[name], done)
        self._book.write(states)
        return done

    def _do(self, due: plan.Due, states: Mapping[str, JobState]) -> Done:
        try:
            if due.period is None:
                self._hands.snapshot(due.job)
                return Done(due, DONE)
            return self._report(due, due.period, states)
        except IncompleteError as error:
            return Done(due, INCOMPLETE, error)
        except BusyError as error:
            return Done(due, BUSY, error)
        except Exception as error:  # noqa: BLE001 - one job's failure, whatever it is, must not keep the others from their time
            return Done(due, FAILED, error)

    def _after(self, state: JobState, done: Done) -> JobState:
        assert state.last is not None
        error, now = done.error, self._now()
        message = error.message if isinstance(error, KubedossierError) else str(error or "")
        last = replace(state.last, ended=now, outcome=done.outcome, message=message)
        if done.outcome == FAILED:
            return plan.failed(state, last, now)
        if done.outcome in (BUSY, INTERRUPTED):
            return replace(state, last=last)
        left = tuple(one for one in state.waiting if one != done.due.moment)
        return replace(state, last=last, waiting=left, failures=0, failing_since=None)

    def _report(self, due: plan.Due, period: Period, states: Mapping[str, JobState]) -> Done:
        job, draft = due.job, self._book.folder / f"{due.job.name}.draft"
        self._note_troubles(states)
        seq, digest = Ledger.read(self._root).head
        concern: Exception | None = None
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            try:
                self._hands.report(job, period, seq, draft)
            except FindingsError as error:
                if not any(draft.iterdir()):
                    raise
                concern = error
            name = f"{job.report or 'monthly'}-{period.label}"
            made = {f"{name}{one.suffix}": one.read_bytes() for one in sorted(draft.iterdir(), key=_pdf_first)}
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        own = self._book.folder.parent / period.label
        own.mkdir(exist_ok=True)
        folders = (own, *(one.directory.absolute() for one in job.deliver))
        with self._shield(), placed(made, folders) as paths:
            facts = _facts(due, period, made, folders) | {"as_of": {"seq": seq, "sha256": digest}}
            with Writer(self._root) as writer:
                writer.append("delivery", new_id(self._now()), facts)
        return Done(due, DONE, concern, paths)

    def _note_troubles(self, states: Mapping[str, JobState]) -> None:
        """Have the ledger say which snapshots fail, so that a report made from it can say so."""
        troubles = tuple(
            Trouble(job.name, job.console or "", state.failures, state.failing_since, state.last.message)
            for job in self._jobs
            if job.run == "snapshot"
            and (state := states[job.name]).failures
            and state.failing_since is not None
            and state.last is not None
        )
        ledger = Ledger.read(self._root)
        if not ledger.entries or troubles == troubles_noted(ledger.entries):
            return
        with Writer(self._root) as writer:
            writer.append("note", new_id(self._now()), note_of(troubles))


def _pdf_first(path: Path) -> tuple[bool, str]:
    return (path.suffix != ".pdf", path.name)


def _facts(due: plan.Due, period: Period, made: Mapping[str, bytes], folders: Sequence[Path]) -> dict[str, Any]:
    """What the ledger holds of a delivery: the first file, which is the PDF where there is one, and then the others."""
    first, *others = (
        {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in made.items()
    )
    return {
        "job": {
            "name": due.job.name,
            "due": time_text(due.moment),
            "cron": due.job.cron,
            "timezone": due.job.timezone,
        },
        "period": {"start": time_text(period.start), "end": time_text(period.end), "label": period.label},
        "report": due.job.report or "monthly",
        "file": first,
        **({"also": others} if others else {}),
        "to": [{"directory": str(one)} for one in dict.fromkeys(folders)],
    }
