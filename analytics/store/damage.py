"""What whoever asks an archive says of a damaged file: by its size before, by its SHA-256 once something failed.

A question does not hash what it reads, as a report, a bundle and ``verify`` do. So it may miss damage that nobody
stumbles over; what it must never do is wait for a pipe, or call damage a fault of its own.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.schema import FileRef


def refuse_other_size(root: Path, file: FileRef) -> None:
    """Look at a file that is about to be read; one that is not there is left to whoever opens it.

    Raises:
        IntegrityError: it is no plain file, or of another size than the ledger says.
    """
    with suppress(OSError):
        found = (root / file.path).stat()
        if not stat.S_ISREG(found.st_mode):
            raise _altered(file.path, f"{file.bytes:,} bytes", "no plain file")
        if found.st_size != file.bytes:
            raise _altered(file.path, f"{file.bytes:,} bytes", f"{found.st_size:,}")


def first_damage(root: Path, files: Iterable[FileRef]) -> IntegrityError | None:
    """The error for the first of the files whose bytes are not those of the ledger; None where all are, or are gone."""
    from kubedossier.analytics.store.verify import changed

    found = next((one for one in changed(root, files) if one.kind == "file-changed"), None)
    return None if found is None else _altered(found.where, found.expected, found.found)


def _altered(path: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        f"'{path}' is not what the ledger says: expected {expected}, found {found}",
        hint="Run 'kubedossier verify' for the whole list, then restore it from a backup.",
    )
