"""The commit: how bytes become durable, and one entry the head.

Write to ``tmp/`` with O_EXCL and O_NOFOLLOW, fsync that descriptor, rename, fsync the folder; then the ledger line the
same way, then ``link()`` to its number, which fails where another writer was faster. An fsync error aborts, and
nothing is retried on that descriptor. Nothing here may report success before the last fsync returned.
"""

from __future__ import annotations

import errno
import fcntl
import getpass
import hashlib
import os
import secrets
import socket
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from kubedossier import __version__
from kubedossier.analytics.errors import BusyError, IntegrityError, KubedossierError, StorageError
from kubedossier.analytics.schema import FORMAT_VERSION
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.ledger import Entry, Ledger, entry_line, entry_path, time_text

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


def new_id(now: datetime) -> str:
    """An id for an entry: ``YYYYMMDDTHHMMSSZ-<8 hex>``."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def fsync(descriptor: int) -> None:
    """Make a file durable; on macOS down to the medium."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """A folder of ours; its parent is made durable when it is new.

    Raises:
        IntegrityError: something that is no folder, or a symbolic link, stands in its place.
    """
    try:
        path.mkdir(mode=_FOLDER_MODE)
        fsync_folder(path.parent)
    except FileExistsError:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise IntegrityError(
                f"'{path}' should be a folder of the archive and is none (a symbolic link?)",
                hint="Move it away; an archive holds no links.",
            ) from None


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Turn an operating system error into one a user can act on."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Free some space" if full else "Check the disk and its permissions"
        where = f" '{error.filename}'" if error.filename else ""
        raise StorageError(
            f"{doing} failed{where}: {error.strerror or error}",
            hint=f"{hint}, then run it again; the archive is as it was.",
        ) from error


class Writer:
    """The single writer of an archive: holds its lock, stages files, commits entries.

    Args:
        root: the archive; made when absent, with its genesis entry.
        wait: wait for another writer instead of failing.

    Attributes:
        ledger: as of the newest entry.
        unwitnessed: why the head could not be written to the witness file; empty where it was.

    Raises:
        BusyError: another writer holds the lock.
        StorageError: the folder cannot be used, or holds something else.
    """

    def __init__(self, root: Path, *, wait: bool = False) -> None:
        self.root = root
        self.ledger: Ledger
        self.unwitnessed = ""
        with storage_errors(f"Opening the archive '{root}'"):
            _refuse_foreign_folder(root)
            root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self._lock = _locked(root, wait)
        try:
            with storage_errors(f"Opening the archive '{root}'"):
                self._recover()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back; staged files that were not committed are removed."""
        if self._lock >= 0:
            with suppress(OSError):
                self._clean_tmp()
            os.close(self._lock)
            self._lock = -1

    @contextmanager
    def stage(self, name: str) -> Iterator[IO[bytes]]:
        """A new file in ``tmp/``, durable when the block ends."""
        descriptor = os.open(
            self.root / "tmp" / name,
            os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC,
            _FILE_MODE,
        )
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            fsync(file.fileno())

    def publish(self, name: str, path: str) -> None:
        """Move a staged, durable file to its place in the archive (relative, with ``/``)."""
        folder = self.root
        for part in path.split("/")[:-1]:
            folder /= part
            make_folder(folder)
        target = self.root / path
        if os.path.lexists(target):
            raise IntegrityError(f"'{target}' exists already", hint="Run 'kubedossier verify'.")
        os.rename(self.root / "tmp" / name, target)  # noqa: PTH104
        fsync_folder(target.parent)

    def append(self, kind: str, entry_id: str, body: Mapping[str, Any], *, at: datetime | None = None) -> Entry:
        """Commit one entry: durable, witnessed and the new head when this returns.

        Raises:
            BusyError: another writer appended an entry meanwhile.
        """
        seq, prev = self.ledger.head
        entry: Entry = {
            **body,
            "format": FORMAT_VERSION,
            "seq": seq + 1,
            "prev": prev,
            "type": kind,
            "id": entry_id,
            "at": time_text(at or datetime.now(UTC)),
            "tool": f"kubedossier/{__version__}",
            "host": socket.gethostname(),
            "actor": _actor(),
        }
        line = entry_line(entry)
        staged = f"entry-{seq + 1:08d}"
        with self.stage(staged) as file:
            file.write(line)
        target = entry_path(self.root, seq + 1)
        try:
            os.link(self.root / "tmp" / staged, target, follow_symlinks=False)
        except FileExistsError:
            raise BusyError(
                f"Another writer added ledger entry {seq + 1} meanwhile", hint="Run the command again."
            ) from None
        fsync_folder(target.parent)
        os.unlink(self.root / "tmp" / staged)  # noqa: PTH108
        digest = hashlib.sha256(line).hexdigest()
        self.ledger = Ledger(self.root, (*self.ledger.entries, entry), (*self.ledger.hashes, digest))
        try:
            witness.append(self.ledger.archive_id, seq + 1, digest, entry["at"])
        except (OSError, RuntimeError) as error:
            self.unwitnessed = str(error)
        return entry

    def _recover(self) -> None:
        for name in ("ledger", "events", "tmp"):
            make_folder(self.root / name)
        self._clean_tmp()
        self.ledger = Ledger.read(self.root)
        if self.ledger.entries:
            # A crash may have left the last link or its bytes in memory only: make them durable before trusting them.
            descriptor = os.open(entry_path(self.root, self.ledger.head[0]), os.O_RDONLY | os.O_CLOEXEC)
            try:
                fsync(descriptor)
            finally:
                os.close(descriptor)
            fsync_folder(self.root / "ledger")
            _refuse_unknown(self.ledger)
        else:
            now = datetime.now(UTC)
            self.append("genesis", new_id(now), {"archive_id": str(uuid4())}, at=now)

    def _clean_tmp(self) -> None:
        for left in (self.root / "tmp").iterdir():
            left.unlink()


def _locked(root: Path, wait: bool) -> int:
    descriptor = os.open(root / ".lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError(
            f"Another writer is at work in '{root}'", hint="Wait until it is done, or add --wait."
        ) from None
    return descriptor


def _refuse_foreign_folder(root: Path) -> None:
    if root.is_symlink() and not root.is_dir():
        raise StorageError(f"'{root}' is a broken symbolic link", hint="Name another folder with --archive.")
    if not root.exists() or entry_path(root, 1).exists():
        return
    if not root.is_dir():
        raise StorageError(f"'{root}' is a file, not an archive", hint="Name a folder with --archive.")
    foreign = {one.name for one in root.iterdir()} - {"ledger", "events", "tmp", ".lock"}
    if foreign:
        raise StorageError(
            f"'{root}' is not an archive, and not empty: it holds '{sorted(foreign)[0]}'",
            hint="Name an archive, or a folder that is empty or does not exist yet, with --archive.",
        )


def _refuse_unknown(ledger: Ledger) -> None:
    from kubedossier.analytics.store.ledger import TYPES

    for entry in ledger.entries:
        if entry["type"] not in TYPES and entry.get("critical", True):
            raise KubedossierError(
                f"Ledger entry {entry['seq']} is of the type {entry['type']!r}, which this version does not know",
                hint="A newer kubedossier wrote it: install that version to write to this archive.",
            )


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
