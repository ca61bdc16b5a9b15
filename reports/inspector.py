"""The program that holds a report against the rules, in a process of its own: ``check`` starts it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from kubedossier.reports.check import judged
from kubedossier.reports.confinement import child


def inspect(job: str) -> bytes:
    """The verdict on the file with this path, as JSON."""
    return json.dumps(dataclasses.asdict(judged(Path(job)))).encode()


if __name__ == "__main__":
    child(inspect)
