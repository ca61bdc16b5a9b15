"""Files hashed before a question reads them: a flipped bit in Parquet is a wrong answer more often than an error.

What was found sound is remembered outside the archive, by device, inode, size and times, so that a file is hashed again
once it looks different. Whoever makes evidence hashes anew. That nothing can be remembered must never stop a question.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.schema import FileRef
from kubedossier.analytics.store.damage import altered, refuse_other_size, replaced
from kubedossier.analytics.store.folders import FILE_MODE, FOLDER_MODE
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.plain import NotPlainError, open_plain, read_plain

SETTLED_NS = 2_000_000_000
"""What was touched less than this ago may be touched again without looking different, so it is not remembered."""
_MOST_BYTES = 64 * 1024 * 1024
_WORTH_THREADS_BYTES = 8 * 1024 * 1024


class Intact:
    """Which files of a ledger were found to be what it says; safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._found: set[str] = set()
        self._known: set[str] | None = None

    def check(self, files: Iterable[FileRef]) -> None:
        """Hash those that were not hashed before; one that is not there is left to whoever opens it.

        Raises:
            IntegrityError: a file is not what the ledger says.
            StorageError: a file cannot be read.
        """
        with self._lock:
            unseen = [one for one in files if one.path not in self._found]
            looks = [refuse_other_size(self._ledger.root, one) for one in unseen]
            there = [(one, look) for one, look in zip(unseen, looks, strict=True) if look is not None]
            if there and self._known is None:
                self._known = _remembered(self._ledger.archive_id)
            fresh = [one for one, look in there if _line(one, look) not in (self._known or ())]
            self._hash(fresh)
            self._found.update(one.path for one, _ in there)

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
            self._found.update(one.path for one in files)

    def _hash(self, files: Sequence[FileRef]) -> None:
        if len(files) > 1 and sum(one.bytes for one in files) > _WORTH_THREADS_BYTES:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                try:
                    lines = list(pool.map(self._sound, files))
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        else:
            lines = [self._sound(one) for one in files]
        if new := {line for line in lines if line}:
            self._known = new | (self._known or set())
            _remember(self._ledger, self._known)

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


def _remembered(archive_id: str) -> set[str]:
    with suppress(OSError, RuntimeError):
        return set(read_plain(_path(archive_id), _MOST_BYTES).decode("ascii", "replace").splitlines())
    return set()


def _remember(ledger: Ledger, known: Iterable[str]) -> None:
    live = {one.sha256 for one in ledger.files.values()}
    data = "".join(f"{line}\n" for line in sorted(known) if line[:64] in live).encode("ascii", "replace")
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
