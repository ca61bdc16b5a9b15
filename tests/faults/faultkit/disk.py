"""The disk as a program sees it: every call that changes files counted, recorded, and made to fail on demand.

It replaces functions of ``os`` inside a child process, so the product runs unmodified above it. Only calls below the
watched folder count; everything else passes through.
"""

# What stands below pathlib cannot be written with it.

from __future__ import annotations

import errno
import fcntl
import io
import os
import pickle
import signal
import threading
from pathlib import Path

# What happens at the chosen call. "after": the call was done, and its result lost, as on a network file system.
ACTIONS = ("eio", "enospc", "eio-after", "kill", "torn-enospc", "torn-kill")
QUOTA = ("edquot", "torn-edquot")  # as a full disk, told as what it is
FSYNC = "fsync-eio"  # counts calls of fsync only
_ERRNO = {
    "eio": errno.EIO,
    FSYNC: errno.EIO,
    "enospc": errno.ENOSPC,
    "eio-after": errno.EIO,
    "torn-enospc": errno.ENOSPC,
    "edquot": errno.EDQUOT,
    "torn-edquot": errno.EDQUOT,
}


class Disk:
    """Stands between a program and ``os``; operations go to ``record`` as they happen."""

    buffer_bytes = io.DEFAULT_BUFFER_SIZE
    installed = None

    def __init__(self, watched, action=None, at=0, record=None):
        self.watched = os.path.realpath(watched)
        self.action, self.at = action, at
        self.calls = self.matching = 0
        self.one_at_a_time = threading.RLock()
        self.paths = {}
        self.record = open(record, "wb") if record else None  # noqa: SIM115 - lives as long as the child
        self.real = {
            name: getattr(os, name)
            for name in ("open", "close", "write", "fsync", "rename", "replace", "link", "unlink", "mkdir", "fdopen")
        }

    def install(self):
        Disk.installed = self
        for name in self.real:
            setattr(os, name, getattr(self, name))

    def note(self, *operation):
        if self.record:
            pickle.dump(operation, self.record)
            self.record.flush()

    def _inside(self, path):
        if not isinstance(path, str | os.PathLike):
            return None
        found = os.path.join(os.path.realpath(os.path.dirname(os.fspath(path)) or "."), os.path.basename(path))
        return found if found == self.watched or found.startswith(self.watched + "/") else None

    def _call(self, do, torn, *operation):
        with self.one_at_a_time:
            return self._counted(do, torn, operation)

    def _counted(self, do, torn, operation):
        self.calls += 1
        self.matching += operation[0] == "fsync" or self.action != FSYNC
        if self.action and self.matching == self.at and (self.action != FSYNC or operation[0] == "fsync"):
            if self.action.startswith("torn") and torn:
                torn()
            if self.action == "eio-after" and operation[0] != "open":
                do()
            if self.action.endswith("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            code = _ERRNO[self.action]
            raise OSError(code, os.strerror(code), operation[1])
        result = do()
        self.note(*operation)
        return result

    def open(self, path, flags, mode=0o777, **more):
        where = self._inside(path)
        if where is None or flags & os.O_NONBLOCK:  # so is opened what is only read; it changes nothing
            return self.real["open"](path, flags, mode, **more)
        new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        descriptor = self._call(lambda: self.real["open"](path, flags, mode, **more), None, "open", where, new)
        self.paths[descriptor] = where
        return descriptor

    def close(self, descriptor):
        self.paths.pop(descriptor, None)
        self.real["close"](descriptor)

    def write(self, descriptor, data):
        where = self.paths.get(descriptor)
        if where is None:
            return self.real["write"](descriptor, data)
        data = bytes(data)
        return self._call(
            lambda: self.real["write"](descriptor, data),
            lambda: self.real["write"](descriptor, data[: len(data) // 2]),
            "write",
            where,
            _position(descriptor),
            data,
        )

    def fdopen(self, descriptor, mode="r", *args, **more):
        if descriptor not in self.paths or mode not in _BUFFERS:
            return self.real["fdopen"](descriptor, mode, *args, **more)
        return _BUFFERS[mode](_Raw(self, descriptor), self.buffer_bytes)

    def fsync(self, descriptor):
        where = self.paths.get(descriptor)
        if where is None:
            return self.real["fsync"](descriptor)
        return self._call(lambda: None, None, "fsync", where)  # real durability is not what is tested

    def rename(self, source, target, **more):
        return self._two("rename", source, target, more)

    def replace(self, source, target, **more):
        return self._two("replace", source, target, more)

    def link(self, source, target, **more):
        return self._two("link", source, target, more)

    def _two(self, name, source, target, more):
        where = self._inside(source)
        if where is None:
            return self.real[name](source, target, **more)
        return self._call(lambda: self.real[name](source, target, **more), None, name, where, self._inside(target))

    def unlink(self, path, **more):
        return self._one("unlink", path, lambda: self.real["unlink"](path, **more))

    def mkdir(self, path, mode=0o777, **more):
        return self._one("mkdir", path, lambda: self.real["mkdir"](path, mode, **more))

    def _one(self, name, path, do):
        where = self._inside(path)
        return do() if where is None else self._call(do, None, name, where)


_BUFFERS = {"wb": io.BufferedWriter, "w+b": io.BufferedRandom}


def _position(descriptor):
    """Where the next write goes."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND:
        return os.fstat(descriptor).st_size
    return os.lseek(descriptor, 0, os.SEEK_CUR)


class _Raw(io.RawIOBase):
    def __init__(self, disk, descriptor):
        self._disk, self._descriptor = disk, descriptor

    def fileno(self):
        return self._descriptor

    def writable(self):
        return True

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        return os.lseek(self._descriptor, offset, whence)

    def readinto(self, buffer):
        data = os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data):
        return self._disk.write(self._descriptor, data)

    def close(self):
        if not self.closed:
            super().close()
            self._disk.close(self._descriptor)


class Out(io.TextIOBase):
    """Standard output that records when something was acknowledged."""

    def __init__(self, disk, file):
        self._disk, self._file = disk, file

    def writable(self):
        return True

    def write(self, text):
        self._file.write(text)
        self._file.flush()
        self._disk.note("said", text)
        return len(text)


def operations(record: Path):
    """What was recorded, in order."""
    found = []
    with record.open("rb") as file:
        while True:
            try:
                found.append(pickle.load(file))
            except EOFError:
                return found
