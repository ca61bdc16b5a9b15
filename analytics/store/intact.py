"""Files hashed before a question reads them: a flipped bit in Parquet is a wrong answer more often than an error.

What was found sound is remembered outside the archive, by device, inode, size and times, so that a file is hashed again
once it looks different. A medium may decay and look the same: so nothing is remembered for longer than a week, and
nothing at all once any file of the archive was found damaged. Whoever makes evidence hashes anew. That nothing can be
remembered must never stop a question.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.schema import FileRef
from kubedossier.analytics.store.damage import altered, first_damage, refuse_other_size, replaced
from kubedossier.analytics.store.folders import FILE_MODE, FOLDER_MODE
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.plain import NotPlainError, open_plain, read_plain

SETTLED_NS = 2_000_000_000
"""What was touched less than this ago may be touched again without looking different, so it is not remembered."""
_DAYS = 7
"""For how long it is remembered that a file was sound."""
_DAY_S = 86_400
_LONGEST_DAY = 6
_MOST_BYTES = 64 * 1024 * 1024
_WORTH_THREADS_BYTES = 8 * 1024 * 1024


class Intact:
    """Which files of a ledger were found to be what it says; safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._found: dict[str, int] = {}

    def check(self, files: Iterable[FileRef]) -> None:
        """Hash those that were not hashed before; one that is not there is left to whoever opens it.

        Raises:
            IntegrityError: a file is not what the ledger says.
            StorageError: a file cannot be read.
        """
        with self._lock:
            today = _today()
            unseen = [one for one in files if not _counts(self._found.get(one.path), today)]
            looks = [refuse_other_size(self._ledger.root, one) for one in unseen]
            there = [(one, _line(one, look)) for one, look in zip(unseen, looks, strict=True) if look is not None]
            known = {one.path: self._remembered.get(line) for one, line in there}
            self._hash([one for one, _ in there if not _counts(known[one.path], today)])
            self._found.update((path, day if day and _counts(day, today) else today) for path, day in known.items())

    def check_anew(self, files: Sequence[FileRef]) -> None:
        """Hash all of them, whatever was found before.

        Raises:
            IntegrityError: a file is not what the ledger says, or is gone.
            ReplacedError: a file is gone, since a later entry replaced it.
            StorageError: a file cannot be read.
        """
        if error := replaced(self._ledger, files):
            raise error
        with self._lock:
            self._hash(files)
            self._found.update(dict.fromkeys((one.path for one in files), _today()))

    def damage(self, files: Iterable[FileRef]) -> IntegrityError | None:
        """The error for the first of the files that is damaged, whatever was found before; None where none is."""
        found = first_damage(self._ledger.root, files)
        if found is not None:
            with self._lock:
                self._forget()
        return found

    @cached_property
    def _remembered(self) -> dict[str, int]:
        return _remembered(self._ledger.archive_id)

    def _forget(self) -> None:
        self._found.clear()
        self._remembered = {}
        forget(self._ledger.archive_id)

    def _hash(self, files: Sequence[FileRef]) -> None:
        try:
            lines = self._lines(files)
        except IntegrityError:
            self._forget()
            raise
        if new := {line for line in lines if line}:
            self._remembered |= dict.fromkeys(new, _today())
            _remember(self._ledger, self._remembered)

    def _lines(self, files: Sequence[FileRef]) -> list[str]:
        if len(files) > 1 and sum(one.bytes for one in files) > _WORTH_THREADS_BYTES:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                try:
                    return list(pool.map(self._sound, files))
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        return [self._sound(one) for one in files]

    def _sound(self, file: FileRef) -> str:
        """The line to remember a file by, once it was found to have its SHA-256; empty where it is too fresh."""
        try:
            with open_plain(self._ledger.root / file.path) as opened:
                look = os.fstat(opened.fileno())
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except FileNotFoundError:
            raise replaced(self._ledger, [file]) or altered(file.path, f"SHA-256 {file.sha256}", "nothing") from None
        except NotPlainError as error:
            raise altered(file.path, f"SHA-256 {file.sha256}", str(error.strerror)) from None
        except OSError as error:
            raise StorageError(
                f"'{file.path}' of the archive cannot be read: {error.strerror}",
                hint="Run 'kubedossier verify' to see what is wrong.",
            ) from error
        if found != file.sha256:
            raise altered(file.path, f"SHA-256 {file.sha256}", found)
        return _line(file, look) if time.time_ns() - look.st_ctime_ns > SETTLED_NS else ""


def _line(file: FileRef, look: os.stat_result) -> str:
    return f"{file.sha256} {look.st_dev} {look.st_ino} {look.st_size} {look.st_mtime_ns} {look.st_ctime_ns}"


def _path(archive_id: str) -> Path:
    """Where it is remembered.

    Raises:
        RuntimeError: there is no home.
    """
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "kubedossier" / "intact" / archive_id


def forget(archive_id: str) -> None:
    """Have every file of an archive hashed before it is read again, since one of them was found damaged."""
    with suppress(OSError, RuntimeError):
        _path(archive_id).unlink(missing_ok=True)


def _today() -> int:
    return int(time.time()) // _DAY_S


def _counts(day: int | None, today: int) -> bool:
    """Whether what was hashed on a day need not be hashed again; a day to come was told by a clock that was wrong."""
    return day is not None and 0 <= today - day < _DAYS


def _remembered(archive_id: str) -> dict[str, int]:
    """On which day each file was hashed last, by its line."""
    known: dict[str, int] = {}
    with suppress(OSError, RuntimeError):
        for one in read_plain(_path(archive_id), _MOST_BYTES).decode("ascii", "replace").splitlines():
            line, _, day = one.rpartition(" ")
            if len(day) <= _LONGEST_DAY and day.isdecimal():
                known[line] = int(day)
    return known


def _remember(ledger: Ledger, known: Mapping[str, int]) -> None:
    live = {one.sha256 for one in ledger.files.values()}
    today = _today()
    kept = sorted(f"{line} {day}\n" for line, day in known.items() if line[:64] in live and _counts(day, today))
    data = "".join(kept).encode("ascii", "replace")
    with suppress(OSError, RuntimeError):
        path = _path(ledger.archive_id)
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
