"""Verification: every way in which an archive is not what its ledger says, expected beside found.

The steps, each with one reason to fail:
(1) the ledger's files are numbered without a gap, and nothing else lies beside them;
(2) each entry is one line of JSON that holds its own number and the hash of the file before; ids and files come once;
(3) the head is the one that was witnessed on this machine, and the one the user names;
(4) every live file is there, a plain file, of the recorded size; nothing else lies in the folders. What an entry in
    tmp/ names, of a commit under way or one that was cut short, is no finding where its size and SHA-256 are those
    named there: it is told apart, since anybody who can write there may have named it, and the next writer removes it;
(5) every live file has the recorded SHA-256, and so has every file that waits for ``gc`` (default and deep);
(6) the events in the files are those the ledger counted, and their columns are what their raw text says (deep).

It reads the folders on purpose, since what was slipped in is found no other way; it never changes the
archive. Where a writer deletes what it has replaced while this reads, all is checked again as of the newer head.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.schema import FileRef
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.entries import is_archive_id, parse_object, read_entry
from kubedossier.analytics.store.intact import forget
from kubedossier.analytics.store.ledger import NO_HASH, Entry, Ledger, absolute, entry_bytes, entry_path
from kubedossier.analytics.store.plain import open_plain
from kubedossier.analytics.store.unfinished import unfinished
from kubedossier.analytics.there import is_folder, is_there

Level = Literal["quick", "default", "deep"]
_ENTRY_NAME = re.compile(r"[0-9]{8}\.json")
_FOLDERS = ("events", "rejects", "seals")
_MISSED = frozenset(("file-missing", "file-unreadable"))
_MOST_RETRIES = 5
_NOTHING_SAID: Entry = {"type": "note", "id": "", "archive_id": ""}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as recorded.

    Attributes:
        kind: a stable word, such as ``file-changed``.
        where: the file, entry or event.
        expected, found: what the evidence says, and what is there.
    """

    kind: str
    where: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification saw; ``findings`` is empty where everything is as recorded.

    Attributes:
        findings: all of them, in the order of the steps.
        head: number and SHA-256 of the newest entry that is sound.
        files, events: how many the ledger lists as live.
        hashed_bytes: how much was read to check SHA-256 sums.
        witnessed: entries of this archive in this machine's witness file.
        level: how much was checked.
        unfinished: files that no view reads and the ledger does not list, but an entry in tmp/ names.
    """

    findings: tuple[Finding, ...]
    head: tuple[int, str]
    files: int
    events: int
    hashed_bytes: int
    witnessed: int
    level: Level
    unfinished: tuple[str, ...] = ()


def verify(
    root: Path,
    *,
    level: Level = "default",
    head: tuple[int, str] | None = None,
    recheck: Callable[[Ledger, Sequence[FileRef]], Iterable[Finding]] | None = None,
) -> Verdict:
    """Check an archive.

    Args:
        root: the archive.
        level: ``quick`` (chain, presence, size), ``default`` (all SHA-256 sums), ``deep`` (events against raw text).
        head: a number and SHA-256 (or its first digits) that the user knows from elsewhere.
        recheck: step (6), ``ingest.recheck.recheck_events``; required by ``deep``.

    Raises:
        StorageError: there is no archive, or its ledger or the witness file may not be read.
    """
    verdict = _verify(root, level, head, recheck)
    for _ in range(_MOST_RETRIES):
        if not _overtaken(root, verdict.findings):
            break
        verdict = _verify(root, level, head, recheck)
    if any(one.kind == "file-changed" for one in verdict.findings):
        forget(_archive_id(root))  # or questions would go on to read it: it may look as it did when it was sound
    return verdict


def _verify(
    root: Path,
    level: Level,
    head: tuple[int, str] | None,
    recheck: Callable[[Ledger, Sequence[FileRef]], Iterable[Finding]] | None,
) -> Verdict:
    """All steps, once."""
    try:
        if not is_there(entry_path(root, 1)) and not is_folder(root / "ledger"):
            raise StorageError(f"There is no archive at '{root}'", hint="Name it with --archive.")
        findings = list(_numbering(root))
        heads = witness.known_heads(_archive_id(root))  # before the ledger: a writer at work may be faster than we are
    except OSError as error:
        raise StorageError(
            f"Cannot read '{error.filename}': {error.strerror}", hint="Check its permissions, then verify again."
        ) from error
    ledger, broken = _walk(root)
    findings += broken
    findings += repeated(ledger)
    findings += _witnessed(ledger, heads, head)
    presence, moving = _presence(ledger, level)
    findings += presence
    left = [one for one in ledger.removed.values() if _size(root / one.path) is not None]
    sound = [one for one in ledger.files.values() if _size(root / one.path) == one.bytes]
    if level != "quick":
        findings += changed(root, [*sound, *left])
    if level == "deep" and recheck is not None:
        unsound = {one.where for one in findings if one.kind in ("file-changed", "file-unreadable")}
        findings += recheck(ledger, [one for one in sound if one.path not in unsound])
    events = [one for one in ledger.files.values() if one.role == "events"]
    return Verdict(
        findings=tuple(findings),
        head=ledger.head,
        files=len(ledger.files),
        events=sum(one.rows for one in events),
        hashed_bytes=0 if level == "quick" else sum(one.bytes for one in sound),
        witnessed=len(heads),
        level=level,
        unfinished=moving,
    )


def _overtaken(root: Path, findings: Iterable[Finding]) -> bool:
    """Whether a file was missed that an entry has taken out of the list and ``gc`` has deleted, perhaps meanwhile."""
    missed = {one.where for one in findings if one.kind in _MISSED and not os.path.lexists(root / one.where)}
    return bool(missed) and not missed.isdisjoint(_walk(root)[0].removed)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, lower-case hex."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _numbering(root: Path) -> Iterator[Finding]:
    """(1) Entries are numbered from 1 without a gap."""
    if (root / "ledger").is_symlink():
        yield Finding("link", "ledger", "no symbolic link", str((root / "ledger").readlink()))
    names = sorted(os.listdir(root / "ledger"))  # noqa: PTH208
    for name in names:
        if (root / "ledger" / name).is_symlink():
            yield Finding("link", f"ledger/{name}", "no symbolic link", str((root / "ledger" / name).readlink()))
        if not _ENTRY_NAME.fullmatch(name):
            yield Finding("file-unknown", f"ledger/{name}", "only entries", "another file")
    numbers = [int(name[:8]) for name in names if _ENTRY_NAME.fullmatch(name)]
    for expected, found in enumerate(numbers, 1):
        if expected != found:
            yield Finding("entry-missing", f"ledger/{expected:08d}.json", "an entry", f"next is {found:08d}.json")
            break
    if not numbers:
        yield Finding("entry-missing", "ledger/00000001.json", "the genesis entry", "nothing")


def _archive_id(root: Path) -> str:
    """The archive's UUID, by which its witness is found; empty where there is none that can be one."""
    try:
        found = (parse_object(entry_bytes(root, 1) or b"") or {}).get("archive_id")
    except OSError:
        return ""
    return str(found) if is_archive_id(found) else ""


