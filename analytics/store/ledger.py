"""The ledger: one JSON line a file, each holding the SHA-256 of the file before; the only list of live files.

Reading never lists folders and never changes anything. Verifiers hash the bytes as found; nothing here serialises an
entry a second time.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.schema import FORMAT_VERSION, FileRef
from kubedossier.analytics.store.entries import parse_object, problem_of
from kubedossier.analytics.store.entries import read_time as read_time  # with time_text, for all who read the ledger
from kubedossier.analytics.store.plain import NotPlainError, read_plain
from kubedossier.analytics.there import is_there

Entry = dict[str, Any]

NO_HASH = "0" * 64
LONGEST_ENTRY_BYTES = 64 * 1024 * 1024
TYPES = frozenset(
    (
        "genesis",
        "snapshot",
        "import",
        "compact",
        "seal",
        "prune",
        "hold",
        "gc",
        "key",
        "anchor",
        "note",
        "delivery",
        "retract",
        "upgrade",
    )
)


def absolute(root: Path) -> Path:
    """The path from the root of the file system on: Arrow takes a relative one that begins with ``s3:`` for an URL."""
    with suppress(OSError):  # the working directory is gone
        return root.absolute()
    return root


def entry_path(root: Path, seq: int) -> Path:
    """Where the entry of a number lies."""
    return root / "ledger" / f"{seq:08d}.json"


def entry_line(entry: Entry) -> bytes:
    """The one line of an entry: ASCII escapes, sorted keys, no blanks, one LF.

    Raises:
        StorageError: it is longer than any reader takes.
        ValueError: a float or a non-string key is in it.
    """
    _refuse_floats(entry)
    line = json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    if len(line) > LONGEST_ENTRY_BYTES:
        raise StorageError(f"A ledger entry would be {len(line):,} bytes long", hint="Do it in several runs.")
    return line


def time_text(moment: datetime) -> str:
    """A moment as the ledger writes it: ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@dataclass(frozen=True, slots=True)
class Retraction:
    """An entry that was retracted: its number, that of the entry that did it, and the files it had added."""

    seq: int
    retracted_by: int
    files: tuple[Entry, ...]


@dataclass(frozen=True)
class Ledger:
    """All entries up to one point, checked to be an unbroken chain.

    Attributes:
        root: the archive.
        entries: parsed entries in order; entry N of the ledger is ``entries[N - 1]``.
        hashes: SHA-256 (hex) of each entry's file.
    """

    root: Path
    entries: tuple[Entry, ...]
    hashes: tuple[str, ...]

    @classmethod
    def read(cls, root: Path) -> Ledger:
        """Read the ledger of an archive; an archive without any entry gives an empty ledger.

        Raises:
            IntegrityError: an entry is unreadable, out of order, or does not hold the hash of the one before.
            StorageError: the folder cannot be read.
        """
        entries: list[Entry] = []
        hashes: list[str] = []
        while (data := _next_entry(root, len(entries) + 1)) is not None:
            entries.append(_checked(data, len(entries) + 1, hashes[-1] if hashes else NO_HASH))
            hashes.append(hashlib.sha256(data).hexdigest())
        return cls(absolute(root), tuple(entries), tuple(hashes))

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the newest entry; ``(0, 64 zeros)`` where there is none."""
        return (len(self.entries), self.hashes[-1]) if self.hashes else (0, NO_HASH)

    @property
    def archive_id(self) -> str:
        """The UUID the archive got at its genesis; empty where there is none."""
        return str(self.entries[0]["archive_id"]) if self.entries else ""

    def up_to(self, seq: int) -> Ledger:
        """The ledger as it was after an entry.

        Raises:
            StorageError: there is no such entry.
        """
        if not 1 <= seq <= len(self.entries):
            raise StorageError(
                f"The ledger has no entry {seq}; it ends at {len(self.entries)}",
                hint="See 'kubedossier status'.",
            )
        return Ledger(self.root, self.entries[:seq], self.hashes[:seq])

    @cached_property
    def retracted(self) -> frozenset[str]:
        """Ids of entries that were retracted."""
        return frozenset(entry["retracts"] for entry in self.entries if entry["type"] == "retract")

    @cached_property
    def retractions(self) -> tuple[Retraction, ...]:
        """The entries that were retracted, each as often as it was, in the order of the retractions."""
        by_id: dict[str, Entry] = {}
        found = []
        for entry in self.entries:
            if entry["type"] == "retract" and entry["retracts"] in by_id:
                taken = by_id[entry["retracts"]]
                files = tuple(taken.get("files", {}).get("add", ()))
                found.append(Retraction(taken["seq"], entry["seq"], files))
            by_id[entry["id"]] = entry
        return tuple(found)

    @cached_property
    def files(self) -> dict[str, FileRef]:
        """All files that entries added and none removed, by path."""
        found: dict[str, FileRef] = {}
        for entry in self.entries:
            changes = entry.get("files", {})
            for one in changes.get("remove", ()):
                found.pop(one, None)
            for one in changes.get("add", ()):
                found[one["path"]] = _file_ref(one, entry["id"])
        return found

    @cached_property
    def removed(self) -> dict[str, FileRef]:
        """Files that entries took out of the list, by path; they lie there until ``gc``."""
        known: dict[str, FileRef] = {}
        found: dict[str, FileRef] = {}
        for entry in self.entries:
            changes = entry.get("files", {})
            for path in changes.get("remove", ()):
                if path in known:
                    found[path] = known[path]
            for one in changes.get("add", ()):
                known[one["path"]] = _file_ref(one, entry["id"])
        return found

    def live(self, role: str = "events") -> tuple[FileRef, ...]:
        """The files of a role that the views read, in the ledger's order; retracted ones are left out."""
        return tuple(one for one in self.files.values() if one.role == role and one.snapshot not in self.retracted)


