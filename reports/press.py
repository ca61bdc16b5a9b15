"""Has the report set as PDF by a child process: what events hold steers the renderer and its native libraries.

So they run apart from the archive and from the process that writes files, and a file that is not whole is never given
back.
"""

from __future__ import annotations

import json
from typing import Literal

from kubedossier.analytics.errors import KubedossierError
from kubedossier.reports.composing import filled_sections
from kubedossier.reports.confinement import LIMITS, EndedError, Limits, result
from kubedossier.reports.model import Report

Paper = Literal["a4", "letter"]
PROGRAM = ("-P", "-m", "kubedossier.reports.typesetter")
"""The child, as arguments of this interpreter; ``-P`` keeps modules of the working folder out."""
CUT_BY = "fonts cut by"
"""Stands in the list of libraries before the one that cuts fonts down to the characters that are used."""
_LESS = "Ask for a shorter period or fewer frameworks; '-f json' gives the same numbers without the renderer."
_FAULT = "Run again with -vv and send the output to the developers; '-f json' gives the same numbers."


def pdf_bytes(report: Report, *, paper: Paper = "a4", limits: Limits = LIMITS) -> bytes:
    """The report as PDF/A-3a and PDF/UA-1 with the evidence attached; the same report gives the same bytes.

    Raises:
        KubedossierError: it was not made: the renderer failed, was killed, or needed more than it may have.
        UsageError: a template of the user's fails or takes too much.
        StorageError: there is no room for temporary files.
    """
    own = filled_sections(report, "paper") if report.own else ()
    try:
        data = result(PROGRAM, (report, paper, own), limits)
    except EndedError as error:
        raise _not_made(f"the renderer {error}", _LESS if error.overrun else _FAULT) from error
    if not (data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")):
        raise _not_made("what the renderer left is no PDF", _FAULT)
    return data


def libraries(*, limits: Limits = LIMITS) -> tuple[tuple[str, str], ...]:
    """The libraries that set the page here, with their versions; the last says what cuts the fonts.

    Raises:
        KubedossierError: native libraries are missing, and the hint says how to install them.
    """
    try:
        return tuple((name, version) for name, version in json.loads(result(PROGRAM, None, limits)))
    except EndedError as error:
        raise KubedossierError(f"The renderer {error}", hint=_FAULT) from error


def _not_made(reason: str, hint: str) -> KubedossierError:
    return KubedossierError(f"The report was not made: {reason}", hint=hint)
