"""The program that checks and fills a user's template, in a process of its own: ``composing`` starts it."""

from __future__ import annotations

from typing import Any

from kubedossier.reports import own_templates, templating
from kubedossier.reports.confinement import child

MACROS = {"paper": "macros.html.j2", "web": "web_macros.html.j2"}
"""The pieces of the document that a section goes into."""


def compose(job: tuple[Any, ...]) -> bytes:
    """Nothing, where a template was only to be checked, else the section's markup."""
    if job[0] == "check":
        own_templates.check(job[1])
        return b""
    _, report, section, medium = job
    return templating.filled("own.html.j2", report=report, one=section, macros=MACROS[medium], files={}).encode()


if __name__ == "__main__":
    child(compose)
