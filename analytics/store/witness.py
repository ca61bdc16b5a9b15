"""The witness: the head of every archive this machine wrote, kept outside the archives.

A ledger whose tail was cut off looks whole from inside; only a head kept elsewhere shows it. One line an entry,
``SEQ HASH TIME``, appended and made durable before success is printed. Nothing here is ever rewritten.
"""

from __future__ import annotations

import os
from pathlib import Path


def path_of(archive_id: str) -> Path:
    """The witness file: ``KUBEDOSSIER_WITNESS``, else in the user's state folder."""
    if named := os.environ.get("KUBEDOSSIER_WITNESS"):
        return Path(named)
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "kubedossier" / "witness" / f"{archive_id}.jsonl"


def append(archive_id: str, seq: int, digest: str, at: str) -> None:
    """Write down the head of an archive, durably."""
    path = path_of(archive_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{seq} {digest} {at}\n".encode("ascii"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def heads(archive_id: str) -> dict[int, str]:
    """What was witnessed: hash by entry number; empty where nothing was."""
    try:
        lines = path_of(archive_id).read_text("ascii").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return {}
    return {int(parts[0]): parts[1] for parts in map(str.split, lines) if len(parts) == 3 and parts[0].isdigit()}
