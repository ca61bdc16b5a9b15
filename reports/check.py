"""Checks a finished report: closed, archival, readable by everybody, and its evidence is what it says.

The file may come from anywhere, so nothing in it is run, followed or written to disk, and it is read in a child process
bound in memory and time; no stream is unpacked before its size is known. Every rule looks at all of it.
Each rule has one reason to fail; all findings are returned. What the rules hold is no claim of conformity by an
independent judge: that is veraPDF's, where it is on the machine.

Source: ISO 19005-3 (PDF/A-3), ISO 14289-1 (PDF/UA-1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.store.plain import open_plain
from kubedossier.analytics.store.verify import Finding
from kubedossier.reports import check_evidence, check_rules
from kubedossier.reports.check_document import Document, Rule
from kubedossier.reports.check_streams import bounded_streams
from kubedossier.reports.confinement import LIMITS, EndedError, Limits, result

RULES: tuple[Rule, ...] = (bounded_streams, *check_rules.RULES, *check_evidence.RULES)
PROGRAM = ("-P", "-m", "kubedossier.reports.inspector")
LARGEST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a check.

    Attributes:
        rules: how many were applied; number, seal and head: of the report, empty or 0 where they cannot be read.
        made_with: what counted and what set the pages, each with its version; empty where it does not say.
    """

    findings: tuple[Finding, ...]
    rules: int
    number: str
    seal: str
    head: tuple[int, str]
    made_with: tuple[str, ...] = ()


def is_report(path: Path) -> bool:
    """Whether a file is a PDF, by its first bytes."""
    try:
        with open_plain(path) as handle:
            return handle.read(5) == b"%PDF-"
    except OSError:
        return False


def check_report(path: Path, *, limits: Limits = LIMITS) -> Verdict:
    """Hold a report against every rule, in a child process bound in memory and time.

    Raises:
        IntegrityError: it cannot be opened as a PDF at all, or is made to use up memory or time.
        StorageError: it cannot be read.
    """
    try:
        told = json.loads(result(PROGRAM, str(path.absolute()), limits))
    except EndedError as error:
        if not error.overrun:
            raise
        raise IntegrityError(
            f"'{path}' cannot be checked: what reads it {error}, which no report of this program needs",
            hint="Do not open it; ask for another copy.",
        ) from error
    findings = tuple(Finding(**one) for one in told["findings"])
    head, made_with = (told["head"][0], told["head"][1]), tuple(told["made_with"])
    return Verdict(findings, told["rules"], told["number"], told["seal"], head, made_with)


def judged(path: Path) -> Verdict:
    """As ``check_report``, in this process and without its limits; for the child."""
    import pikepdf

    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise IntegrityError(f"'{path}' is larger than {LARGEST_BYTES:,} bytes and no report of this program")
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"Cannot read '{path}': {error.strerror}") from error
    try:
        with pikepdf.open(path) as pdf:
            return _judged(Document(pdf, data))
    except (pikepdf.PdfError, pikepdf.PasswordError) as error:
        raise IntegrityError(f"'{path}' cannot be opened as a PDF: {error}", hint="Ask for another copy.") from error


def _judged(document: Document) -> Verdict:
    import pikepdf

    findings = list(bounded_streams(document))
    if findings:  # no other rule may unpack them
        return Verdict(tuple(findings), len(RULES), "", "", (0, ""))
    for rule in RULES[1:]:
        try:
            findings += rule(document)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, pikepdf.PdfError) as error:
            findings.append(Finding(_name(rule), "the file", "a structure that can be read", str(error)[:80] or "none"))
    facts = check_evidence.facts(document)
    return Verdict(tuple(findings), len(RULES), facts.number, facts.seal, facts.head, facts.made_with)


def _name(rule: Rule) -> str:
    return rule.__name__.replace("_", "-")
