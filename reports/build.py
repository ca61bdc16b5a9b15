"""From the archive's answers to the report model: asks, counts nothing twice, and checks that the totals agree.

The archive is asked through its public methods and nothing else is read: no files, no clock, no network. Where two
answers that must agree do not, no report is made, for a report whose numbers contradict each other is worse than none.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kubedossier.analytics import figures
from kubedossier.analytics.vocabulary import techniques as known_techniques
from kubedossier.reports import access_tables, record_tables, tables, wording
from kubedossier.reports.asking import Asked, agreed_total, ask, intact_files
from kubedossier.reports.cells import target
from kubedossier.reports.controls import mapped, with_controls
from kubedossier.reports.dispositions import decided, named
from kubedossier.reports.evidence import manifest, tool_versions
from kubedossier.reports.findings import judge
from kubedossier.reports.job_troubles import troubles_noted
from kubedossier.reports.model import Chart, Completeness, Cover, Fact, Report, Request, Section, Table, Value
from kubedossier.reports.newcomers import Newcomers, newcomers, was_denied
from kubedossier.reports.numbers import count, counted
from kubedossier.reports.observed import Action, Observed

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period

CLUSTERS_DRAWN = 24
PUBLIC = re.compile(r"/(healthz|livez|readyz|version)([/?]|$)")

SECTIONS = (
    Section("summary", "1", "Executive summary"),
    Section("completeness", "2", "Completeness of the record"),
    Section("activity", "3", "Activity over time"),
    Section("people", "4", "People, clusters and providers"),
    Section("first-seen", "5", "First seen in the period"),
    Section("privileged", "6", "Privileged actions"),
    Section("denied", "7", "Denied requests"),
    Section("controls", "8", "Control mapping"),
    Section("manifest", "A1", "Evidence manifest"),
    Section("queries", "A2", "Queries"),
    Section("method", "A3", "Method and limits"),
    Section("sign-off", "A4", "Review and sign-off"),
)


def build(archive: Archive, period: Period, request: Request) -> Report:
    """Ask the archive everything the report needs and make its model.

    Raises:
        IntegrityError: answers that must agree do not.
        StorageError: the archive cannot be read.
    """
    checked = intact_files(archive, period)
    asked = ask(archive, period)
    events = agreed_total(asked)
    new = _new(asked)
    seen = _observed(asked, period, events, archive, checked)
    cover_head = _head(archive, period, request)
    found = named(with_controls(judge(seen), request.frameworks), period.label)
    found = decided(found, archive.ledger.entries, cover_head.issued.date())
    has_past = seen.previous_known
    cited = access_tables.cited((*seen.actions, *seen.grave), found, mark=asked.marks["privileged_actions"])
    manifest_file = manifest(_manifest_head(cover_head, request), asked.collection)
    seal = hashlib.sha256(manifest_file.data).hexdigest()
    above = frozenset(event for one in found if one.rating == "exception" for event in one.events)
    before = seen.previous_short[:3] if period.is_month else seen.previous_short
    shaded = wording.WEEKENDS if figures.step_for(period) == "day" else ""
    shaded_lines = wording.WEEKENDS if period.days <= figures.WEEKENDS_SHOWN else ""
    return Report(
        cover=_cover(asked, cover_head, period, request, seen, seal),
        sections=tuple(one for one in SECTIONS if request.frameworks or one.id != "controls"),
        lead=wording.lead(seen, found, period, _distinct(asked)),
        key_figures=wording.key_figures(seen, asked.marks, _previous_counts(asked), _distinct(asked)),
        findings=found,
        completeness=_completeness(archive, asked, seen, events, period),
        activity=Chart(
            figures.activity_columns(asked.answers["activity"], period),
            wording.COLUMNS + shaded,
            asked.marks["activity"],
        ),
        techniques=_chart(
            figures.technique_panels(asked.answers["techniques"], period),
            wording.PANELS + shaded_lines,
            asked,
            "techniques",
        ),
        techniques_table=tables.techniques(
            asked.frame("techniques"), known_techniques(), mark=asked.marks["techniques"]
        ),
        tactics=_chart(figures.tactic_heat_map(asked.answers["tactics"], period), wording.HEAT_MAP, asked, "tactics"),
        rankings=_rankings(asked, period, events, before, seen.previous_known),
        first_seen_lead=wording.first_seen_lead(
            has_past, asked.frame("first_seen_users"), asked.frame("first_seen_ips")
        ),
        first_seen=_first_seen(asked, new) if has_past else (),
        privileged_lead=wording.privileged_lead(
            asked.frame("privileged_actions").height, asked.collection.evidence, asked.marks["privileged_actions"]
        ),
        privileged_kinds=access_tables.kinds(
            asked.frame("privileged_actions"),
            was=Counter(asked.frame("privileged_before")["kind"].to_list()),
            before=before,
            known=seen.previous_known,
            mark=asked.marks["privileged_actions"],
        ),
        privileged_people=access_tables.actors(
            asked.frame("privileged_actions"), mark=asked.marks["privileged_actions"]
        ),
        privileged=access_tables.actions(
            asked.frame("privileged_actions"), new, above, mark=asked.marks["privileged_actions"]
        ),
        cited=cited,
        denied=access_tables.denied(asked.frame("denied_requests"), mark=asked.marks["denied_requests"]),
        custody=_custody(asked, cover_head, checked),
        evidence=asked.collection.evidence,
        method=wording.METHOD,
        limits=wording.LIMITS,
        mappings=mapped(request.frameworks, found, _marks_by_query(asked)),
        prepared_by=request.prepared_by,
        reviewer=request.reviewer,
        logo=request.logo,
        attachments=(*sorted((item for _, item in asked.collection.items), key=lambda item: item.name), manifest_file),
    )


def _observed(asked: Asked, period: Period, events: int, archive: Archive, checked: int) -> Observed:
    activity, before = asked.frame("activity"), asked.frame("activity_before")
    runs = asked.frame("receipts")
    known = known_techniques()
    names = sorted({name for name in asked.frame("techniques")["technique"].to_list() if name not in known})
    new = _new(asked)
    return Observed(
        days=figures.day_strip(asked.answers["coverage"], period),
        clusters=figures.cluster_calendar(asked.answers["clusters"], period),
        events=events,
        denied=int(activity["denied"].sum()),
        previous_events=int(before["events"].sum()),
        previous_denied=int(before["denied"].sum()),
        previous_known=_has_past(asked),
        previous_title=period.previous().title(),
        previous_short=f"{period.previous().start:%B}" if period.is_month else "before",
        actions=_actions(asked.frame("privileged_actions"), new),
        actions_before=_actions(asked.frame("privileged_before"), new),
        grave=_actions(asked.frame("grave_changes"), new),
        files_checked=checked,
        retracted=sum(entry["type"] == "retract" for entry in archive.ledger.entries),
        rollbacks=sum("rollback" in entry for entry in archive.ledger.entries),
        anonymous_served=_anonymous_served(asked),
        troubles=troubles_noted(archive.ledger.entries),
        received=_total(runs, "received"),
        new=_total(runs, "new"),
        duplicate=_total(runs, "duplicate"),
        rejected=_total(runs, "rejected"),
        skipped=_total(runs, "skipped"),
        windows=asked.frame("windows").height,
        unstable_windows=asked.frame("windows")["stable"].to_list().count(False),
        unknown_techniques=tuple(names),
        marks=asked.marks,
    )


def _marks_by_query(asked: Asked) -> dict[str, str]:
    """The mark under which each query was first asked."""
    return {one.name: one.mark for one in reversed(asked.collection.evidence)}


def _total(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].sum() or 0)


def _new(asked: Asked) -> Newcomers:
    users, addresses = asked.frame("first_seen_users"), asked.frame("first_seen_ips")
    return newcomers(users["user"].to_list(), addresses["source_ip"].to_list(), has_past=_has_past(asked))


def _has_past(asked: Asked) -> bool:
    """Whether the period before was recorded, so that something can be new or have changed."""
    return any(state != figures.MISSING for state in asked.frame("coverage_before")["state"].to_list())


def _actions(frame: pl.DataFrame, new: Newcomers) -> list[Action]:
    return [
        Action(
            time=row["time"],
            user=row["user"],
            kind=row["kind"],
            cluster=row["cluster"],
            denied=was_denied(row),
            is_new=new.took(row),
            action=row["action"] or "",
            target=target(row),
            detail=tuple(row.get("detail") or ()),
            addresses=tuple(row["source_ips"] or ()),
            status=row["status_code"],
            event_id=row["event_id"],
        )
        for row in frame.iter_rows(named=True)
    ]


def _anonymous_served(asked: Asked) -> int:
    """Requests of anonymous callers that were not denied, but for the paths that clusters open to everybody."""
    rows = asked.frame("anonymous_access").iter_rows(named=True)
    return sum(not was_denied(row) and not PUBLIC.match(row["request_uri"] or "") for row in rows)


def _distinct(asked: Asked) -> tuple[int, int, int]:
    """Clusters, providers and identities of the period."""
    return tuple(asked.frame(topic).height for topic in ("cluster_ranking", "provider_ranking", "users"))  # type: ignore[return-value]


def _previous_counts(asked: Asked) -> wording.Previous:
    states = asked.frame("coverage_before")["state"].to_list()
    return wording.Previous(
        collected=states.count(figures.COLLECTED),
        days=len(states),
        actions=asked.frame("privileged_before").height,
        identities=asked.frame("users_before").height,
    )


@dataclass(frozen=True, slots=True)
class _Head:
    """Where the report stands in the ledger, and when it is issued."""

    archive_id: str
    seq: int
    hash: str
    at: datetime
    issued: datetime
    number: str
    period: dict[str, str]


def _head(archive: Archive, period: Period, request: Request) -> _Head:
    seq, digest = archive.head
    at = datetime.fromisoformat(archive.ledger.entries[seq - 1]["at"]) if seq else period.end
    span = {
        "start": f"{period.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{period.end:%Y-%m-%dT%H:%M:%SZ}",
        "label": period.label,
    }
    return _Head(
        archive_id=archive.ledger.archive_id,
        seq=seq,
        hash=digest,
        at=at.astimezone(UTC),
        issued=(request.issued or at).astimezone(UTC),
        number=f"KD-{period.label}-{seq:04d}",
        period=span,
    )


def _manifest_head(head: _Head, request: Request) -> dict[str, Any]:
    return {
        "report": {"name": request.name, "number": head.number, "period": head.period},
        "archive": {
            "id": head.archive_id,
            "entry": head.seq,
            "entry_sha256": head.hash,
            "entry_at": head.at.isoformat(),
        },
    }


def _cover(asked: Asked, head: _Head, period: Period, request: Request, seen: Observed, seal: str) -> Cover:
    clusters, providers, _ = _distinct(asked)
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
        scope=(f"{counted(clusters, 'cluster')} in {counted(providers, 'cloud provider')}",),
        events=seen.events,
        coverage=wording.coverage_words(seen),
        source=wording.source_words(asked.frame("receipts"), consoles),
        issued=head.issued,
        number=head.number,
        archive_id=head.archive_id,
        as_of_seq=head.seq,
        as_of_hash=head.hash,
        as_of_time=head.at if head.seq else None,
        seal=seal,
    )


def _chart(figure: figures.Figure, note: str, asked: Asked, topic: str) -> Chart | None:
    return Chart(figure, note, asked.marks[topic]) if figure.rows else None


def _completeness(archive: Archive, asked: Asked, seen: Observed, events: int, period: Period) -> Completeness:
    stored = _total(asked.frame("receipts"), "records_in_period")
    undated = archive.undated
    shown = figures.cluster_calendar(asked.answers["clusters"], period, limit=CLUSTERS_DRAWN)
    note = wording.calendar_note(CLUSTERS_DRAWN, len(set(seen.clusters.column("cluster"))))
    calendar = Chart(shown, note, asked.marks["clusters"]) if shown.rows else None
    return Completeness(
        lead=wording.completeness_lead(seen),
        strip=Chart(seen.days, wording.STRIP, asked.marks["coverage"]),
        calendar=calendar,
        gaps=record_tables.gaps(asked.frame("gaps"), mark=asked.marks["gaps"]),
        receipts=record_tables.receipts(asked.frame("receipts"), mark=asked.marks["receipts"]),
        bridge=(
            Fact("Records stored in the period", (count(stored),)),
            Fact("Not counted: earlier stages of a call, or the other kind of source", (count(stored - events),)),
            Fact("Events in this report", (count(events),)),
        ),
        bridge_note=wording.bridge_note(undated, asked.answers["activity"].source, asked.answers["activity"].mixed),
    )


def _rankings(asked: Asked, period: Period, events: int, before: str, known: bool) -> tuple[Table, ...]:
    trends = tables.trends(asked.frame("user_days"), figures.steps_of(period, "day"))
    marks = asked.marks
    common: dict[str, Any] = {"events": events, "before": before, "known": known}
    of_cluster = {"provider": "Provider", "users": "Users"}
    of_provider = {"accounts": "Accounts", "clusters": "Clusters"}
    clusters, providers = asked.frame("cluster_ranking"), asked.frame("provider_ranking")
    return (
        tables.identities(asked.frame("users"), trends, mark=marks["users"], **common),
        tables.ranking(clusters, "cluster", "Clusters", of_cluster, mark=marks["cluster_ranking"], **common),
        tables.ranking(providers, "provider", "Providers", of_provider, mark=marks["provider_ranking"], **common),
    )


def _first_seen(asked: Asked, new: Newcomers) -> tuple[Table, ...]:
    by_user, by_address = new.counts(asked.frame("privileged_actions").iter_rows(named=True))
    return (
        access_tables.new_users(asked.frame("first_seen_users"), by_user, mark=asked.marks["first_seen_users"]),
        access_tables.new_addresses(asked.frame("first_seen_ips"), by_address, mark=asked.marks["first_seen_ips"]),
    )


def _custody(asked: Asked, head: _Head, checked: int) -> tuple[Fact, ...]:
    runs = asked.frame("receipts")
    who = sorted({(row["actor"] or "", row["host"] or "", row["tool"] or "") for row in runs.iter_rows(named=True)})
    people: list[Fact] = [
        Fact("Collected by", (Value(actor), " on ", Value(host), " with ", Value(tool)))
        for actor, host, tool in who[:6]
    ]
    return (
        Fact("Archive", (head.archive_id or "none",), mono=True),
        Fact("As of ledger entry", (f"{head.seq}:{head.hash}",), mono=True),
        Fact("That entry was made", (f"{head.at:%Y-%m-%d %H:%M:%S} UTC",)),
        *people,
        Fact("Checked before counting", (f"{counted(checked, 'file')} of events, SHA-256 as in the ledger",)),
        Fact("Counted with", (", ".join(f"{name} {version}" for name, version in tool_versions()),)),
    )
