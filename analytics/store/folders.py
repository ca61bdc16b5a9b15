"""Folders and descriptors made durable: what a power loss may take back, and how it is kept from it.

A name in a folder is durable only when that folder was synced, and the folder itself only when its parent was. Nothing
here trusts that an earlier run got that far: a folder that stands already is synced once more by whoever uses it first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.there import is_file, is_there

FOLDER_MODE, FILE_MODE = 0o700, 0o600
NOT_EVIDENCE = frozenset(("reports", "lost+found"))
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def fsync(descriptor: int) -> None:
    """Make a file durable; on macOS down to the medium, where the file system can do that."""
    if sys.platform == "darwin":
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable; a file system that has no such operation is taken as it is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """A folder of ours, its name durable when this returns, even where an interrupted run had made it.

    Raises:
        IntegrityError: something that is no folder, or a symbolic link, stands in its place.
    """
    try:
        os.mkdir(path, FOLDER_MODE)  # noqa: PTH102
        path.chmod(FOLDER_MODE)  # a umask that is right for files may have taken too much
    except FileExistsError:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise no_place(path) from None
    fsync_folder(path.parent)


def make_root(path: Path) -> None:
    """The archive's own folder, durable up to the root of its file system as far as it may be read."""
    if not is_there(path):
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        path.chmod(FOLDER_MODE)
    real = path.resolve()
    device = real.stat().st_dev
    for parent in real.parents:
        if parent.stat().st_dev != device:
            return
        with suppress(PermissionError):
            fsync_folder(parent)


def add_name(source: Path, target: Path) -> None:
    """Give a file a second name, in one step, where nothing has that name.

    Raises:
        FileExistsError: something has it.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        # A network file system may have done what it then denies.
        if not os.path.samestat(source.lstat(), target.lstat()):
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: the lock alone keeps another writer out.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(source, target)  # noqa: PTH104


def no_place(path: Path) -> IntegrityError:
    """The error for something in an archive that is a symbolic link, or no folder or file where one should be."""
    what = "should be a folder of the archive and is none"
    if path.is_symlink():
        what = "is a symbolic link"
    elif not is_file(path):
        what = "is neither a file nor a folder"
    return IntegrityError(f"'{path}' {what}", hint="Move it away; an archive holds its folders and files itself.")


def refuse_odd(root: Path) -> None:
    """Look through an archive for what is neither file nor folder; output beside the evidence (reports/) may have it.

    A symbolic link would lead elsewhere, and whoever opens a pipe waits for ever.

    Raises:
        IntegrityError: there is one.
    """
    with os.scandir(root) as inside:
        found = [path for one in inside if one.name not in NOT_EVIDENCE for path in _odd(one)]
    if found:
        raise no_place(min(found))


def _odd(entry: os.DirEntry[str]) -> Iterator[Path]:
    """What is neither a file nor a folder, at and below an entry of a folder."""
    if entry.is_dir(follow_symlinks=False):
        with os.scandir(entry.path) as inside:
            for one in inside:
                yield from _odd(one)
    elif not entry.is_file(follow_symlinks=False):
        yield Path(entry.path)
