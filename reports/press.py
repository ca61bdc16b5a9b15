"""Has the report set as PDF by a child process that may use so much memory and time, and gives the file or an error.

What events hold steers the renderer and its native libraries; they run apart from the archive, from the secrets of
the environment and from the process that writes files. The child's work lies in a folder that is gone afterwards,
however it ends; a file that is not complete is never given back.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kubedossier.analytics.errors import KubedossierError, StorageError
from kubedossier.reports.model import Report

Paper = Literal["a4", "letter"]
PROGRAM = ("-P", "-m", "kubedossier.reports.typesetter")
"""The child, as arguments of this interpreter; ``-P`` keeps modules of the working folder out."""
JOB, DONE, FAILED, SAID = "job.pickle", "report.pdf", "failed.json", "said.txt"
_PASSED_ON = (
    "PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
)  # fmt: skip
_INSTEAD = "Ask for a shorter period or fewer frameworks; '-f json' gives the same numbers without the renderer."
_FAULT = "Run again with -vv and send the output to the developers; '-f json' gives the same numbers."


@dataclass(frozen=True, slots=True)
class Limits:
    """What the child may use at most; memory is its address space, which macOS does not limit."""

    seconds: float = 300.0
    memory_bytes: int = 1024 * 1024 * 1024


LIMITS = Limits()


def pdf_bytes(report: Report, *, paper: Paper = "a4", limits: Limits = LIMITS) -> bytes:
    """The report as PDF/A-3a and PDF/UA-1 with the evidence attached; the same report gives the same bytes.

    Raises:
        KubedossierError: it was not made: the renderer failed, was killed, or needed more than it may have.
        StorageError: there is no room for temporary files.
    """
    with _folder() as folder:
        try:
            with (folder / JOB).open("wb") as job:
                pickle.dump((report, paper), job, protocol=pickle.HIGHEST_PROTOCOL)
            code = _run(folder, limits)
            data = (folder / DONE).read_bytes() if code == 0 else b""
        except OSError as error:
            raise no_room(error) from error
        if code:
            raise _failure(code, folder, limits)
        if not (data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")):
            raise _not_made("what the renderer left is no PDF", _FAULT)
        return data


def _run(folder: Path, limits: Limits) -> int:
    """Run the child to its end; its exit code, or the negative number of the signal that ended it.

    Its standard input is a pipe to this process: where that closes, because this process died, the child goes, too.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0", "TMPDIR": str(folder)}
    command = [sys.executable, *PROGRAM, str(folder), str(limits.memory_bytes), str(limits.seconds)]
    with (folder / SAID).open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            command,
            stdin=subprocess.PIPE,
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
        assert process.stdin is not None
        process.stdin.close()


def _failure(code: int, folder: Path, limits: Limits) -> KubedossierError:
    """What went wrong, in the child's words where it had time for some."""
    if code == -signal.SIGXCPU:
        return _not_made(f"the renderer needed more than {limits.seconds:,.0f} seconds", _INSTEAD)
    if code < 0:
        name = signal.Signals(-code).name
        return _not_made(f"the renderer was ended by {name}, perhaps for want of memory", _INSTEAD)
    with suppress(OSError, ValueError, KeyError, TypeError, StopIteration):
        told = json.loads((folder / FAILED).read_text("utf-8"))
        if told["memory"]:
            limit = f"{limits.memory_bytes / 2**20:,.0f} MiB"
            return _not_made(f"the renderer needed more memory than the {limit} it may have", _INSTEAD)
        every: tuple[type[KubedossierError], ...] = (*KubedossierError.__subclasses__(), KubedossierError)
        kind = next(one for one in every if one.exit_code == told["exit_code"])
        return kind(str(told["message"]), hint=str(told["hint"]))
    error = _not_made(f"the renderer ended with {code}", _FAULT)
    error.add_note(_last_words(folder / SAID))
    return error


def _last_words(path: Path) -> str:
    with suppress(OSError), path.open("rb") as said:
        said.seek(max(0, path.stat().st_size - 4000))
        return said.read().decode("utf-8", "replace")
    return ""


def _not_made(reason: str, hint: str) -> KubedossierError:
    return KubedossierError(f"The report was not made: {reason}", hint=hint)


def no_room(error: OSError) -> StorageError:
    """What to say where temporary files cannot be written."""
    return StorageError(
        f"The report was not made: no temporary files: {error.strerror}",
        hint="Make room, or have TMPDIR name a folder that can be written.",
    )


@contextmanager
def _folder() -> Iterator[Path]:
    """A private folder for the child's work, gone when the block ends."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="kubedossier-report-"))
    except OSError as error:
        raise no_room(error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
