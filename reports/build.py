"""From the archive's answers to the report model: asks, counts nothing twice, and checks that the totals agree.

The archive is asked through its public methods and nothing else is read: no files, no clock, no network. Where two
answers that must agree do not, no report is made, for a report whose numbers contradict each other is worse than none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kubedossier.analytics import figures
from kubedossier.analytics.vocabulary import techniques as known_techniques
from kubedossier.reports import access_tables, record_tables, request_tables, tables, wording
from kubedossier.reports.asking import Asked, agreed_total, ask
from kubedossier.reports.controls import mapped, with_controls
from kubedossier.reports.dispositions import decided, named
from kubedossier.reports.event_ids import EventIds
from kubedossier.reports.evidence import manifest
from kubedossier.reports.findings import explained, judge, known_identities
from kubedossier.reports.front import cover, custody, head_of, manifest_head
from kubedossier.reports.judgements import Finding
from kubedossier.reports.model import Completeness, Report, Request
from kubedossier.reports.numbers import count
from kubedossier.reports.observed import Observed
from kubedossier.reports.observing import distinct, observed, previous_counts, total
from kubedossier.reports.own_sections import ask_own
from kubedossier.reports.pieces import Chart, Fact, Table, Value
from kubedossier.reports.sections import contents

if TYPE_CHECKING:
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.periods import Period

CLUSTERS_DRAWN = 16
"""Of the calendar, so that it fits a page below the strip of days."""


def build(archive: Archive, period: Period, request: Request) -> Report:
    """Ask the archive everything the report needs and make its model.

    Raises:
        IntegrityError: answers that must agree do not, or a file is not what the ledger says.
        ReplacedError: a file is gone, since a writer replaced it after the archive was opened.
        StorageError: the archive cannot be read.
    """
    checked = archive.check_anew(period.previous().start, period.end)  # a number from damage is worse than no report
    asked = ask(archive, period, request.thresholds.bulk_secrets)
    events = agreed_total(asked)
    cover_head = head_of(archive, period, request)
    until = max(request.issued, cover_head.at) if request.issued else None
    seen = observed(asked, period, events, archive, checked, request.thresholds, until)
    found = named(with_controls(judge(seen), request.frameworks), period.label)
    found = decided(found, archive.ledger.entries, cover_head.issued.date())
    sections = contents([(one.name, one.title) for one in request.own], controls=bool(request.frameworks))
    own = ask_own(archive, request.own, sections, asked.collection, asked.answers["activity"])
    manifest_file = manifest(manifest_head(cover_head, request), asked.collection)
    seal = hashlib.sha256(manifest_file.data).hexdigest()
    before = seen.previous_short
    activity, techniques, tactics = _activity(asked, seen, period)
    kinds, people, single, cited = _privileged(asked, seen, found, before)
    newcomers = _first_seen(asked, seen) if seen.previous_known else ()
    marks, answers = asked.marks, asked.frame
    return Report(
        cover=cover(asked, cover_head, period, request, seen, seal),
        sections=sections,
        lead=wording.lead(seen, found, period, distinct(asked)),
        key_figures=wording.key_figures(seen, marks, previous_counts(asked), distinct(asked)),
        findings=found,
        rules=explained(request.thresholds),
        known=known_identities(request.thresholds, found),
        completeness=_completeness(archive, asked, seen, events, period, until),
        activity=activity,
        techniques=techniques,
        techniques_table=tables.techniques(
            answers("techniques"), known_techniques(), mark=marks["techniques"], named=_named("vocabulary", found)
        ),
        tactics=tactics,
        rankings=_rankings(asked, period, events, before, seen.comparable),
        first_seen_lead=wording.first_seen_lead(*(one.total for one in newcomers)) if newcomers else wording.NOBODY_NEW,
        first_seen=newcomers,
        privileged_lead=wording.privileged_lead(single.total, asked.collection.evidence, single.mark),
        privileged_kinds=kinds,
        privileged_people=people,
        privileged=single,
        cited=cited,
        denied=request_tables.denied(answers("denied_requests"), mark=marks["denied_requests"]),
        anonymous=request_tables.anonymous(
            answers("anonymous_access"), request.thresholds.anonymous, mark=marks["anonymous_access"]
        ),
        own=own,
        custody=custody(asked, cover_head, checked, archive.ledger.entries),
        evidence=asked.collection.evidence,
        method=wording.METHOD,
        limits=wording.LIMITS,
        mappings=mapped(request.frameworks, found, _marks_by_query(asked), [one.id for one in sections]),
        prepared_by=request.prepared_by,
        reviewer=request.reviewer,
        logo=request.logo,
        attachments=(*sorted((item for _, item in asked.collection.items), key=lambda item: item.name), manifest_file),
    )


def _activity(asked: Asked, seen: Observed, period: Period) -> tuple[Chart, Chart | None, Chart | None]:
    """The figures of section 3: events by day, techniques, tactics; the latter where there are any."""
    step = figures.step_for(period)
    columns = figures.activity_columns(asked.answers["activity"], period)
    panels = figures.technique_panels(asked.answers["techniques"], period)
    drawn, known = len(set(panels.column("technique"))), asked.frame("techniques")["technique"].n_unique()
    tactics = figures.tactic_heat_map(asked.answers["tactics"], period)
    return (
        Chart(columns, wording.columns_note(seen, step=step), asked.marks["activity"]),
        _chart(panels, wording.panels_note(seen, drawn, known), asked, "techniques"),
        _chart(tactics, wording.heat_map_note(seen, step=step), asked, "tactics"),
    )


def _privileged(
    asked: Asked, seen: Observed, found: Sequence[Finding], before: str
) -> tuple[Table, Table, Table, Table | None]:
    """The tables of section 6: by kind, by identity, single actions, and what exceptions rest on where there is any."""
    mark = asked.marks["privileged_actions"]
    was = seen.before.kinds
    above = EventIds.joined(one.events for one in found if one.rating == "exception")
    return (
        access_tables.kinds(seen.actions.frame, was=was, before=before, known=seen.comparable, mark=mark),
        access_tables.actors(seen.actions.frame, mark=mark),
        access_tables.actions(seen.actions, above, mark=mark),
        access_tables.cited((seen.actions, seen.grave), found, mark=mark),
    )


def _named(rule: str, found: Sequence[Finding]) -> set[str]:
    """The audited values that the finding of a rule names."""
    return {part.raw for one in found if one.rule == rule for part in one.text if isinstance(part, Value)}


def _marks_by_query(asked: Asked) -> dict[str, str]:
    """The mark under which each query was first asked."""
    return {one.name: one.mark for one in reversed(asked.collection.evidence)}


def _chart(figure: figures.Figure, note: str, asked: Asked, topic: str) -> Chart | None:
    return Chart(figure, note, asked.marks[topic]) if figure.rows else None


def _completeness(
    archive: Archive, asked: Asked, seen: Observed, events: int, period: Period, until: datetime | None
) -> Completeness:
    stored = total(asked.frame("receipts"), "records_in_period")
    undated = archive.undated
    shown = figures.cluster_calendar(asked.answers["clusters"], period, limit=CLUSTERS_DRAWN, until=until)
    known = len(set(seen.clusters.column("cluster")))
    note = wording.calendar_note(CLUSTERS_DRAWN, known, step=shown.step)
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
    of_cluster = {"provider": "Provider", "users": "Identities"}
    of_provider = {"accounts": "Accounts", "clusters": "Clusters"}
    of_account = {"provider": "Provider", "clusters": "Clusters"}
    clusters, providers = asked.frame("cluster_ranking"), asked.frame("provider_ranking")
    accounts = asked.frame("account_ranking")
    return (
        tables.identities(asked.frame("users"), trends, mark=marks["users"], **common),
        tables.ranking(clusters, "cluster", "Clusters", of_cluster, mark=marks["cluster_ranking"], **common),
        tables.ranking(providers, "provider", "Providers", of_provider, mark=marks["provider_ranking"], **common),
        tables.ranking(accounts, "account", "Accounts", of_account, mark=marks["account_ranking"], **common),
    )


def _first_seen(asked: Asked, seen: Observed) -> tuple[Table, ...]:
    by_user, by_address = asked.new.counts(seen.actions.read("source_ips"))
    return (
        access_tables.new_users(asked.frame("first_seen_users"), by_user, mark=asked.marks["first_seen_users"]),
        access_tables.new_addresses(asked.frame("first_seen_ips"), by_address, mark=asked.marks["first_seen_ips"]),
    )
