"""The program that sets a report as PDF, in a process of its own: ``press`` starts it, and nobody else may."""

from __future__ import annotations

import json

from kubedossier.reports import render
from kubedossier.reports.confinement import child
from kubedossier.reports.model import Report
from kubedossier.reports.press import Paper


def typeset(job: tuple[Report, Paper, tuple[str, ...]] | None) -> bytes:
    """The report with its own sections, as they were filled, on its paper; without a job, what it would be set with."""
    if job is None:
        return json.dumps(render.versions()).encode()
    report, paper, own = job
    return render.pdf_bytes(report, paper=paper, own=own)


if __name__ == "__main__":
    child(typeset, prepare=render.versions)
