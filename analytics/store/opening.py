"""Opening an archive for writing: the lock, and what must hold before anything is changed.

The lock is never removed, so a killed writer leaves none behind. Nothing here repairs or deletes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from pathlib import Path

from kubedossier.analytics.errors import BusyError, IntegrityError, KubedossierError, StorageError
from kubedossier.analytics.store.folders import FILE_MODE, NOT_EVIDENCE, no_place
from kubedossier.analytics.store.ledger import TYPES, Ledger, entry_path
from kubedossier.analytics.there import is_file, is_folder, is_there

_OURS = frozenset(("ledger", "events", "tmp", ".lock")) | NOT_EVIDENCE


def lock(root: Path, wait: bool) -> int:
    """Take the writer's lock: a descriptor that holds it until it is closed, or its process ends.

    Raises:
        BusyError: another writer holds it, and ``wait`` was not asked for.
        IntegrityError: a symbolic link stands in its place.
    """
    path = root / ".lock"
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise no_place(path) if error.errno == errno.ELOOP else error from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if is_there(path) and os.path.samestat(os.fstat(descriptor), path.lstat()):
                return descriptor
            os.close(descriptor)  # somebody removed or replaced it meanwhile: what we hold excludes nobody
        except BlockingIOError:
            os.close(descriptor)
            raise BusyError(
                f"Another writer is at work in '{root}'", hint="Wait until it is done, or add --wait."
            ) from None
        except BaseException:
            os.close(descriptor)
            raise


def to_be_made(root: Path) -> bool:
    """Whether the archive has no entry yet.

    Raises:
        StorageError: the folder holds something else.
    """
    if root.is_symlink() and not is_folder(root):
        raise StorageError(f"'{root}' is a broken symbolic link", hint="Name another folder with --archive.")
    if not is_there(root):
        return True
    if not is_folder(root):
        raise StorageError(f"'{root}' is a file, not an archive", hint="Name a folder with --archive.")
    if is_there(entry_path(root, 1)):
        return False
    foreign = {one.name for one in root.iterdir()} - _OURS
    if foreign:
        raise StorageError(
            f"'{root}' is not an archive, and not empty: it holds '{sorted(foreign)[0]}'",
            hint="Name an archive, or a folder that is empty or does not exist yet, with --archive.",
        )
    return True


def refuse_loss(root: Path, entries: int) -> None:
    """Refuse to go on where entries are missing in the middle, or the ledger is gone and its files are not.

    Raises:
        IntegrityError: it is so.
    """
    numbers = [int(name[:8]) for name in os.listdir(root / "ledger") if re.fullmatch(r"[0-9]{8}\.json", name)]  # noqa: PTH208
    if max(numbers, default=0) > entries or (not entries and any(is_file(one) for one in root.glob("events/*/*"))):
        raise IntegrityError(
            f"Ledger entry {entries + 1} is missing in '{root}', and what came after it is there",
            hint="Run 'kubedossier verify' for the whole list, then restore the ledger from a backup.",
        )


def refuse_unknown(ledger: Ledger) -> None:
    """Refuse to write where a newer version left an entry that must be understood.

    Raises:
        KubedossierError: there is one.
    """
    for entry in ledger.entries:
        if entry["type"] not in TYPES and entry.get("critical", True):
            raise KubedossierError(
                f"Ledger entry {entry['seq']} is of the type {entry['type']!r}, which this version does not know",
                hint="A newer kubedossier wrote it: install that version to write to this archive.",
            )
