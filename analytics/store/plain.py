"""Plain files opened as such: what stands in a file's place may be a pipe, a device or a file without end.

An archive is read by whoever is handed one. Nothing here may wait for a writer at the other end of a pipe, or take more
memory than was asked for.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


class NotPlainError(OSError):
    """Something else than a plain file, or one that is too large, has the name."""


def open_plain(path: Path) -> BufferedReader:
    """Open a file for reading, where it is one.

    Raises:
        NotPlainError: it is a folder, a pipe, a socket or a device.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _not_plain(path, "no plain file") if error.errno == errno.ENXIO else error from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_plain(path, "no plain file")
    return os.fdopen(descriptor, "rb")


def plain_reason(error: Exception) -> str:
    """Why a file cannot be read, in one line; what Arrow tells of the system's errors repeats them thrice."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else (str(error).splitlines() or [type(error).__name__])[0]


def read_plain(path: Path, most_bytes: int) -> bytes:
    """The bytes of a file.

    Raises:
        NotPlainError: it is no plain file, or larger than that.
        OSError: it cannot be read.
    """
    with open_plain(path) as file:
        data = file.read(most_bytes + 1) if os.fstat(file.fileno()).st_size <= most_bytes else b""
        if len(data) > most_bytes or os.fstat(file.fileno()).st_size > most_bytes:
            raise _not_plain(path, f"a file of more than {most_bytes:,} bytes")
        return data


def _not_plain(path: Path, what: str) -> NotPlainError:
    return NotPlainError(errno.EINVAL, what, str(path))
