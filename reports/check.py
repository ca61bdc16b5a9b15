"""Checks a finished report: closed, archival, readable by everybody, and its evidence is what it says.

The file may come from anywhere, so nothing in it is run, followed or written to disk; every rule looks at all of it.
Each rule has one reason to fail; all findings are returned. What the rules hold is no claim of conformity by an
independent judge: that is veraPDF's, where it is on the machine.

Source: ISO 19005-3 (PDF/A-3), ISO 14289-1 (PDF/UA-1).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.store.verify import Finding
from kubedossier.reports import check_evidence, check_rules
from kubedossier.reports.check_document import Document, Rule

RULES: tuple[Rule, ...] = (*check_rules.RULES, *check_evidence.RULES)
LARGEST_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a check.

    Attributes:
        rules: how many were applied; number, seal and head: of the report, empty or 0 where they cannot be read.
    """

    findings: tuple[Finding, ...]
    rules: int
    number: str
    seal: str
    head: tuple[int, str]


def is_report(path: Path) -> bool:
    """Whether a file is a PDF, by its first bytes."""
    try:
        with path.open("rb") as handle:
            return handle.read(5) == b"%PDF-"
    except OSError:
        return False


def check_report(path: Path) -> Verdict:
    """Hold a report against every rule.

    Raises:
        IntegrityError: it cannot be opened as a PDF at all.
        StorageError: it cannot be read.
    """
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

    findings: list[Finding] = []
    for rule in RULES:
        try:
            findings += rule(document)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, pikepdf.PdfError) as error:
            findings.append(Finding(_name(rule), "the file", "a structure that can be read", str(error)[:80] or "none"))
    facts = check_evidence.facts(document)
    return Verdict(tuple(findings), len(RULES), facts.number, facts.seal, facts.head)


def _name(rule: Rule) -> str:
    return rule.__name__.replace("_", "-")
