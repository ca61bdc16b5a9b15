"""The papers around a bundle's data: bagit.txt, bag-info.txt, README.txt, manifests and the script that checks them.

Source: BagIt 1.0, RFC 8493. Every command in README.txt stands on a line of its own, indented by four blanks, and is
run by a test.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from kubedossier import __version__
from kubedossier.analytics.evidence.container import Member
from kubedossier.analytics.evidence.subject import BUNDLE_FORMAT, Subject, folder_name
from kubedossier.analytics.schema import UNDATED

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
SCRIPT = "verify.sh"


@dataclass(frozen=True, slots=True)
class Label:
    """What a bundle says about itself.

    Attributes:
        identifier: see ``subject.bundle_id``.
        archive_id: UUID of the archive.
        head: number and SHA-256 of the newest ledger entry in it.
        head_at: when that entry was written, as in the ledger.
        files: Parquet files in it.
        events, snapshots: of the month; retracted ones are not counted.
        reflowed: events whose line breaks stand as blanks in events.ndjson.
        rejects: rejects in the bundle.
        other_rejects: rejects of the archive that are not.
        undated: records of the archive without a usable time.
        retracted: retracted snapshots of the archive.
        collected: whole collected hours by Console, and the hours of the month.
        report: whether a report is in it.
        organisation: whose clusters these are; may be empty.
    """

    subject: Subject
    identifier: str
    archive_id: str
    head: tuple[int, str]
    head_at: str
    files: int
    events: int
    snapshots: int
    reflowed: int
    rejects: int
    other_rejects: int
    undated: int
    retracted: int
    collected: tuple[list[tuple[str, int]], int]
    report: bool
    organisation: str

    @property
    def folder(self) -> str:
        """The bundle's folder."""
        return folder_name(self.subject.month, self.identifier)


def script() -> bytes:
    """The script that checks a bundle with stock tools."""
    return resources.files("kubedossier.analytics.evidence").joinpath(SCRIPT).read_bytes()


def manifest(members: Iterable[Member]) -> bytes:
    """SHA-256 and name of each member, sorted by name; two blanks between, since Perl's shasum refuses one."""
    return "".join(f"{one.sha256}  {one.name}\n" for one in sorted(members, key=lambda one: one.name)).encode("ascii")


def bag_info(label: Label, payload: Sequence[Member]) -> bytes:
    """The file bag-info.txt."""
    size = sum(one.size for one in payload)
    lines = [
        ("Source-Organization", _one_line(label.organisation)),
        ("External-Identifier", label.identifier),
        ("External-Description", f"Kubernetes audit events, {label.subject.title}"),
        ("Bagging-Date", label.head_at[:10]),
        ("Bag-Size", f"{size / 1e6:,.1f} MB"),
        ("Payload-Oxum", f"{size}.{len(payload)}"),
        ("Bag-Software-Agent", f"kubedossier {__version__}"),
        ("Kubedossier-Bundle-Format", str(BUNDLE_FORMAT)),
        ("Kubedossier-Archive", label.archive_id),
        ("Kubedossier-Month", label.subject.month),
        ("Kubedossier-Period", label.subject.period),
        ("Kubedossier-Head", f"{label.head[0]}:{label.head[1]}"),
        ("Kubedossier-Events", str(label.events)),
    ]
    return "".join(f"{name}: {value}\n" for name, value in lines if value).encode()


def readme(label: Label) -> bytes:
    """The file README.txt."""
    parts = [_TITLE.format(title=label.subject.title, folder=label.folder), *_contents(label)]
    seq, digest = label.head
    parts.append(_CHECKS.format(seq=seq, digest=digest, folder=label.folder))
    if label.events:
        parts.append(_ONE_EVENT)
    if label.rejects:
        parts.append(_REJECTS)
    parts.append(_TRUST.format(head=f"{seq}:{digest}"))
    return "\n".join(parts).encode()


def _contents(label: Label) -> list[str]:
    lines = [
        f"Events        {label.events:,}",
        f"Snapshots     {label.snapshots:,}, imports included, brought them in",
        f"Archive       {label.archive_id}",
        f"Ledger head   entry {label.head[0]}, written {label.head_at}, SHA-256",
        f"              {label.head[1]}",
        f"Bundle        {label.identifier}",
    ]
    notes = []
    if not label.events:
        notes.append(f"There are no events of {label.subject.title} in this archive: the files of events are empty.")
    spans, whole = label.collected
    if label.subject.month != UNDATED:
        told = "; ".join(f"{_one_line(console)}: {hours} of {whole}" for console, hours in spans)
        notes.append(
            "Hours of this month that a Console was asked for without any filter, and answered completely: "
            + (told or "none; what is here was imported, or read with a filter, and nobody attests that it is complete")
            + ". data/collected.csv has the stretches and the known gaps."
        )
    if label.undated and label.subject.month != UNDATED:
        notes.append(
            "Records of the archive without a usable time, which belong to no month: "
            f"{label.undated:,}. 'kubedossier bundle undated' bundles them."
        )
    if label.retracted:
        notes.append(
            f"Snapshots of the archive that were retracted, with the reason in the ledger: {label.retracted:,}. "
            "Their events are not counted and not in the texts."
        )
    if label.other_rejects:
        notes.append(
            "Records that could not be read and came with snapshots that saw nothing of this month, and so are not "
            f"here: {label.other_rejects:,}."
        )
    return ["\n".join(lines) + "\n", *(textwrap.fill(one, 78) + "\n" for one in notes), _files(label)]


