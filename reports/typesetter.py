"""The program that sets a report as PDF, in a process of its own: ``press`` starts it, and nobody else may."""

from __future__ import annotations

import gc
import json

from kubedossier.reports import render
from kubedossier.reports.confinement import child
from kubedossier.reports.model import Report
from kubedossier.reports.press import Paper

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""The renderer makes many objects that last as long as the document, and few that only the collector frees: looking
for those after every 700 new ones, as Python does, is a tenth of the work and finds next to nothing."""


def typeset(job: tuple[Report, Paper, tuple[str, ...]] | None) -> bytes:
    """The report with its own sections, as they were filled, on its paper; without a job, what it would be set with."""
    if job is None:
        return json.dumps(render.versions()).encode()
    report, paper, own = job
    return render.pdf_bytes(report, paper=paper, own=own)


if __name__ == "__main__":
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    child(typeset, prepare=render.versions)
