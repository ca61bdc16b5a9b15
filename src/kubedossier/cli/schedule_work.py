"""How ``kubedossier schedule`` works: by the commands a user would type, on the machine's clock, until a signal comes.

A signal ends a piece of work at once, except while a delivery is written down.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedossier.analytics.errors import UsageError
from kubedossier.cli import Settings, cli

if TYPE_CHECKING:
    from kubedossier.analytics.jobs import JobConfig
    from kubedossier.analytics.periods import Period
    from kubedossier.reports.schedule import Done


class Stop:
    """The clock of the command line, and what ends it."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._working = self._shielded = False

    def now(self) -> datetime:
        """The time, aware UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a signal comes; whether one came."""
        self._working = False
        try:
            return self._asked.wait(seconds)
        finally:
            self._working = True

    def signalled(self, _number: int, _frame: object) -> None:
        """What a signal does."""
        self._asked.set()
        if self._working and not self._shielded:
            raise KeyboardInterrupt

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Work that a signal ends by KeyboardInterrupt."""
        self._working = True
        try:
            yield
        finally:
            self._working = False

    @contextmanager
    def shield(self) -> Iterator[None]:
        """A moment in which a signal has to wait."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False

    def between(self, work: Iterable[Done]) -> Iterator[Done]:
        """The work, piece by piece; a signal that had to wait ends it after one."""
        for done in work:
            yield done
            if self._asked.is_set():
                raise KeyboardInterrupt


@contextmanager
def stopping() -> Iterator[Stop]:
    """Have SIGTERM and Ctrl-C end the work while the block runs."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {one: signal.signal(one, stop.signalled) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Commands:
    """Does the work by the commands that a user would type."""

    def __init__(self, settings: Settings) -> None:
        self._words = ["--archive", str(settings.archive_path()), "--log-format", settings.log_format]
        self._words += ["-v"] * settings.verbose
        self._several = len(settings.config.consoles) > 1
        if settings.config.path is not None:
            self._words += ["--config", str(settings.config.path)]

    def snapshot(self, job: JobConfig) -> None:
        """Take the job's snapshot: of the Console it names, else of all that the configuration has."""
        if job.console:
            self._run("snapshot", "--console", job.console)
        elif self._several and not os.environ.get("KUBEDOSSIER_CONSOLE"):
            self._run("snapshot", "--all")
        else:
            self._run("snapshot")

    def report(self, job: JobConfig, period: Period, as_of: int, folder: Path) -> None:
        """Make the job's report; the paths that the command prints are those of drafts, and not for anybody."""
        with contextlib.redirect_stdout(io.StringIO()):
            self._run(
                "report",
                job.report or "monthly",
                "--period",
                period_text(period),
                "--as-of",
                str(as_of),
                "--output",
                str(folder),
            )

    def _run(self, *words: str) -> None:
        try:
            cli.main([*self._words, *words], prog_name="kubedossier", standalone_mode=False)
        except click.Abort:
            raise KeyboardInterrupt from None
        except click.ClickException as error:
            raise UsageError(f"kubedossier {words[0]}: {error.format_message()}") from None


def period_text(period: Period) -> str:
    """A period as the command line takes it: its label, or its days where that says something else."""
    from kubedossier.analytics.periods import parse_period

    with contextlib.suppress(UsageError):
        if parse_period(period.label, now=period.end) == period:
            return period.label
    return f"{period.start:%Y-%m-%d}..{period.end - timedelta(days=1):%Y-%m-%d}"