def _files(label: Label) -> str:
    events = f"data/events/{label.subject.month}/"
    rows = [
        ("data/report.pdf", "the report of the month" if label.report else "not in this bundle"),
        (events, "the events as Parquet, byte by byte as the archive holds them" if label.files else "no files"),
        ("data/events.ndjson", "their exact texts as received, one a line"),
        (
            "data/events.csv",
            "their typed columns, in the same order. Text that starts with = + - @ TAB or CR has an apostrophe before "
            "it, so that no spreadsheet runs it; numbers stay. The exact text is in events.ndjson",
        ),
        (
            "data/leaves/",
            "the SHA-256 of each event's exact text, sorted, a file for each snapshot. The SHA-256 of such a file is "
            "the digest in the ledger",
        ),
        ("data/ledger.jsonl", "the archive's whole ledger, an entry a line"),
        ("data/collected.csv", "what was collected, and the known gaps"),
        ("data/schema.json", "what the columns mean"),
        (
            "data/sql/",
            "the questions a report asks, in SQL for DuckDB; views.sql, run in this folder, makes the views events, "
            "records and attack_techniques. Questions about coverage need kubedossier and the archive",
        ),
    ]
    if label.subject.month == UNDATED:
        rows = [row for row in rows if row[0] != "data/collected.csv"]
    if label.reflowed:
        rows.append(
            (
                "data/leaves/reflowed.txt",
                f"the events with line breaks ({label.reflowed:,}), which stand as blanks in events.ndjson: number "
                "of the line, leaf, and where the breaks were (n is LF, r is CR, counted in bytes from 1)",
            )
        )
    if label.rejects:
        rows.append(("data/rejects/", f"what could not be read, of the same snapshots ({label.rejects:,})"))
    return "WHAT IS IN IT\n\n" + "".join(
        textwrap.fill(text, 78, initial_indent=f"{name:<26}", subsequent_indent=" " * 26) + "\n" for name, text in rows
    )


def _one_line(text: str) -> str:
    """Somebody's text as one printable line."""
    return "".join(char if char.isprintable() else f"[U+{ord(char):04X}]" for char in text).strip()


_TITLE = """KUBERNETES AUDIT EVENTS, {title}

A bundle made by kubedossier, in the form of a BagIt bag (RFC 8493). Times are
UTC. Run the commands below inside the unpacked folder,
{folder}. They need nothing but stock tools; macOS has
'shasum -a 256' where it says sha256sum, and BusyBox knows no --strict --quiet.
"""

_CHECKS = """HOW TO CHECK IT

All at once. It changes nothing, prints each step, and ends with 0 when every
step passed; the second form also compares the ledger with a head that you
know from elsewhere, such as a printed report:

    sh verify.sh
    sh verify.sh {seq}:{digest}

It hashes the text of every event and compares that with the ledger. It reads
neither Parquet, whose sums it compares with the ledger, nor CSV and PDF, which
rest on the manifests; 'kubedossier verify' below compares the CSV as well.

By hand. Every file has its SHA-256:

    sha256sum -c --strict --quiet tagmanifest-sha256.txt manifest-sha256.txt
    shasum -a 256 -c tagmanifest-sha256.txt manifest-sha256.txt

Nothing was added, which the sums alone would not show; it prints nothing:

    {{ cut -c67- *-sha256.txt; echo tagmanifest-sha256.txt; find . ! -type d | sed 's|^[.]/||'; }} | sort | uniq -u

The ledger is a chain: the SHA-256 of each line, with its line end, stands in
the next line as "prev". The last line's is the head:

    tail -n 1 data/ledger.jsonl | sha256sum

With kubedossier itself, of the folder or of the zip; it also makes every text
again from the Parquet files and compares:

    kubedossier verify .
    kubedossier verify ../{folder}.zip
"""

_ONE_EVENT = """The digest of a snapshot's events is the SHA-256 of its file of leaves; the
ledger has it under "added". A leaf is the SHA-256 of an event's exact text:

    sha256sum data/leaves/*.txt
    head -n 1 data/events.ndjson | tr -d '\\n' | sha256sum
"""

_REJECTS = """What could not be read, verbatim with its reason:

    zstd -dc data/rejects/*.zst
"""

_TRUST = """WHAT IT SHOWS, AND WHAT IT CANNOT

This bundle is not signed. Its checks show that its parts belong together and
to this head of the ledger:

    grep '^Kubedossier-Head: {head}$' bag-info.txt

They cannot show who made it: somebody who can make a bundle can make another
one that is whole as well, verify.sh and this text included. So get the head by
another road, such as a printed report or the witness file of the machine that
runs the archive, and compare it.
It cannot show what never reached the archive either: events that the clusters'
policy does not log, that the Console dropped before it was asked, or that no
snapshot asked for. The ledger records what was asked for and what came back.
"""