def _walk(root: Path) -> tuple[Ledger, list[Finding]]:
    """(2) Each entry is sound and holds the hash of the one before.

    What an unsound entry says is not believed: a note without any facts stands in its place.
    """
    entries: list[Entry] = []
    hashes: list[str] = []
    findings: list[Finding] = []
    for seq in range(1, 10**8):
        where = f"ledger/{entry_path(root, seq).name}"
        try:
            data = entry_bytes(root, seq)
        except OSError as error:
            findings.append(Finding("entry-unreadable", where, "one line of JSON", str(error.strerror)))
            break
        if data is None:
            break
        entry, problem = read_entry(data)
        if entry is None:
            findings.append(Finding("entry-unreadable", where, *problem))
        else:
            prev = hashes[-1] if hashes else NO_HASH
            if entry.get("seq") != seq:
                findings.append(Finding("entry-misplaced", where, f"seq {seq}", f"seq {entry.get('seq')!r}"))
            if entry.get("prev") != prev:
                findings.append(Finding("chain-broken", where, f"prev {prev}", f"prev {entry.get('prev')}"))
        entries.append(entry or _NOTHING_SAID)
        hashes.append(hashlib.sha256(data).hexdigest())
    return Ledger(absolute(root), tuple(entries), tuple(hashes)), findings


def repeated(ledger: Ledger) -> Iterator[Finding]:
    """(2) An id names one entry, and a file is added by one: whose events are whose rests on it."""
    ids: set[str] = set()
    paths: set[str] = set()
    for seq, entry in enumerate(ledger.entries, 1):
        if entry["id"] and entry["id"] in ids:
            yield Finding("entry-repeated", f"entry {seq}", "an id of its own", entry["id"])
        ids.add(entry["id"])
        for one in entry.get("files", {}).get("add", ()):
            if one["path"] in paths:
                yield Finding("file-twice", f"entry {seq}", "files that no entry had added", one["path"])
            paths.add(one["path"])