def entry_bytes(root: Path, seq: int) -> bytes | None:
    """The bytes of the entry of a number; None where there is none.

    Raises:
        OSError: it cannot be read; ``NotPlainError`` where it is no file, or longer than any entry.
    """
    try:
        return read_plain(entry_path(root, seq), LONGEST_ENTRY_BYTES)
    except FileNotFoundError:
        return None


def _next_entry(root: Path, seq: int) -> bytes | None:
    """The bytes of an entry; None at the end, which is not where one alone is missing."""
    data = _read_entry(root, seq)
    if data is None and is_there(entry_path(root, seq + 1)):
        data = _read_entry(root, seq)  # a writer at work may have added both meanwhile
        if data is None:
            raise _broken(f"Ledger entry {seq} is missing, and the one after it is there")
    return data


def _read_entry(root: Path, seq: int) -> bytes | None:
    try:
        return entry_bytes(root, seq)
    except NotPlainError as error:
        raise _broken(f"Ledger entry {seq} is {error.strerror}") from error
    except OSError as error:
        raise StorageError(
            f"Cannot read ledger entry {seq} in '{root}': {error.strerror}",
            hint="Check the folder's permissions.",
        ) from error


def _checked(data: bytes, seq: int, prev: str) -> Entry:
    entry = parse_object(data)
    if entry is None or data.count(b"\n") != 1 or not data.endswith(b"\n"):
        raise _broken(f"Ledger entry {seq} is not one line of JSON")
    if entry.get("seq") != seq:
        raise _broken(f"Ledger entry {seq} says it is number {entry.get('seq')!r}")
    if entry.get("prev") != prev:
        raise _broken(f"Ledger entry {seq} expects {entry.get('prev')!r} before it, found {prev!r}")
    if entry.get("format") != FORMAT_VERSION:
        raise StorageError(
            f"Ledger entry {seq} has format {entry.get('format')!r}; this version reads {FORMAT_VERSION}",
            hint="Install a newer kubedossier.",
        )
    if problem := problem_of(entry):
        raise _broken(f"Ledger entry {seq} is not an entry: {problem}")
    return entry


def _broken(message: str) -> IntegrityError:
    return IntegrityError(message, hint="Run 'kubedossier verify' for the whole list, then restore from a backup.")


def _file_ref(one: Entry, snapshot: str) -> FileRef:
    return FileRef(
        path=one["path"],
        role=one["role"],
        month=one["month"],
        sha256=one["sha256"],
        bytes=one["bytes"],
        rows=one["rows"],
        min_time=read_time(one["min_time"]) if one["min_time"] else None,
        max_time=read_time(one["max_time"]) if one["max_time"] else None,
        incomplete=one["incomplete"],
        snapshot=snapshot,
    )


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise ValueError(f"a ledger entry holds no floats: {value!r}")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"a ledger entry's keys are strings: {key!r}")
            _refuse_floats(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_floats(inner)
