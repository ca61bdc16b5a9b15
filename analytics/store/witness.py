"""The witness: the head of every archive this machine wrote, kept outside the archives.

A ledger whose tail was cut off looks whole from inside; only a head kept elsewhere shows it. One line an entry,
``SEQ HASH TIME ARCHIVE_ID``, appended and made durable before success is printed. Nothing here is ever rewritten: an
accepted rollback is a line of its own (``back-to`` before it), after which later heads no longer count. A line that a
crash cut short is closed by the next one and means nothing.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.store.folders import FILE_MODE, FOLDER_MODE, fsync, fsync_folder
from kubedossier.analytics.store.plain import open_plain
from kubedossier.analytics.there import is_folder, is_there

_LINE = re.compile(rb"(back-to )?(0|[1-9]\d{0,8}) ([0-9a-f]{64}) \d{4}-\d\d-\d\dT[\d:.]+Z(?: ([0-9a-f-]{36}))?")


def path_of(archive_id: str) -> Path:
    """The witness file: ``KUBEDOSSIER_WITNESS`` (a file, or a folder with one for each archive), else our state folder.

    Raises:
        RuntimeError: there is neither, nor a home.
    """
    if named := os.environ.get("KUBEDOSSIER_WITNESS"):
        return Path(named) / f"{archive_id}.jsonl" if is_folder(Path(named)) else Path(named)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "kubedossier" / "witness" / f"{archive_id}.jsonl"


def append(archive_id: str, seq: int, digest: str, at: str, *, back: bool = False) -> None:
    """Write down the head of an archive, durably.

    Args:
        archive_id: its UUID.
        seq: number of the entry.
        digest: SHA-256 of its file, hex.
        at: its time, as the ledger writes it.
        back: later heads no longer count, since a rollback to this entry was accepted.

    Raises:
        OSError: it could not be written, or not made durable.
    """
    path = path_of(archive_id)
    _make_folders(path.parent)
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        line = b"\n" * torn + f"{'back-to ' if back else ''}{seq} {digest} {at} {archive_id}\n".encode("ascii")
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)
    if not size:
        fsync_folder(path.parent.resolve())


def reason(error: OSError | RuntimeError) -> str:
    """Why a witness file could not be used, in one line for people."""
    if isinstance(error, OSError) and error.filename:
        return f"'{error.filename}': {error.strerror}"
    return str(error)


def heads(archive_id: str) -> dict[int, str]:
    """What was witnessed of an archive: hash by entry number; empty where nothing was.

    Raises:
        OSError: there is a witness file, and it cannot be read.
    """
    try:
        with open_plain(path_of(archive_id)) as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        return {}
    known: dict[int, str] = {}
    for line in data.split(b"\n"):
        match = _LINE.fullmatch(line.strip(b"\0\r "))
        if match is None or match[4] not in (None, archive_id.encode()):
            continue
        seq, digest = int(match[2]), match[3].decode()
        if match[1]:
            known = {earlier: one for earlier, one in known.items() if earlier < seq}
        if seq:
            known.setdefault(seq, digest)
    return known


def known_heads(archive_id: str) -> dict[int, str]:
    """``heads``, for whoever must not go on without them.

    Raises:
        StorageError: there is a witness file, and it cannot be read.
    """
    try:
        return heads(archive_id)
    except OSError as error:
        raise StorageError(
            f"Cannot read the witness file '{error.filename}': {error.strerror}", hint="Check its permissions."
        ) from error


def _make_folders(path: Path) -> None:
    missing = [one for one in (path, *path.parents) if not is_there(one)]
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        folder.chmod(FOLDER_MODE)
        fsync_folder(folder.parent.resolve())  # a home may be reached through links
