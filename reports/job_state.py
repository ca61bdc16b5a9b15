"""What is known of each job between two runs: what waits to be done, and how the last run ended.

Deliveries stand in the ledger, and that is the truth about them. This file holds the rest. It lies with the output
beside the evidence, so that it moves with the archive; losing it repeats a snapshot at most, which is harmless, and no
report. It is replaced whole and durably, or not at all.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import msgspec

from kubedossier.analytics.errors import BusyError, StorageError
from kubedossier.analytics.store.commit import storage_errors
from kubedossier.analytics.store.folders import FILE_MODE, fsync, fsync_folder, make_folder, make_root

FORMAT = 1
RUNNING, DONE, INCOMPLETE, FAILED, BUSY, INTERRUPTED = "running", "done", "incomplete", "failed", "busy", "interrupted"


class AtWorkError(BusyError):
    """Another process does what is due in this archive."""


class Run(msgspec.Struct, frozen=True):
    """One run of a job: for when it was due, when it was tried, and how it ended. Times are aware UTC."""

    due: datetime
    started: datetime
    outcome: str
    ended: datetime | None = None
    message: str = ""


class JobState(msgspec.Struct, frozen=True):
    """What is known of one job. Times are aware UTC.

    Attributes:
        cron: the expression that ``since`` was counted by.
        timezone: likewise.
        since: up to here every time was taken note of: it is done, or stands in ``waiting``.
        waiting: times whose work is not done.
        failures: how often it failed in a row.
        failing_since: when that began.
        last: the last run.
    """

    cron: str
    timezone: str
    since: datetime
    waiting: tuple[datetime, ...] = ()
    failures: int = 0
    failing_since: datetime | None = None
    last: Run | None = None


class _File(msgspec.Struct, frozen=True):
    format: int
    jobs: dict[str, JobState]


class Book:
    """The states of all jobs of an archive.

    Args:
        root: the archive; it need not be there yet.

    Attributes:
        folder: where the file, its lock and drafts lie.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder = root / "reports" / ".schedule"

    def read(self) -> dict[str, JobState]:
        """The states by the jobs' names; empty where nothing was written yet.

        Raises:
            StorageError: the file cannot be read, or is not what this version writes.
        """
        path = self.folder / "jobs.json"
        try:
            with storage_errors(f"Reading '{path}'"):
                found = msgspec.json.decode(path.read_bytes(), type=_File)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return {}
            raise
        except msgspec.DecodeError as error:
            raise StorageError(f"'{path}' is damaged: {error}", hint=_MOVE_AWAY) from None
        if found.format != FORMAT:
            raise StorageError(f"'{path}' has format {found.format}; this version reads {FORMAT}", hint=_MOVE_AWAY)
        return found.jobs

    def write(self, states: Mapping[str, JobState]) -> None:
        """Replace the file, durably; the lock must be held.

        Raises:
            StorageError: it could not be written; the file is as it was.
        """
        data = msgspec.json.format(msgspec.json.encode(_File(FORMAT, dict(states)), order="sorted"), indent=1)
        path = self.folder / "jobs.json"
        draft = self.folder / f".jobs-{secrets.token_hex(4)}"
        try:
            with storage_errors(f"Writing '{path}'"):
                descriptor = os.open(
                    draft, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE
                )
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data + b"\n")
                    file.flush()
                    fsync(file.fileno())
                draft.replace(path)
                fsync_folder(self.folder)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock of the schedule; the archive's own lock is another, and stays free for its writers.

        Raises:
            AtWorkError: another process holds it.
            StorageError: the folder cannot be made.
        """
        with storage_errors(f"Opening '{self.folder}'"):
            make_root(self._root)
            reports = self._root / "reports"
            reports.mkdir(exist_ok=True)
            self.folder = reports.resolve() / ".schedule"
            make_folder(self.folder)
            descriptor = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AtWorkError(f"Another process does what is due in '{self._root}'") from None
            for pattern in (".jobs-*", ".*.draft.pdf.*"):
                for left in self.folder.glob(pattern):  # by a process that was killed
                    left.unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)


_MOVE_AWAY = "Move it away: the ledger knows which reports were delivered, and each job starts anew from now."
