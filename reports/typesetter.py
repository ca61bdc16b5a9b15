"""The program that sets a report as PDF, in a process of its own: ``press`` starts it, and nobody else may.

It reads the frozen report that its parent wrote, takes no other input, and leaves a whole PDF or the reason why there
is none. Where its parent dies, by whatever signal, it clears its folder and ends.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import sys
import threading
from pathlib import Path

from kubedossier.analytics.errors import KubedossierError
from kubedossier.reports import render
from kubedossier.reports.press import DONE, FAILED, JOB, no_room

LARGEST_BYTES = 512 * 1024 * 1024
_FAILURE = 1


def main(folder: Path, memory_bytes: int, seconds: float) -> int:
    """Set the report that lies in the folder; the exit code."""
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    try:
        render.versions()  # the libraries' own memory and time is none that an event could have caused
        _limit(memory_bytes, seconds)
        with (folder / JOB).open("rb") as job:
            report, paper = pickle.load(job)  # noqa: S301 - written by the parent, in a folder of its own
        (folder / DONE).write_bytes(render.pdf_bytes(report, paper=paper))
        return 0
    except MemoryError:
        return _told(folder, memory=True)
    except KubedossierError as error:
        return _told(folder, error)
    except OSError as error:
        return _told(folder, no_room(error))


def _told(folder: Path, error: KubedossierError | None = None, *, memory: bool = False) -> int:
    """Leave the reason for the parent."""
    reason: dict[str, object] = {"memory": memory}
    if error is not None:
        reason |= {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    (folder / FAILED).write_text(json.dumps(reason), "utf-8")
    return _FAILURE


def _limit(memory_bytes: int, seconds: float) -> None:
    """Bind this process to so much; no core is ever written, for it would hold what the events hold."""
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


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
