"""Commits that were cut short: which files they left, and how those are taken away again.

Before a commit moves its files to their places, its ledger entry lies durable in ``tmp/``. So whatever a crash leaves
unlisted in the archive's folders is named there, with its hash. Only such files are ever removed: a file that no entry
names, staged or not, is a finding for ``verify`` and never ours to delete.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubedossier.analytics.store.entries import parse_object
from kubedossier.analytics.store.folders import fsync_folder
from kubedossier.analytics.store.ledger import LONGEST_ENTRY_BYTES, Entry, Ledger
from kubedossier.analytics.store.plain import NotPlainError, read_plain

_STAGED = re.compile(r"entry-\d{8}-.+")
_PART = re.compile(r"[A-Za-z0-9_=][A-Za-z0-9._=-]*")


def staged_name(seq: int, entry_id: str) -> str:
    """The name in ``tmp/`` of an entry that is being committed."""
    return f"entry-{seq:08d}-{entry_id}"


def unfinished(root: Path) -> dict[str, tuple[int, str]]:
    """Files that a commit under way, or one that was cut short, may have put in place: size and SHA-256 by path.

    Whoever can write to the archive can stage an entry, too: what is named here is told, and is never evidence.
    """
    return {one["path"]: (one["bytes"], one["sha256"]) for _, entry in _staged(root) for one in _added(entry)}


def take_back(root: Path, ledger: Ledger) -> None:
    """Remove what interrupted commits left; ``ledger`` must be durable and read under the writer's lock.

    Raises:
        OSError: a file could not be removed; the next writer tries again.
    """
    listed = {one["path"] for entry in ledger.entries for one in entry.get("files", {}).get("add", ())}
    folders = set()
    for _, entry in _staged(root):
        for one in _added(entry):
            path = root / one["path"]
            if one["path"] not in listed and _is(path, one["bytes"], one["sha256"]):
                os.unlink(path)  # noqa: PTH108
                folders.add(path.parent)
    for folder in sorted(folders):
        fsync_folder(folder)
    clean_tmp(root)


def clean_tmp(root: Path) -> None:
    """Remove the files in ``tmp/``."""
    with os.scandir(root / "tmp") as left:
        names = [one.path for one in left if not one.is_dir(follow_symlinks=False)]
    for name in sorted(names):
        os.unlink(name)  # noqa: PTH108


def _staged(root: Path) -> Iterator[tuple[Path, Entry]]:
    folder = root / "tmp"
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if _STAGED.fullmatch(name):
            try:
                entry = parse_object(read_plain(folder / name, LONGEST_ENTRY_BYTES))
            except (FileNotFoundError, NotPlainError):
                continue  # gone meanwhile, or nothing that a commit leaves
            if entry is not None:  # else it was cut short itself: then no file was moved yet
                yield folder / name, entry


def _added(entry: Entry) -> Iterator[dict[str, Any]]:
    files = entry.get("files")
    for one in files.get("add", ()) if isinstance(files, dict) else ():
        if _sound(one):
            yield one


def _sound(one: object) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("path"), str):
        return False
    parts = one["path"].split("/")
    return (
        len(parts) > 1
        and parts[0] not in ("ledger", "tmp")
        and all(_PART.fullmatch(part) for part in parts)
        and isinstance(one.get("bytes"), int)
        and isinstance(one.get("sha256"), str)
    )


def _is(path: Path, size_bytes: int, sha256: str) -> bool:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
