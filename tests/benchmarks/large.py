"""Archives of any size, made month by month, so that the disk holds the text of one month at a time.

Run as a program: ``python large.py COUNT ARCHIVE``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import events

_IMPORT = [sys.executable, "-m", "kubedossier", "--archive"]


def make(count: int, archive: Path) -> Path:
    """An archive of so many lines over 13 months, an import a month, unless it is there already."""
    if archive.exists():
        return archive
    growing = archive.with_suffix(".growing")
    environ = os.environ | {"KUBEDOSSIER_WITNESS": str(archive.parent / "witness")}
    for piece in _pieces(count, archive.parent):
        done = subprocess.run([*_IMPORT, str(growing), "import", str(piece)], env=environ, stdout=subprocess.DEVNULL)
        if done.returncode not in (0, 4):
            sys.exit(f"The import of {piece} ended with {done.returncode}")
        piece.unlink()
    return growing.rename(archive)


def _pieces(count: int, folder: Path) -> Iterator[Path]:
    """The lines of ``events.lines`` in files of one month each, one after the other."""
    lines, day, number = events.lines(count), 0, 0
    while day < events.DAYS:
        month = (events.START + timedelta(days=day)).strftime("%Y-%m")
        while day < events.DAYS and (events.START + timedelta(days=day)).strftime("%Y-%m") == month:
            day += 1
        piece = folder / f"events-{count}-{month}.ndjson"
        with piece.open("wb", buffering=1 << 20) as file:
            while number * events.DAYS < day * count:
                file.write(next(lines) + b"\n")
                number += 1
        yield piece


if __name__ == "__main__":
    make(int(sys.argv[1]), Path(sys.argv[2]))
