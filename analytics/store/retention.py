"""What leaves the views, and what leaves the disk: ``retract`` and ``gc``.

A retraction hides a snapshot from all views and deletes nothing. Garbage collection deletes only files that an earlier
entry took out of the list, after a clean verification; the entry comes first, so that a crash leaves a file too many
and never one too few.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError, UsageError
from kubedossier.analytics.store.commit import Writer, new_id, storage_errors
from kubedossier.analytics.store.folders import fsync_folder
from kubedossier.analytics.store.ledger import Entry, Ledger
from kubedossier.analytics.store.verify import verify

_LIST = "kubedossier query --sql 'select snapshot, type, at, new from snapshots' lists them."


@dataclass(frozen=True, slots=True)
class Garbage:
    """A file that no view reads any more: its path in the archive and its size."""

    path: str
    bytes: int


def garbage(ledger: Ledger) -> list[Garbage]:
    """Files that entries took out of the list and that are still on disk."""
    found = []
    with storage_errors("Reading the archive"):
        for path in sorted(ledger.removed):
            with suppress(FileNotFoundError):
                found.append(Garbage(path, (ledger.root / path).lstat().st_size))
    return found


def collect_garbage(root: Path, *, wait: bool = False) -> list[Garbage]:
    """Delete what no view reads any more, after a clean verification.

    Raises:
        IntegrityError: the archive has findings; nothing is deleted.
    """
    with Writer(root, wait=wait) as writer:
        found = garbage(writer.ledger)
        if not found:
            return []
        findings = verify(root).findings
        if findings:
            raise IntegrityError(
                f"The archive has {len(findings)} findings; nothing was deleted", hint="Run 'kubedossier verify'."
            )
        writer.append("gc", new_id(datetime.now(UTC)), {"deletes": [one.path for one in found]})
        with storage_errors("Deleting files", "it goes on with what is left of them"):
            folders: dict[Path, list[Path]] = defaultdict(list)
            for one in found:
                path = root / one.path
                folders[path.parent].append(path)
            for folder, paths in sorted(folders.items()):
                for path in paths:
                    os.unlink(path)  # noqa: PTH108
                fsync_folder(folder)
        return found


def find_snapshot(ledger: Ledger, text: str) -> Entry:
    """The entry of a snapshot or import, by its id or the beginning of it.

    Raises:
        UsageError: there is none, there are several, or it is retracted already.
    """
    entries = [
        entry for entry in ledger.entries if entry["type"] in ("snapshot", "import") and entry["id"].startswith(text)
    ]
    if len(entries) != 1:
        problem = "is no snapshot of this archive" if not entries else f"fits {len(entries)} snapshots"
        raise UsageError(f"'{text}' {problem}", hint=_LIST)
    if entries[0]["id"] in ledger.retracted:
        raise UsageError(f"'{entries[0]['id']}' is retracted already")
    return entries[0]


def retract(root: Path, text: str, reason: str, *, wait: bool = False) -> Entry:
    """Hide a snapshot from all views; its events no longer count in deduplication.

    Raises:
        UsageError: there is no such snapshot, or no reason was given.
    """
    if not reason.strip():
        raise UsageError("A retraction needs a reason", hint="It is printed in reports: --reason TEXT")
    with Writer(root, wait=wait) as writer:
        entry = find_snapshot(writer.ledger, text)
        return writer.append("retract", new_id(datetime.now(UTC)), {"retracts": entry["id"], "reason": reason.strip()})