def _witnessed(ledger: Ledger, heads: dict[int, str], named: tuple[int, str] | None) -> Iterator[Finding]:
    """(3) The ledger reaches as far as it did, with the same hashes."""
    known = [("witness", heads)] + ([("head", {named[0]: named[1].lower()})] if named else [])
    for source, entries in known:
        for seq, digest in sorted(entries.items()):
            if seq > len(ledger.hashes):
                yield Finding(
                    "rolled-back", f"entry {seq}", f"{digest} ({source})", f"the ledger ends at {len(ledger.hashes)}"
                )
            elif not ledger.hashes[seq - 1].startswith(digest):
                yield Finding("entry-replaced", f"entry {seq}", f"{digest} ({source})", ledger.hashes[seq - 1])


def _presence(ledger: Ledger, level: Level) -> tuple[list[Finding], tuple[str, ...]]:
    """(4) Every live file is there with its size, and nothing else is; and what only an entry in tmp/ names."""
    root = ledger.root
    found = [finding for one in ledger.files.values() for finding in _as_large(root, one)]
    known = set(ledger.files) | set(ledger.removed)
    strangers = []
    for folder in _FOLDERS:
        for path, closed in _below(root / folder):
            name = path.relative_to(root).as_posix()
            if closed:
                found.append(Finding("file-unreadable", name, "a folder that may be read", closed))
            elif path.is_symlink():
                found.append(Finding("link", name, "no symbolic link", str(path.readlink())))
            elif not is_folder(path) and name not in known:
                strangers.append(name)
    unknown, moving = _strangers(root, strangers, level)
    return found + unknown, moving


def _as_large(root: Path, file: FileRef) -> Iterator[Finding]:
    expected = f"{file.bytes:,} bytes"
    try:
        found = (root / file.path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        yield Finding("file-missing", file.path, expected, "no plain file")
    except OSError as error:
        yield Finding("file-unreadable", file.path, expected, str(error.strerror))
    else:
        if not stat.S_ISREG(found.st_mode):
            yield Finding("file-missing", file.path, expected, "no plain file")
        elif found.st_size != file.bytes:
            yield Finding("file-size", file.path, expected, f"{found.st_size:,} bytes")


def _strangers(root: Path, names: Sequence[str], level: Level) -> tuple[list[Finding], tuple[str, ...]]:
    """Files that neither a commit under way nor an entry added meanwhile knows, asked in this order; and the former."""
    if not names:
        return [], ()
    try:
        staged = unfinished(root)
    except PermissionError:
        staged = {}
    listed = _walk(root)[0].files
    findings, moving = [], []
    for name in names:
        size = _size(root / name)
        if name in listed or not os.path.lexists(root / name):
            continue
        if size is not None and name in staged and _is_staged(root / name, size, *staged[name], level):
            moving.append(name)
            continue
        found = "no plain file" if size is None else f"{size:,} bytes"
        findings.append(Finding("file-unknown", name, "no file the ledger does not list", found))
    return findings, tuple(moving)


def _is_staged(path: Path, size: int, size_bytes: int, sha256: str, level: Level) -> bool:
    if size != size_bytes or level == "quick":
        return size == size_bytes
    try:
        return file_sha256(path) == sha256
    except FileNotFoundError:  # the commit was given up meanwhile
        return True
    except OSError:
        return False


def _below(folder: Path) -> Iterator[tuple[Path, str]]:
    """What lies in a folder and the folders in it; with the reason where a folder cannot be read."""
    if folder.is_symlink():
        yield folder, ""
    elif is_folder(folder):
        try:
            inside = sorted(folder.iterdir())
            links = {path for path in inside if path.is_symlink()}
        except OSError as error:
            yield folder, str(error.strerror)
            return
        for path in inside:
            yield path, ""
            if path not in links and is_folder(path):
                yield from _below(path)


def _size(path: Path) -> int | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def changed(root: Path, files: Iterable[FileRef]) -> Iterator[Finding]:
    """(5) Every one of these files has its SHA-256."""
    for one in files:
        try:
            found = file_sha256(root / one.path)
        except OSError as error:
            yield Finding("file-unreadable", one.path, one.sha256, str(error.strerror))
            continue
        if found != one.sha256:
            yield Finding("file-changed", one.path, one.sha256, found)
