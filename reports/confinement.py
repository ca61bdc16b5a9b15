"""Runs work that strangers' data steer in a child process, bound in memory and time, and gives its bytes or the reason.

The child gets a job and leaves bytes; it sees no secret of the environment. Its files lie in a folder that is gone
afterwards, however it ends, and where its parent dies, by whatever signal, it clears that folder and ends as well.
Bytes that it left without ending well are never given back.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubedossier.analytics.errors import KubedossierError, StorageError

JOB, DONE, FAILED, SAID = "job.pickle", "done", "failed.json", "said.txt"
LARGEST_BYTES = 512 * 1024 * 1024
"""What a child may write into one file."""
_PASSED_ON = (
    "PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
)  # fmt: skip
_FAILURE = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use at most; memory is its address space, which macOS does not limit."""

    seconds: float = 300.0
    memory_bytes: int = 1024 * 1024 * 1024


LIMITS = Limits()


class EndedError(Exception):
    """The child ended without a result; the text says how, as the end of a sentence about it.

    ``overrun`` is whether it needed more than it may have, or looks so.
    """

    def __init__(self, how: str, *, overrun: bool) -> None:
        super().__init__(how)
        self.overrun = overrun


def result(program: tuple[str, ...], job: object, limits: Limits = LIMITS) -> bytes:
    """Have a program, given as arguments of this interpreter, do a job; the bytes it leaves.

    Raises:
        EndedError: it was killed, needed more than it may have, or failed.
        KubedossierError: the one that its work raised.
        StorageError: there is no room for temporary files.
    """
    with _folder() as folder:
        try:
            with (folder / JOB).open("wb") as file:
                pickle.dump(job, file, protocol=pickle.HIGHEST_PROTOCOL)
            code = _run(program, folder, limits)
            if code == 0:
                return (folder / DONE).read_bytes()
        except FileNotFoundError as error:
            raise EndedError("left nothing", overrun=False) from error
        except OSError as error:
            raise _no_room(error) from error
        raise _failure(code, folder, limits)


def child(work: Callable[[Any], bytes], *, prepare: Callable[[], object] = lambda: None) -> None:
    """Be the child: do the job, and end the process.

    ``prepare`` loads libraries before the limits hold, since what they take no job has caused.
    """
    folder, memory_bytes, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    try:
        prepare()
        _bind(memory_bytes, seconds)
        with (folder / JOB).open("rb") as file:
            job = pickle.load(file)  # noqa: S301 - written by the parent, in a folder of its own
        (folder / DONE).write_bytes(work(job))
    except MemoryError:
        _tell(folder, memory=True)
    except KubedossierError as error:
        _tell(folder, error)
    except OSError as error:
        _tell(folder, _no_room(error))
    else:
        sys.exit(0)
    sys.exit(_FAILURE)


def _run(program: tuple[str, ...], folder: Path, limits: Limits) -> int:
    """Run the child to its end; its exit code, or the negative number of the signal that ended it.

    Its standard input is a pipe to this process: where that closes, because this process died, the child goes, too.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "TMPDIR": str(folder)}
    command = [sys.executable, *program, str(folder), str(limits.memory_bytes), str(limits.seconds)]
    with (folder / SAID).open("wb") as said, _lifeline() as held:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            command,
            stdin=held,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=environment,
            start_new_session=True,
        )
        try:
            return process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            return -signal.SIGXCPU
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def _lifeline() -> Iterator[int]:
    """A pipe that ends with the block, even where Ctrl-C comes before it is known which process holds its other end."""
    held, ours = os.pipe()
    try:
        yield held
    finally:
        os.close(held)
        os.close(ours)


def _failure(code: int, folder: Path, limits: Limits) -> Exception:
    """What went wrong, in the child's words where it had time for some."""
    if code == -signal.SIGXCPU:
        return EndedError(f"needed more than {limits.seconds:,.0f} seconds", overrun=True)
    if code < 0:
        name = signal.Signals(-code).name
        return EndedError(f"was ended by {name}, perhaps for want of memory", overrun=True)
    with suppress(OSError, ValueError, KeyError, TypeError, StopIteration):
        told = json.loads((folder / FAILED).read_text("utf-8"))
        if told["memory"]:
            limit = f"{limits.memory_bytes / 2**20:,.0f} MiB"
            return EndedError(f"needed more memory than the {limit} it may have", overrun=True)
        every: tuple[type[KubedossierError], ...] = (*KubedossierError.__subclasses__(), KubedossierError)
        kind = next(one for one in every if one.exit_code == told["exit_code"])
        return kind(str(told["message"]), hint=str(told["hint"]))
    error = EndedError(f"ended with {code}", overrun=False)
    error.add_note(_last_words(folder / SAID))
    return error


def _last_words(path: Path) -> str:
    with suppress(OSError), path.open("rb") as said:
        said.seek(max(0, path.stat().st_size - 4000))
        return said.read().decode("utf-8", "replace")
    return ""


def _tell(folder: Path, error: KubedossierError | None = None, *, memory: bool = False) -> None:
    """Leave the reason for the parent."""
    reason: dict[str, object] = {"memory": memory}
    if error is not None:
        reason |= {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    (folder / FAILED).write_text(json.dumps(reason), "utf-8")


def _bind(memory_bytes: int, seconds: float) -> None:
    """Bind this process to so much; no core is ever written, for it would hold what the job holds."""
    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_FSIZE, LARGEST_BYTES),
    ]
    if sys.platform != "darwin":  # whose kernel knows the limit of address space and does not keep it
        wanted.append((resource.RLIMIT_AS, memory_bytes))
    for kind, limit in wanted:
        _, hard = resource.getrlimit(kind)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))


def _end_with_parent(folder: Path) -> None:
    """Wait for the end of standard input, which is the end of the parent, and go the same way."""
    while os.read(0, 4096):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(_FAILURE)


def _no_room(error: OSError) -> StorageError:
    return StorageError(
        f"No temporary files can be written: {error.strerror}",
        hint="Make room, or have TMPDIR name a folder that can be written.",
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """A private folder for the child's work, gone when the block ends."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="kubedossier-child-"))
    except OSError as error:
        raise _no_room(error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
