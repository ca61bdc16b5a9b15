"""The report as data: frozen, complete, and all that a template may see.

``build`` makes it, ``render`` sets it, the JSON format prints it. It holds no frames, no SQL results and no open
files; every number in it was counted before it came here. A string that came from an audited system stands in it
as it was received and is made visible by ``text`` when it is shown.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from kubedossier.analytics.catalogue import Query
from kubedossier.analytics.thresholds import Thresholds
from kubedossier.reports.judgements import Finding, Framework, KnownIdentity, Mapping, RuleNote
from kubedossier.reports.pieces import Chart, Fact, KeyFigure, Phrase, Picture, Table
from kubedossier.reports.population import Population


@dataclass(frozen=True, slots=True)
class OwnSource:
    """A user's section before anything was asked: its template, and the queries it wants, each checked.

    Attributes:
        name: of the file; id of the section, and what controls name.
        place: the template's file, as an error names it.
        queries: of the user and of the package, in the order of the header.
    """

    name: str
    title: str
    place: str
    template: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What the reader asked for.

    Attributes:
        name: of the report, such as ``monthly``.
        organisation: whose clusters these are; may be empty.
        classification: printed on every page; may be empty.
        prepared_by: from the configuration; empty leaves a line to fill in by hand.
        reviewer, audience: from the configuration; empty where it says nothing.
        frameworks: the control catalogues to map to.
        logo: a picture that was checked, or None.
        own: sections of the user's own, in their order.
        thresholds: what the rules of the findings compare with.
        issued: the day or moment printed as issued, aware UTC; None takes the time of the ledger's entry. Days that are
            not over by then, and by the ledger's entry, are not held against the record.
    """

    name: str = "monthly"
    organisation: str = ""
    classification: str = ""
    prepared_by: str = ""
    reviewer: str = ""
    audience: str = ""
    title: str = ""
    frameworks: tuple[Framework, ...] = ()
    logo: Picture | None = None
    issued: datetime | None = None
    own: tuple[OwnSource, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)


CROWDED = 110
"""Letters of the words that a user chooses for the cover."""


@dataclass(frozen=True, slots=True)
class Cover:
    """What the first page says about the document.

    Attributes:
        number: the report number, derived from period and ledger entry.
        scope, source: phrases; events: events in the record, of which the cover speaks in ``coverage`` words.
        as_of_seq, as_of_hash, as_of_time: the ledger's entry that the report is drawn from, and its SHA-256.
        received: what came of the rows that the Console counted, in words; population: the numbers.
        seal: SHA-256 of the evidence manifest, lower-case hex.
    """

    title: str
    kind: str
    organisation: str
    classification: str
    audience: str
    period: str
    period_label: str
    start: datetime
    end: datetime
    scope: Phrase
    events: int
    coverage: str
    received: str
    population: Population
    source: Phrase
    issued: datetime
    number: str
    archive_id: str
    as_of_seq: int
    as_of_hash: str
    as_of_time: datetime | None
    seal: str

    @property
    def is_crowded(self) -> bool:
        """Whether its words need the room that is left free otherwise."""
        return len(self.organisation) + len(self.audience) + len(self.title) > CROWDED


@dataclass(frozen=True, slots=True)
class Section:
    """One entry of the contents; ``number`` is ``1`` or ``A1``."""

    id: str
    number: str
    title: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One question put to the archive and what came back.

    Attributes:
        mark: ``E1`` and so on.
        name: of the query in the catalogue.
        rows: of the answer; ``attached`` of them are in the file.
        digest: SHA-256 of all rows in canonical form, lower-case hex.
        file: name of the attached CSV; sha256 and size of its bytes.
        repeats: mark of an earlier question with the same statement; empty where there is none.
    """

    mark: str
    name: str
    title: str
    question: str
    sql: str
    parameters: tuple[tuple[str, str], ...]
    rows: int
    attached: int
    digest: str
    notes: str
    file: str
    sha256: str
    size_bytes: int
    repeats: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the PDF.

    Attributes:
        packed: its bytes as zlib packs them, which is how they lie in the PDF.
        size_bytes: of the bytes themselves.
    """

    name: str
    description: str
    relationship: Literal["Data", "Source"]
    packed: bytes
    size_bytes: int

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return zlib.decompress(self.packed)


@dataclass(frozen=True, slots=True)
class OwnColumn:
    """One column of an answer in a user's section: its name and type in the header of the query, its unit."""

    name: str
    type: str
    unit: str


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """What a query of a user's section gave.

    Attributes:
        name: of the query, and in the template.
        rows: the first rows of ``total``, as plain values; times are aware UTC.
    """

    name: str
    title: str
    mark: str
    columns: tuple[OwnColumn, ...]
    rows: tuple[tuple[object, ...], ...]
    total: int


@dataclass(frozen=True, slots=True)
class OwnSection:
    """A section made of a user's template and queries; ``place`` is the template's file, as an error names it."""

    section: Section
    place: str
    template: str
    answers: tuple[OwnAnswer, ...]


@dataclass(frozen=True, slots=True)
class Completeness:
    """Section 2: what was collected, and whether every record is accounted for."""

    lead: Phrase
    strip: Chart
    calendar: Chart | None
    gaps: Table | None
    receipts: Table
    bridge: tuple[Fact, ...]
    bridge_note: str


@dataclass(frozen=True, slots=True)
class Report:
    """The whole report."""

    cover: Cover
    sections: tuple[Section, ...]
    lead: Phrase
    key_figures: tuple[KeyFigure, ...]
    findings: tuple[Finding, ...]
    rules: tuple[RuleNote, ...]
    known: tuple[KnownIdentity, ...]
    completeness: Completeness
    activity: Chart
    techniques: Chart | None
    techniques_table: Table
    tactics: Chart | None
    rankings: tuple[Table, ...]
    first_seen_lead: Phrase
    first_seen: tuple[Table, ...]
    privileged_lead: Phrase
    privileged_kinds: Table
    privileged_people: Table
    cited: Table | None
    privileged: Table
    denied: Table
    anonymous: Table
    own: tuple[OwnSection, ...]
    custody: tuple[Fact, ...]
    evidence: tuple[Evidence, ...]
    method: tuple[str, ...]
    limits: tuple[str, ...]
    mappings: tuple[Mapping, ...]
    prepared_by: str
    reviewer: str
    logo: Picture | None
    attachments: tuple[Attachment, ...]

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """The findings that somebody has to decide or look at."""
        return tuple(finding for finding in self.findings if finding.rating != "met")

    @property
    def is_all_attached(self) -> bool:
        """Whether every row of every answer is attached."""
        return all(one.attached == one.rows for one in self.evidence)

    def attached(self, mark: str) -> int | None:
        """How many rows of an answer are attached; None where all are."""
        one = next(one for one in self.evidence if one.mark == mark)
        return one.attached if one.attached < one.rows else None

    def marked(self, query: str) -> str:
        """The mark under which a query was first asked."""
        return next(one.mark for one in self.evidence if one.name == query)

    def section(self, section_id: str) -> Section:
        """The section with this id."""
        return next(section for section in self.sections if section.id == section_id)
