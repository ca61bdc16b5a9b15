"""Looks at the machine and the archive on it: what would stop a command, or make what it leaves worth less.

It writes nothing but a file of its own that is gone at once, and reads no event. What it finds is told, never mended.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

from kubedossier.analytics.checks import Check
from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.ledger import Ledger, read_time
from kubedossier.analytics.there import is_folder

LEAST_FREE_BYTES = 256 * 1024 * 1024
ENOUGH_FREE_BYTES = 2 * 1024 * 1024 * 1024
_BUILT = datetime(2026, 1, 1, tzinfo=UTC)
_LIBRARIES = ("duckdb", "polars", "pyarrow", "cryptography", "httpx")


def examine(root: Path, *, now: datetime) -> Iterator[Check]:
    """Look at the program's surroundings and at the archive, if there is one.

    Args:
        root: of the archive; it may not exist yet.
        now: aware UTC.
    """
    yield _program()
    try:
        ledger: Ledger | None = Ledger.read(root)
    except KubedossierError as error:
        yield Check("archive", "failed", error.message, error.hint or "Run 'kubedossier verify'.")
        ledger = None
    if ledger is not None:
        yield _archive(root, ledger)
    yield _clock(ledger, now)
    yield from _witness(ledger)
    yield from _room(root)


def _program() -> Check:
    try:
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in _LIBRARIES)
    except metadata.PackageNotFoundError as error:
        return Check("program", "failed", f"the package {error.name} is missing", "Install kubedossier again.")
    if sys.platform not in ("linux", "darwin"):
        return Check("program", "warning", f"{sys.platform} is not supported", "Linux and macOS are.")
    return Check("program", "ok", f"Python {platform.python_version()} on {sys.platform}; {versions}")


def _archive(root: Path, ledger: Ledger) -> Check:
    if not ledger.entries:
        place = _nearest(root)
        if not (is_folder(place) and os.access(place, os.W_OK | os.X_OK)):
            return Check("archive", "failed", f"'{root}' cannot be made: '{place}' may not be written", _OTHER)
        return Check("archive", "ok", f"none at '{root}' yet", "'kubedossier snapshot' or 'import' makes it.")
    seq, digest = ledger.head
    what = f"'{root}', head {seq}:{digest[:16]}"
    closed = [name for name in ("", "ledger", "events", "tmp") if _is_closed(root / name)]
    if closed:
        return Check("archive", "warning", f"{what}; it can be read and not written", _OTHER)
    if not ledger.live():
        return Check("archive", "ok", f"{what}; it holds no event yet")
    return Check("archive", "ok", f"{what}; 'kubedossier verify' looks at what it holds")


_OTHER = "Give this user the right to write there, or name another folder with --archive."


def _is_closed(folder: Path) -> bool:
    return os.path.lexists(folder) and not os.access(folder, os.W_OK | os.X_OK)


def _nearest(path: Path) -> Path:
    """The path, or the folder above it that is there already and would hold it."""
    return next(one for one in (path, *path.absolute().parents) if os.path.lexists(one))


_JUST_WRITTEN = timedelta(minutes=1)
"""What a writer at work may have added since it was asked what time it is."""


def _clock(ledger: Ledger | None, now: datetime) -> Check:
    """The clock against what cannot be later than now."""
    last = read_time(ledger.entries[-1]["at"]) if ledger and ledger.entries else None
    if now < _BUILT:
        return Check("clock", "failed", f"this machine says it is {now:%Y-%m-%d}", "Set the clock, best by NTP.")
    if last and last > now + _JUST_WRITTEN:
        found = f"the ledger's newest entry is of {last:%Y-%m-%d %H:%M:%S} UTC, which is yet to come"
        return Check("clock", "failed", found, "Set the clock of this machine, or look who wrote that entry.")
    return Check("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC, after all that the ledger holds")


def _witness(ledger: Ledger | None) -> Iterator[Check]:
    """Whether heads can be kept outside the archive, and whether this one is."""
    if ledger is None:
        return
    try:
        path = witness.path_of(ledger.archive_id or "new")
        known = witness.heads(ledger.archive_id) if ledger.entries else {}
        if max(known, default=0) > ledger.head[0]:
            ledger = Ledger.read(ledger.root)  # a writer at work may have added to both meanwhile
    except (OSError, RuntimeError) as error:
        yield Check("witness", "failed", f"heads cannot be kept: {witness.reason(error)}", _WITNESS)
        return
    place = _nearest(path)
    seq, digest = ledger.head
    if not os.access(place, os.W_OK):
        yield Check("witness", "failed", f"'{path}' cannot be written", _WITNESS)
    elif known.get(seq, digest) != digest or max(known, default=0) > seq:
        yield Check("witness", "failed", f"'{path}' knows another head than the archive's", "Run 'kubedossier verify'.")
    elif ledger.entries and seq not in known:
        found = f"'{path}' does not know the head of this archive"
        yield Check("witness", "warning", found, "Compare the head with one kept elsewhere: kubedossier verify --head.")
    else:
        yield Check("witness", "ok", f"'{path}'")


_WITNESS = "Have KUBEDOSSIER_WITNESS name a file outside the archive that can be written."


def _room(root: Path) -> Iterator[Check]:
    """Room where the archive is or will be, and where temporary files go."""
    place = _nearest(root)
    yield _free("disk", place, f"where the archive is, '{place}'")
    try:
        with tempfile.NamedTemporaryFile(prefix="kubedossier-doctor-") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        found = f"no file can be written in '{tempfile.gettempdir()}': {error.strerror}"
        yield Check("temporary files", "failed", found, "Have TMPDIR name a folder that can be written.")
        return
    yield _free("temporary files", Path(tempfile.gettempdir()), f"in '{tempfile.gettempdir()}'")


def _free(topic: str, place: Path, where: str) -> Check:
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:,.1f} GiB free {where}"
    if free < LEAST_FREE_BYTES:
        return Check(topic, "failed", found, "Make room: an import or a report needs some hundred megabytes.")
    if free < ENOUGH_FREE_BYTES:
        return Check(topic, "warning", found, "Make room before the next import.")
    return Check(topic, "ok", found)
