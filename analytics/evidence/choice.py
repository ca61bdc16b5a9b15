"""Chooses what goes into a bundle, and refuses an archive that is not what its ledger says; writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubedossier.analytics.errors import IntegrityError, StorageError, UsageError
from kubedossier.analytics.evidence.subject import Subject, bundle_id, folder_name, leaves_name
from kubedossier.analytics.schema import FileRef
from kubedossier.analytics.store.damage import replaced
from kubedossier.analytics.store.ledger import Entry, Ledger, read_time
from kubedossier.analytics.store.verify import Finding, changed, verify
from kubedossier.analytics.there import is_file


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes into a bundle, chosen and checked; nothing is written yet.

    Attributes:
        ledger: as of the bundle's head.
        events, rejects: the files of the archive that go in.
        report: a PDF, or None.
        organisation: whose clusters these are; may be empty.
    """

    subject: Subject
    ledger: Ledger
    events: tuple[FileRef, ...]
    rejects: tuple[FileRef, ...]
    report: Path | None
    organisation: str

    @property
    def identifier(self) -> str:
        """The bundle's id."""
        return bundle_id(self.ledger.archive_id, self.subject.month, self.ledger.head)

    @property
    def folder(self) -> str:
        """The bundle's folder, and its file's name without ``.zip``."""
        return folder_name(self.subject.month, self.identifier)


def plan_bundle(
    root: Path, subject: Subject, *, as_of: int | None = None, report: Path | None = None, organisation: str = ""
) -> Plan:
    """Choose what goes into a bundle, and check it against the ledger: steps (1) and (2).

    Args:
        root: the archive.
        subject: the month.
        as_of: number of the ledger entry to bundle it at; None is the newest.
        report: the PDF to put in; None takes the archive's own report of the month where there is one.
        organisation: whose clusters these are; may be empty.

    Raises:
        IntegrityError: something is not what the ledger says; all findings are in the message.
        ReplacedError: the archive has not kept that entry's files.
        StorageError: there is no archive, or no such entry.
        UsageError: the report is no PDF.
    """
    ledger = Ledger.read(root)
    if not ledger.entries:
        raise StorageError(f"There is no archive at '{root}'", hint="Name it with --archive.")
    ledger = ledger if as_of is None else ledger.up_to(as_of)
    events = tuple(one for one in ledger.live() if one.month == subject.month)
    rejects = tuple(month_rejects(ledger, subject))
    _refuse_unsound(ledger, subject, (*events, *rejects))
    return Plan(subject, ledger, events, rejects, _report(root, subject, report), organisation)


def month_rejects(ledger: Ledger, subject: Subject) -> Iterator[FileRef]:
    """The rejects of snapshots that saw a record of the month, or asked for a part of it.

    What cannot be read has no month of its own, so it goes where its snapshot looked.
    """
    concerned = {entry["id"] for entry in ledger.entries if _concerns(entry, subject)}
    yield from (one for one in ledger.live("rejects") if one.snapshot in concerned)


def added(ledger: Ledger, month: str) -> dict[str, tuple[int, str]]:
    """Number and digest of the events that each snapshot added to a month; without retracted ones."""
    return {
        entry["id"]: (fact["n"], fact["digest"])
        for entry in ledger.entries
        if entry["id"] not in ledger.retracted and (fact := entry.get("added", {}).get(month))
    }


def digest_findings(ledger: Ledger, month: str, found: Mapping[str, str]) -> Iterator[Finding]:
    """Files of leaves whose SHA-256 is not the digest the ledger has; ``found`` is SHA-256 by name in the bundle."""
    expected = {leaves_name(snapshot): digest for snapshot, (_, digest) in added(ledger, month).items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield Finding("digest", name, expected.get(name, "no events"), found.get(name, "no events"))


def _concerns(entry: Entry, subject: Subject) -> bool:
    if subject.month in entry.get("observed", {}) or subject.month in entry.get("added", {}):
        return True
    if subject.start is None or subject.end is None:
        return False
    return any(
        read_time(one["from"]) < subject.end and subject.start < read_time(one["to"])
        for one in entry.get("windows", ())
    )


def _refuse_unsound(ledger: Ledger, subject: Subject, files: tuple[FileRef, ...]) -> None:
    root = ledger.root
    paths = {one.path for one in files}
    findings = [
        one
        for one in verify(root, level="quick").findings
        if one.where in paths
        or one.where.startswith(f"events/month={subject.month}/")
        or not one.where.startswith(("events/", "rejects/", "seals/"))
    ]
    absent = {one.where for one in findings}
    findings += changed(root, [one for one in files if one.path not in absent])
    if error := replaced(ledger, files):
        raise error
    refuse(findings, f"The archive '{root}' is not what its ledger says")


def refuse(findings: Iterable[Finding], what: str) -> None:
    """Raise all findings as one error, where there are any.

    Raises:
        IntegrityError: there are.
    """
    told = [f"{one.kind}  {one.where}\n    expected  {one.expected}\n    found     {one.found}" for one in findings]
    if told:
        raise IntegrityError("\n".join([f"{what}:", *told]), hint="No bundle was made. Run 'kubedossier verify'.")


def _report(root: Path, subject: Subject, named: Path | None) -> Path | None:
    path = named or root / "reports" / subject.month / f"monthly-{subject.month}.pdf"
    if named is None and not is_file(path):
        return None
    try:
        with path.open("rb") as file:
            is_pdf = file.read(5) == b"%PDF-"
    except OSError as error:
        raise UsageError(f"Cannot read the report '{path}': {error.strerror}") from error
    if not is_pdf:
        raise UsageError(f"'{path}' is no PDF", hint="--report names the report to put into the bundle.")
    return path
