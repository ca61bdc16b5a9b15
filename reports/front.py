"""What a report says about itself: its cover, its place in the ledger, and who collected what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.thresholds import plain
from kubedossier.reports import wording
from kubedossier.reports.asking import Asked
from kubedossier.reports.evidence import tool_versions
from kubedossier.reports.model import Cover, Request
from kubedossier.reports.numbers import counted, day
from kubedossier.reports.observed import Observed
from kubedossier.reports.observing import distinct
from kubedossier.reports.pieces import Fact, Value
from kubedossier.reports.population import population, population_words
from kubedossier.reports.text import plain as plain_text

if TYPE_CHECKING:
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period

SOURCES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Head:
    """Where the report stands in the ledger, and when it is issued."""

    archive_id: str
    seq: int
    hash: str
    at: datetime
    issued: datetime
    number: str
    period: dict[str, str]


def head_of(archive: Archive, period: Period, request: Request) -> Head:
    """The place in the ledger that the report is drawn from, and the number that names it."""
    seq, digest = archive.head
    at = datetime.fromisoformat(archive.ledger.entries[seq - 1]["at"]) if seq else period.end
    span = {
        "start": f"{period.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{period.end:%Y-%m-%dT%H:%M:%SZ}",
        "label": period.label,
    }
    return Head(
        archive_id=archive.ledger.archive_id,
        seq=seq,
        hash=digest,
        at=at.astimezone(UTC),
        issued=(request.issued or at).astimezone(UTC),
        number=f"KD-{period.label}-{seq:04d}",
        period=span,
    )


def manifest_head(head: Head, request: Request) -> dict[str, Any]:
    """What the evidence manifest says about report and archive."""
    report: dict[str, Any] = {"name": request.name, "number": head.number, "period": head.period}
    if request.issued and head.issued < datetime.fromisoformat(head.period["end"]):
        report["issued"] = head.issued.isoformat()  # it tells days to come from days that were not collected
    return {
        "report": report,
        "archive": {
            "id": head.archive_id,
            "entry": head.seq,
            "entry_sha256": head.hash,
            "entry_at": head.at.isoformat(),
        },
        "findings": plain(request.thresholds),
    }


def cover(asked: Asked, head: Head, period: Period, request: Request, seen: Observed, seal: str) -> Cover:
    """The first page."""
    clusters, providers, _ = distinct(asked)
    scope = f"{counted(clusters, 'cluster')} in {counted(providers, 'cloud provider')}"
    counts = population(asked.frame("windows"), asked.frame("receipts"), period)
    consoles = sorted({one for one in asked.frame("receipts")["console"].to_list() if one})
    return Cover(
        title=request.title or wording.TITLE,
        kind=wording.kind_of(request.name, period),
        organisation=request.organisation,
        classification=request.classification,
        audience=request.audience,
        period=period.title(),
        period_label=period.label,
        start=period.start,
        end=period.end,
        scope=(scope if clusters else "no cluster sent an event",),
        events=seen.events,
        coverage=wording.coverage_words(seen),
        received=population_words(counts),
        population=counts,
        source=wording.source_words(asked.frame("receipts"), consoles),
        issued=head.issued,
        number=head.number,
        archive_id=head.archive_id,
        as_of_seq=head.seq,
        as_of_hash=head.hash,
        as_of_time=head.at if head.seq else None,
        seal=seal,
    )


def custody(asked: Asked, head: Head, checked: int, entries: Sequence[Mapping[str, Any]]) -> tuple[Fact, ...]:
    """The chain of custody: the archive, what was asked, who collected, what was checked and what counted.

    Args:
        asked: the answers.
        head: the report's place in the ledger.
        checked: how many files were compared with the ledger.
        entries: of the ledger.
    """
    runs = asked.frame("receipts")
    who = sorted({(row["actor"] or "", row["host"] or "", row["tool"] or "") for row in runs.iter_rows(named=True)})
    people: list[Fact] = [
        Fact("Collected by", (Value(actor), " on ", Value(host), " with ", Value(tool)))
        for actor, host, tool in who[:6]
    ]
    return (
        Fact("Archive", (head.archive_id or "none",), mono=True),
        Fact("As of ledger entry", (f"{head.seq}:{head.hash}",), mono=True),
        Fact("That entry was made", (f"{day(head.at.date())}, {head.at:%H:%M:%S} UTC",)),
        *_sources(runs["seq"].to_list(), entries),
        *people,
        Fact("Checked before counting", (f"{counted(checked, 'file')} of events, SHA-256 as in the ledger",)),
        *wording.rules_fact(asked.answers["techniques"].rules),
        Fact("Counted with", (", ".join(f"{name} {version}" for name, version in tool_versions()),)),
    )


def _sources(seqs: Sequence[int], entries: Sequence[Mapping[str, Any]]) -> list[Fact]:
    """Which Consoles were asked, of which version, as whom, and how sure it was whom one spoke to."""
    asked = [entries[seq - 1] for seq in seqs]
    found = sorted({_source(one["source"]) for one in asked if one["type"] == "snapshot" and one.get("source")})
    more = [Fact("Source asked", (f"and {counted(len(found) - SOURCES_SHOWN, 'other')}, in the ledger",))]
    shown = [Fact("Source asked", (Value(url), f": {words}; as ", Value(who))) for url, words, who in found]
    return shown[:SOURCES_SHOWN] + (more if len(found) > SOURCES_SHOWN else [])


def _source(source: Mapping[str, Any]) -> tuple[str, str, str]:
    """URL, a few words, and the account of what the ledger says of a source."""
    version, tls = source.get("console_version"), source.get("tls") or {}
    certificate = "certificate checked" if tls.get("verified") else "certificate not checked"
    console = f"Console {plain_text(str(version))}" if version else "a Console that does not tell its version"
    words = f"{console}, API {plain_text(str(source.get('api_version') or 'unknown'))}, {certificate}"
    return str(source.get("url") or "unknown"), words, str(source.get("account") or "a ready token")
