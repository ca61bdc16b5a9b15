"""The commit: how bytes become durable, and one entry the head.

Write to ``tmp/`` with O_EXCL and O_NOFOLLOW, fsync that descriptor; the ledger line the same way, with the folder, so
that from here on everything a crash may leave behind is named; rename the files to their places, fsync their folders;
then ``link()`` the line to its number, which fails where another writer was faster, and fsync. An fsync error aborts,
and nothing is retried on that descriptor. Nothing here may report success before the last fsync returned.
"""

from __future__ import annotations

import errno
import getpass
import hashlib
import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from kubedossier import __version__
from kubedossier.analytics.errors import BusyError, IntegrityError, KubedossierError, StorageError
from kubedossier.analytics.schema import FORMAT_VERSION
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.entries import whole_text
from kubedossier.analytics.store.folders import (
    FILE_MODE,
    add_name,
    fsync,
    fsync_folder,
    make_folder,
    make_root,
    refuse_odd,
)
from kubedossier.analytics.store.ledger import NO_HASH, Entry, Ledger, entry_line, entry_path, time_text
from kubedossier.analytics.store.opening import lock, refuse_loss, refuse_unknown, to_be_made
from kubedossier.analytics.store.unfinished import clean_tmp, staged_name, take_back


def new_id(now: datetime) -> str:
    """An id for an entry: ``YYYYMMDDTHHMMSSZ-<8 hex>``."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


@contextmanager
def telling(what: str, months: Sequence[str]) -> Iterator[None]:
    """Let an error say what was done before it: work that commits month by month is kept as far as it came."""
    try:
        yield
    except KubedossierError as error:
        done = f"{what} before that, and kept: {', '.join(months)}." if months else "The archive is as it was."
        error.hint = f"{error.hint} {done}".lstrip()
        raise


@contextmanager
def storage_errors(doing: str, kept: str = "nothing of this step was committed") -> Iterator[None]:
    """Turn an operating system error into one a user can act on; ``kept`` says how the archive is then."""
    try:
        yield
    except OSError as error:
        named = error.filename2 or error.filename
        where = f" at '{named}'" if named else ""
        raise StorageError(
            f"{doing} failed{where}: {error.strerror or error}",
            hint=f"{remedy(error, 'Check the disk and its permissions')}, then run it again; {kept}.",
        ) from error


def remedy(error: OSError, other: str) -> str:
    """What to do about an error of the disk: one that is full, or a quota that is used up, need no other check."""
    if error.errno == errno.EMFILE:  # each month that is written to is a file
        return "Allow more open files (ulimit -n 4096)"
    return "Free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else other


class Writer:
    """The single writer of an archive: holds its lock, stages files, commits entries.

    Args:
        root: the archive; made when absent, with its genesis entry.
        wait: wait for another writer instead of failing.
        accept_rollback: open an archive that is older than this machine has seen; for ``record_rollback`` only.

    Attributes:
        ledger: as of the newest entry.
        unwitnessed: why the head could not be written to the witness file; empty where it was.

    Raises:
        BusyError: another writer holds the lock.
        StorageError: the folder cannot be used, or holds something else.
    """

    def __init__(self, root: Path, *, wait: bool = False, accept_rollback: bool = False) -> None:
        self.root = root
        self.ledger: Ledger
        self._accepts_rollback = accept_rollback
        self.unwitnessed = ""
        self._moves: list[tuple[str, str]] = []
        self._failed = False
        with storage_errors(f"Opening the archive '{root}'"):
            if to_be_made(root):
                make_root(root)
            self.root = root.resolve()  # the archive may be reached through a link; it holds none
            self._lock = lock(self.root, wait)
            self._place = self.root.stat()
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
        """Give the lock back; what was staged or moved and not committed is removed."""
        if self._lock < 0:
            return
        with suppress(OSError, KubedossierError):
            if self._failed:
                fsync_folder(self.root / "ledger")
                take_back(self.root, Ledger.read(self.root))
            else:
                clean_tmp(self.root)
        os.close(self._lock)
        self._lock = -1

    @contextmanager
    def stage(self, name: str) -> Iterator[IO[bytes]]:
        """A new file in ``tmp/``, durable when the block ends."""
        descriptor = os.open(
            self.root / "tmp" / name,
            os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC,
            FILE_MODE,
        )
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            fsync(file.fileno())

    def publish(self, name: str, path: str) -> None:
        """Give a staged, durable file its place in the archive (relative, with ``/``); the next entry moves it there.

        The entry must list it under ``files.add``.
        """
        if os.path.lexists(self.root / path):
            raise IntegrityError(f"'{self.root / path}' exists already", hint="Run 'kubedossier verify'.")
        self._moves.append((name, path))

    def append(self, kind: str, entry_id: str, body: Mapping[str, Any], *, at: datetime | None = None) -> Entry:
        """Commit one entry: durable, witnessed and the new head when this returns.

        Raises:
            BusyError: another writer appended an entry meanwhile.
            StorageError: the disk failed, now or in an earlier commit of this writer; the message says whether the
                entry is in place.
        """
        if self._failed:
            raise StorageError("The archive's storage failed before", hint="Run the command again.")
        self.refuse_other_place()
        seq, prev = self.ledger.head
        entry: Entry = {
            **whole_text(body),  # what a user types or is called need not be UTF-8
            "format": FORMAT_VERSION,
            "seq": seq + 1,
            "prev": prev,
            "type": kind,
            "id": entry_id,
            "at": time_text(at or datetime.now(UTC)),
            "tool": f"kubedossier/{__version__}",
            "host": whole_text(socket.gethostname()),
            "actor": whole_text(_actor()),
        }
        line = entry_line(entry)
        listed = {one["path"] for one in entry.get("files", {}).get("add", ())}
        self._moves = [move for move in self._moves if move[1] in listed]  # others are left from what was given up
        self._failed = True  # until it is known that all went well
        with storage_errors("Writing to the archive"):
            self._commit(seq + 1, staged_name(seq + 1, entry_id), line)
        self._failed = False
        digest = hashlib.sha256(line).hexdigest()
        self.ledger = Ledger(self.root, (*self.ledger.entries, entry), (*self.ledger.hashes, digest))
        self._witness()
        return entry

    def _commit(self, seq: int, staged: str, line: bytes) -> None:
        with self.stage(staged) as file:
            file.write(line)
        if self._moves:
            fsync_folder(self.root / "tmp")
        self._move_files()
        self._link_entry(seq, staged)
        with suppress(OSError):
            os.unlink(self.root / "tmp" / staged)  # noqa: PTH108

    def _move_files(self) -> None:
        moves, self._moves = self._moves, []
        folders: dict[Path, None] = {}
        for name, path in moves:
            folder = self.root
            for part in path.split("/")[:-1]:
                folder /= part
                if folder not in folders:
                    make_folder(folder)
            folders[folder] = None
            os.rename(self.root / "tmp" / name, self.root / path)  # noqa: PTH104
        for folder in folders:
            fsync_folder(folder)

    def _link_entry(self, seq: int, staged: str) -> None:
        source, target = self.root / "tmp" / staged, entry_path(self.root, seq)
        try:
            add_name(source, target)
            fsync_folder(target.parent)
        except FileExistsError:
            raise BusyError(
                f"Another writer added ledger entry {seq} meanwhile", hint="Run the command again."
            ) from None
        except OSError as error:
            if not os.path.lexists(target):
                raise
            failed = f"the disk failed to make it durable: {error.strerror} at '{target}'"
            raise StorageError(
                f"Ledger entry {seq} was written, and {failed}",
                hint=f"{remedy(error, 'Check the disk')}, then run it again: "
                "what the archive has by then is counted as duplicate.",
            ) from error

    def refuse_other_place(self) -> None:
        """Refuse to write where the folder was moved away: another archive may lie there now, which is not locked.

        Raises:
            StorageError: it was.
        """
        with suppress(OSError):
            if os.path.samestat(self._place, self.root.stat()):
                return
        raise StorageError(
            f"The archive '{self.root}' was moved or deleted while it was written to",
            hint="Nothing of this step was committed. Run it again where the archive is now.",
        )

    def record_rollback(self) -> Entry:
        """Accept the archive as it is, where this machine has seen a later or another head; the ledger tells of it.

        Raises:
            KubedossierError: there is nothing to accept.
            StorageError: the witness file cannot be written.
        """
        hashes = self.ledger.hashes
        heads = witness.known_heads(self.ledger.archive_id)
        lost = {seq: digest for seq, digest in heads.items() if seq > len(hashes) or hashes[seq - 1] != digest}
        if not lost:
            raise KubedossierError("There is no rollback to accept: the archive is the one this machine has seen")
        # The witness may know of entries beyond the archive's end alone, where another machine wrote those between.
        now, newest, sound = datetime.now(UTC), max(lost), min(min(lost) - 1, len(hashes))
        facts = {"rollback": {"seen": {"seq": newest, "sha256": lost[newest]}, "accepted": len(hashes)}}
        entry = self.append("note", new_id(now), facts, at=now)
        # Only then is the later head given up: a crash in between leaves the archive refused, not silently accepted.
        with storage_errors("Writing the witness file", "the ledger tells of the rollback, which is not accepted yet"):
            last = hashes[sound - 1] if sound else NO_HASH
            witness.append(self.ledger.archive_id, sound, last, entry["at"], back=True)
        self._witness()
        return entry

    def _witness(self) -> None:
        seq, digest = self.ledger.head
        try:
            witness.append(self.ledger.archive_id, seq, digest, self.ledger.entries[-1]["at"])
        except (OSError, RuntimeError) as error:
            self.unwitnessed = witness.reason(error)

    def _recover(self) -> None:
        refuse_odd(self.root)
        for name in ("ledger", "events", "tmp"):
            make_folder(self.root / name)
        self.ledger = Ledger.read(self.root)
        refuse_loss(self.root, len(self.ledger.entries))
        if self.ledger.entries:
            # A crash may have left the last link or its bytes in memory only: make them durable before trusting them.
            descriptor = os.open(entry_path(self.root, self.ledger.head[0]), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fsync(descriptor)
            finally:
                os.close(descriptor)
            fsync_folder(self.root / "ledger")
            refuse_unknown(self.ledger)
            self._recall()
        take_back(self.root, self.ledger)
        if not self.ledger.entries:
            now = datetime.now(UTC)
            self.append("genesis", new_id(now), {"archive_id": str(uuid4())}, at=now)

    def _recall(self) -> None:
        """Refuse an archive that is not the one this machine wrote; witness a head that a crash kept from it."""
        try:
            heads = witness.heads(self.ledger.archive_id)
        except (OSError, RuntimeError) as error:
            self.unwitnessed = witness.reason(error)
            return
        hashes = self.ledger.hashes
        for seq, digest in sorted(heads.items()):
            if seq > len(hashes) or hashes[seq - 1] != digest:
                if self._accepts_rollback:
                    return
                raise IntegrityError(
                    f"The archive '{self.root}' is not the one this machine wrote: entry {seq} is another, or gone",
                    hint="Run 'kubedossier verify'. If you restored a backup, 'kubedossier verify --accept-rollback' "
                    "records that and goes on from there.",
                )
        if len(hashes) not in heads:
            self._witness()


def _actor() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
