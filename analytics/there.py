"""Whether something is there: what may not be looked at is an error, and never taken for gone.

From Python 3.14 on, ``Path.exists``, ``is_dir`` and ``is_file`` answer no where the system refuses to tell; of an
archive, a report or a configuration that would be a lie.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def is_there(path: Path) -> bool:
    """Whether there is anything, symbolic links followed.

    Raises:
        OSError: the system does not tell, such as for want of a permission.
    """
    return _mode(path) != 0


def is_folder(path: Path) -> bool:
    """Whether there is a folder, symbolic links followed; raises as ``is_there``."""
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    """Whether there is a plain file, symbolic links followed; raises as ``is_there``."""
    return stat.S_ISREG(_mode(path))


def _mode(path: Path) -> int:
    """The mode of what is there; 0 where nothing is."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0
    except OSError as error:
        if error.errno == errno.ELOOP:
            return 0
        raise
