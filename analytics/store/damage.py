"""What whoever asks an archive says of a damaged file: by its size before, by its SHA-256 once something failed.

What it must never do is wait for a pipe, call damage a fault of its own, or take what a writer replaced for damage.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.schema import FileRef
from kubedossier.analytics.store.ledger import Ledger

_Made = TypeVar("_Made")
_MOST_RETRIES = 5


class ReplacedError(StorageError):
    """A file is gone, since a later entry of the ledger replaced it by another with the same events."""


def refuse_other_size(root: Path, file: FileRef) -> os.stat_result | None:
    """Look at a file that is about to be read; one that is not there is left to whoever opens it.

    Raises:
        IntegrityError: it is no plain file, or of another size than the ledger says.
    """
    with suppress(OSError):
        found = (root / file.path).stat()
        if not stat.S_ISREG(found.st_mode):
            raise altered(file.path, f"{file.bytes:,} bytes", "no plain file")
        if found.st_size != file.bytes:
            raise altered(file.path, f"{file.bytes:,} bytes", f"{found.st_size:,}")
        return found
    return None


def first_damage(root: Path, files: Iterable[FileRef]) -> IntegrityError | None:
    """The error for the first of the files whose bytes are not those of the ledger; None where all are, or are gone."""
    from kubedossier.analytics.store.verify import changed

    found = next((one for one in changed(root, files) if one.kind == "file-changed"), None)
    return None if found is None else altered(found.where, found.expected, found.found)


def altered(path: str, expected: str, found: str) -> IntegrityError:
    """The error for a file that is not what the ledger says."""
    return IntegrityError(
        f"'{path}' is not what the ledger says: expected {expected}, found {found}",
        hint="Run 'kubedossier verify' for the whole list, then restore it from a backup.",
    )


def replaced(ledger: Ledger, files: Iterable[FileRef]) -> ReplacedError | None:
    """The error for the first of the files that is gone, where entries after the ledger's took it out of the list."""
    gone = [one.path for one in files if not os.path.lexists(ledger.root / one.path)]
    if not gone:
        return None
    later = Ledger.read(ledger.root).removed
    for path in gone:
        if path in later:
            return ReplacedError(
                f"The archive has not kept '{path}', which a later entry replaced",
                hint="Run it again, without --as-of or with a later entry: the events are the same ones.",
            )
    return None


def settled(make: Callable[[], _Made]) -> _Made:
    """What ``make`` makes of the archive as it opens it; made again where a writer deleted meanwhile what it reads.

    Raises:
        ReplacedError: it was so each time: it reads the archive as of an entry whose files are gone.
    """
    for _ in range(_MOST_RETRIES):
        with suppress(ReplacedError):
            return make()
    return make()
