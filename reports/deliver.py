"""Copies of finished documents where people look for them: all of them, complete, or none.

A folder must be there already: making it could fill the disk below a mount that failed. Nothing is written through a
symbolic link, since whoever may place one could have the document overwrite another's file.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kubedossier.analytics.errors import StorageError
from kubedossier.analytics.store.commit import storage_errors
from kubedossier.analytics.store.folders import fsync
from kubedossier.analytics.there import is_folder

MODE = 0o644
LEFT_S = 3600
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC


@contextmanager
def placed(documents: Mapping[str, bytes], folders: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """The documents in each folder, complete and durable, while the block runs; they stay if the block ends well.

    Otherwise every copy is taken back, and what had its name before has it again.

    Args:
        documents: each by the name of its file.
        folders: where to; each must be there and be no symbolic link.

    Raises:
        StorageError: a folder is missing or cannot be written, or a link or folder has the name.
    """
    folders = tuple(dict.fromkeys(folders))
    with ExitStack() as stack:
        copies = [
            stack.enter_context(_copy(folder, name, data)) for folder in folders for name, data in documents.items()
        ]
        for copy in copies:
            copy.appear()
        yield tuple(folder / name for folder in folders for name in documents)
        for copy in copies:
            copy.stays = True


class _Copy:
    """One copy: first a hidden file beside its place, then in its place."""

    def __init__(self, folder: Path, name: str) -> None:
        token = secrets.token_hex(4)
        self.path, self.name = folder / name, name
        self.draft, self.former = f".{name}.{token}.new", f".{name}.{token}.old"
        self.stays = False
        self._appeared = self._replaced = False
        self._folder = os.open(folder, _FOLDER)

    def write(self, data: bytes) -> None:
        """Write the hidden file, durably."""
        self._clear_left()
        descriptor = os.open(self.draft, _NEW, MODE, dir_fd=self._folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            fsync(file.fileno())

    def appear(self) -> None:
        """Give it its name; what had the name is kept until the end."""
        with storage_errors(f"Delivering '{self.path}'"):
            try:
                mode = os.stat(self.name, dir_fd=self._folder, follow_symlinks=False).st_mode
            except FileNotFoundError:
                mode = None
            if mode is not None and not stat.S_ISREG(mode):
                what = "a symbolic link" if stat.S_ISLNK(mode) else "no file"
                raise StorageError(f"'{self.path}' is {what}; nothing was delivered", hint="Move it away.")
            if mode is not None:
                os.link(
                    self.name,
                    self.former,
                    src_dir_fd=self._folder,
                    dst_dir_fd=self._folder,
                    follow_symlinks=False,
                )
                self._replaced = True
            self._move(self.draft, self.name)
            self._appeared = True
            self._sync()

    def close(self) -> None:
        """Take back what shall not stay, and clear up."""
        try:
            if self._appeared and not self.stays:
                with suppress(OSError):
                    if self._replaced:
                        self._move(self.former, self.name)
                    else:
                        os.unlink(self.name, dir_fd=self._folder)
            for left in (self.draft, self.former):
                with suppress(OSError):
                    os.unlink(left, dir_fd=self._folder)
        finally:
            os.close(self._folder)

    def _clear_left(self) -> None:
        """Remove what a killed process left of this document; what is young may be somebody's who is at it."""
        pattern = re.compile(rf"\.{re.escape(self.name)}\.[0-9a-f]{{8}}\.(new|old)")
        for left in filter(pattern.fullmatch, os.listdir(self._folder)):  # noqa: PTH208 - of a descriptor
            with suppress(OSError):
                if time.time() - os.stat(left, dir_fd=self._folder, follow_symlinks=False).st_ctime > LEFT_S:
                    os.unlink(left, dir_fd=self._folder)

    def _move(self, old: str, new: str) -> None:
        os.replace(old, new, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _sync(self) -> None:
        try:
            fsync(self._folder)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network file systems may not know it for folders
                raise


@contextmanager
def _copy(folder: Path, name: str, data: bytes) -> Iterator[_Copy]:
    if folder.is_symlink():
        raise StorageError(
            f"'{folder}' is a symbolic link; nothing was delivered", hint="Name the folder itself in 'deliver'."
        )
    if not is_folder(folder):
        raise StorageError(
            f"There is no folder '{folder}' to deliver to; nothing was delivered", hint="Make it, or mount it."
        )
    with storage_errors(f"Delivering to '{folder}'"):
        copy = _Copy(folder, name)
    try:
        with storage_errors(f"Delivering to '{folder}'"):
            copy.write(data)
        yield copy
    finally:
        copy.close()
