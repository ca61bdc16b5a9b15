"""The numbers of the report: they agree with each other, and where they cannot there is no report."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from datetime import UTC, date, datetime

import polars as pl
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.damage import ReplacedError, settled
from kubedossier.analytics.store.retention import collect_garbage
from kubedossier.analytics.thresholds import Thresholds
from kubedossier.reports import asking
from kubedossier.reports.actions import Actions
from kubedossier.reports.build import build
from kubedossier.reports.evidence import MANIFEST_NAME
from kubedossier.reports.findings import judge
from kubedossier.reports.model import Request
from kubedossier.reports.tables import techniques

NOW = datetime(2026, 11, 2, tzinfo=UTC)
OCTOBER = parse_period("2026-10", now=NOW)


def number(cell) -> int:
    return int(cell.text.replace(",", ""))


def column(table, title):
    index = [heading.title for heading in table.headings].index(title)
    return [number(row[index]) for row in table.rows], index


def table(report, name):
    return next(one for one in report.rankings if one.id == name)


@pytest.mark.parametrize("name", ["identities", "cluster", "provider", "account"])
def test_each_ranking_adds_up_to_the_number_on_the_cover(busy_report, name):
    ranking = table(busy_report, name)
    shown, index = column(ranking, "Events")
    if ranking.sums[0].text == "All":
        assert sum(shown) == number(ranking.sums[index]) == busy_report.cover.events
    else:
        assert sum(shown) + number(ranking.sums[index]) == busy_report.cover.events


def test_every_figure_of_all_events_adds_up_to_the_cover(busy_report):
    charts = (busy_report.completeness.strip, busy_report.completeness.calendar, busy_report.activity)
    assert [sum(chart.figure.column("events")) for chart in charts] == [busy_report.cover.events] * 3
    assert busy_report.key_figures[0].value == f"{busy_report.cover.events:,}"


def test_the_bridge_leads_from_the_records_to_the_events(busy_report):
    stored, hidden, events = (int(fact.text[0].replace(",", "")) for fact in busy_report.completeness.bridge)
    assert stored - hidden == events == busy_report.cover.events


def test_privileged_actions_are_the_same_number_everywhere(busy_report):
    kinds, _ = column(busy_report.privileged_kinds, "Actions")
    evidence = next(one for one in busy_report.evidence if one.mark == busy_report.privileged.mark)
    assert sum(kinds) == busy_report.privileged.total == evidence.rows
    assert busy_report.key_figures[2].value == f"{sum(kinds):,}"
    people = busy_report.privileged_people
    assert number(people.sums[3]) == sum(kinds)


def test_denied_requests_are_the_same_number_in_table_chart_and_share(busy_report):
    denied = sum(busy_report.activity.figure.column("denied"))
    assert number(busy_report.denied.sums[2]) == denied > 0
    share = denied / busy_report.cover.events * 100
    assert busy_report.key_figures[4].value.startswith(f"{share:.1f}".removesuffix(".0"))


def test_requests_without_an_identity_tell_what_was_denied_open_and_served(anonymous_report):
    shown = [(row[0].raw, row[1].raw, [number(cell) for cell in row[2:]]) for row in anonymous_report.anonymous.rows]
    assert shown == [
        ("list payments/pods", "203.0.113.9", [3, 2, 0, 1]),
        ("list /healthz", "203.0.113.9", [2, 0, 2, 0]),
        ("list /version", "203.0.113.9", [1, 0, 1, 0]),
    ]
    assert anonymous_report.anonymous.rows[0][1].lines == ("198.51.100.9",)
    found = next(one for one in anonymous_report.findings if one.rule == "anonymous")
    assert found.text == ("1 request of system:anonymous was not denied.",)


def test_newcomers_are_named_and_their_actions_come_first(newcomers_report):
    finding = next(one for one in newcomers_report.findings if one.rule == "newcomers")
    assert (finding.rating, finding.title) == ("review", "Newcomers took 2 privileged actions.")
    people, addresses = newcomers_report.first_seen
    assert [(row[0].raw, row[5].text) for row in people.rows] == [("eve@example.com", "2"), ("zoe@example.com", "0")]
    assert [row[0].raw for row in addresses.rows] == ["203.0.113.77", "10.9.9.9"]
    assert newcomers_report.privileged.rows[0][2].raw == "anna@example.com"


def test_what_exceptions_cite_stands_before_all_other_actions(newcomers_report):
    cited = newcomers_report.cited
    assert [(row[1].raw, row[1].lines[0], row[3].text) for row in cited.rows] == [
        ("eve@example.com", "203.0.113.77", "off-hours-newcomers")
    ] * 2
    finding = next(one for one in newcomers_report.findings if one.rule == "off-hours-newcomers")
    assert finding.rating == "exception"
    assert {row[4].raw for row in cited.rows} == {event[:12] for event in finding.events}
    assert {row[2].raw for row in newcomers_report.privileged.rows[-2:]} == {"eve@example.com"}


def test_without_an_earlier_record_nobody_is_new(hostile_report):
    assert hostile_report.first_seen == ()
    assert "nothing can be called new" in hostile_report.first_seen_lead[0]
    assert "newcomers" not in {one.rule for one in hostile_report.findings}


def test_the_seal_is_the_digest_of_the_manifest_and_the_manifest_holds_every_file(busy_report):
    files = {item.name: item.data for item in busy_report.attachments}
    assert [item.size_bytes for item in busy_report.attachments] == [len(data) for data in files.values()]
    assert hashlib.sha256(files[MANIFEST_NAME]).hexdigest() == busy_report.cover.seal
    manifest = json.loads(files.pop(MANIFEST_NAME))
    assert {one["file"]: one["file_sha256"] for one in manifest["queries"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items()
    }
    assert manifest["archive"]["entry_sha256"] == busy_report.cover.as_of_hash


def test_every_mark_on_the_page_has_its_evidence(busy_report):
    marks = {one.mark for one in busy_report.evidence}
    used = {mark for finding in busy_report.findings for mark in finding.marks}
    used |= {key.mark for key in busy_report.key_figures} | {one.mark for one in busy_report.rankings}
    used |= {busy_report.privileged.mark, busy_report.denied.mark, busy_report.activity.mark}
    assert used <= marks


def test_a_gap_is_an_exception_and_names_the_days(busy_report):
    finding = next(one for one in busy_report.findings if one.rule == "completeness")
    assert (finding.rating, finding.support) == ("exception", "not evidenced")
    assert "14 October 2026" in finding.text[0]
    assert "20 October 2026" in finding.text[0]
    assert busy_report.cover.coverage == "31 days: 29 collected, 1 possibly dropped, 1 not collected"


def test_a_month_without_events_that_was_collected_is_complete(quiet_report):
    assert quiet_report.cover.events == 0
    finding = next(one for one in quiet_report.findings if one.rule == "completeness")
    assert finding.rating == "met"
    assert quiet_report.key_figures[1].value == "31 / 31"
    assert quiet_report.lead[0] == "The record holds no event in October 2026. "


def test_one_event_is_written_in_the_singular(quiet):
    report = build(quiet, parse_period("2026-09", now=NOW), Request())
    assert report.lead[0] == "The record holds 1 event of 1 cluster in September 2026, by 1 identity. "
    assert report.privileged.total == 1


def test_another_ledger_entry_gives_another_report(busy):
    earlier = Archive(busy.path, as_of=2)
    report = build(earlier, OCTOBER, Request())
    assert report.cover.as_of_seq == 2
    assert report.cover.events == 0
    assert report.cover.number == "KD-2026-10-0002"


def test_the_seal_depends_on_the_evidence_and_not_on_how_it_is_presented(busy, busy_report):
    again = build(busy, OCTOBER, Request(organisation="Somebody else", issued=datetime(2027, 1, 1, tzinfo=UTC)))
    assert again.cover.seal == busy_report.cover.seal
    other = build(busy, parse_period("2026-10-01..2026-10-30", now=NOW), Request())
    assert other.cover.seal != busy_report.cover.seal


def test_answers_that_disagree_make_no_report(busy, monkeypatch):
    asked = asking.ask(busy, OCTOBER)
    clusters = asked.answers["cluster_ranking"]
    asked.answers["cluster_ranking"] = type("Wrong", (), {"name": clusters.name, "frame": clusters.frame.head(2)})()
    monkeypatch.setattr("kubedossier.reports.build.ask", lambda *_: asked)
    with pytest.raises(IntegrityError, match="disagree on the number of events"):
        build(busy, OCTOBER, Request())


def test_a_file_that_changed_makes_no_report(busy, tmp_path):
    shutil.copytree(busy.path, tmp_path / "copy")
    copy = Archive(tmp_path / "copy")
    file = copy.path / copy.ledger.live()[-1].path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    with pytest.raises(IntegrityError, match="is not what the ledger says"):
        build(copy, OCTOBER, Request())
    file.unlink()
    with pytest.raises(IntegrityError, match="found nothing"):
        build(copy, OCTOBER, Request())
    os.mkfifo(file)  # nobody waits for its other end
    with pytest.raises(IntegrityError, match="no plain file"):
        build(Archive(copy.path), OCTOBER, Request())


def test_a_file_that_is_merged_and_deleted_while_the_report_is_made_is_no_damage(busy, busy_report, tmp_path):
    shutil.copytree(busy.path, tmp_path / "copy")
    opened = []

    def made():
        opened.append(Archive(tmp_path / "copy"))
        if len(opened) == 1:
            list(compact(opened[0].path, datetime(2027, 1, 1, tzinfo=UTC)))
            assert collect_garbage(opened[0].path)
        return build(opened[-1], OCTOBER, Request())

    assert settled(made).cover.events == busy_report.cover.events
    with pytest.raises(ReplacedError, match="a later entry replaced"):
        build(opened[0], OCTOBER, Request())


@pytest.mark.parametrize("period", ["2026-Q4", "2026", "2026-10-14", "2026-10-10..2026-10-20"])
def test_other_periods_add_up_as_well(busy, period):
    report = build(busy, parse_period(period, now=NOW), Request())
    assert sum(report.completeness.calendar.figure.column("events")) == report.cover.events > 0
    assert sum(report.activity.figure.column("events")) == report.cover.events


def test_formulas_in_the_attached_data_are_text(hostile_report):
    rows = next(item.data for item in hostile_report.attachments if item.name.endswith("-top-users.csv")).decode()
    assert "\"'=cmd|' /C calc'!A0\"" in rows
    assert '"admin\u202egnp.exe"' in rows


def test_what_is_too_long_to_attach_is_cut_and_says_so(quiet, monkeypatch):
    monkeypatch.setattr("kubedossier.reports.evidence.ATTACHED_ROWS", 5)
    report = build(quiet, OCTOBER, Request())
    one = next(one for one in report.evidence if one.name == "activity_by_day")
    assert (one.rows, one.attached, report.attached(one.mark)) == (31, 5, 5)
    data = next(item.data for item in report.attachments if item.name == one.file)
    assert data.count(b"\n") == 6
    manifest = json.loads(report.attachments[-1].data)
    assert (manifest["queries"][0]["rows"], manifest["queries"][0]["rows_attached"]) == (31, 5)


def test_rules_never_speak_of_compliance(busy_report, quiet_report, hostile_report):
    for report in (busy_report, quiet_report, hostile_report):
        for finding in report.findings:
            words = f"{finding.title} {finding.statement} {finding.method} {finding.support}".lower()
            assert "complian" not in words
            assert "comply" not in words
            allowed = {"met": ("supports", "partly supports"), "review": ("partly supports",)}
            assert finding.support in allowed.get(finding.rating, ("not evidenced",))


def test_what_was_not_found_in_a_record_with_holes_is_supported_in_part(busy_report, quiet_report):
    partly = {one.rule for one in busy_report.findings if (one.rating, one.support) == ("met", "partly supports")}
    assert {"anonymous", "newcomers", "denied"} <= partly
    assert not partly & {"accounting", "population", "integrity"}
    assert {one.support for one in quiet_report.findings if one.rating == "met"} == {"supports"}


def test_where_nothing_was_recorded_only_the_record_is_judged(quiet):
    report = build(quiet, parse_period("2025-01", now=NOW), Request())
    assert [(one.rule, one.rating) for one in report.findings] == [
        ("completeness", "exception"),
        ("integrity", "met"),
    ]


def observed(busy, **changes):
    from kubedossier.reports.observing import observed as observe

    asked = asking.ask(busy, OCTOBER)
    return dataclasses.replace(observe(asked, OCTOBER, asking.agreed_total(asked), busy, 2, Thresholds()), **changes)


def test_each_rule_changes_its_rating_with_what_it_reads(busy):
    seen = observed(busy)
    by_rule = {one.rule: one.rating for one in judge(seen)}
    assert by_rule["accounting"] == by_rule["anonymous"] == by_rule["population"] == "met"
    assert by_rule["newcomers"] == "met"
    assert by_rule["role-changes"] == by_rule["secret-access"] == by_rule["interactive-access"] == "review"
    changed = {
        "accounting": [
            ({"received": seen.received + 1}, "exception"),
            ({"received": seen.received + 2, "rejected": 2}, "review"),
        ],
        "population": [({"unstable_windows": 1}, "review")],
        "integrity": [({"rollbacks": 1}, "review"), ({"retracted": 1}, "review"), ({}, "met")],
        "anonymous": [({"anonymous_served": 1}, "exception")],
        "role-changes": [({"actions": Actions.of([])}, "met")],
        "elevated": [({"actions": Actions.of([])}, "met")],
        "denied": [({"denied": seen.events // 2}, "review"), ({"denied": 0}, "met")],
        "volume": [({"previous_events": 1}, "review"), ({"previous_events": seen.events}, "met")],
        "vocabulary": [({"unknown_techniques": ("new",)}, "review")],
    }
    for rule, cases in changed.items():
        for change, rating in cases:
            found = {one.rule: one.rating for one in judge(dataclasses.replace(seen, **change))}
            assert found[rule] == rating, (rule, change)


def test_the_manifest_names_the_source_its_versions_and_who_asked(busy_report, busy):
    facts = [one for one in busy_report.custody if one.label == "Source asked"]
    assert len(facts) == 1  # two runs of one kind
    words = "".join(part if isinstance(part, str) else part.raw for part in facts[0].text)
    assert words == (
        "https://console.example:8083: a Console that does not tell its version, API v33.01, "
        "certificate not checked; as auditor"
    )


def test_a_technique_that_a_finding_names_is_in_the_table_however_rare():
    names = [f"technique{number:02}" for number in range(20)]
    frame = pl.DataFrame(
        {"technique": [*names, "odd"], "events": [*range(40, 20, -1), 1], "attempts": 0, "date": date(2026, 10, 1)}
    )
    shown = techniques(frame, {}, mark="E8", named={"odd", "technique03"})
    assert [row[0].raw for row in shown.rows] == [*names[:15], "odd"]
    assert (len(shown.rows), shown.total, shown.picked) == (16, 21, True)
    assert "What a finding names is listed" in shown.note
    plain = techniques(frame, {}, mark="E8", named={"technique03"})
    assert ([row[0].raw for row in plain.rows], plain.picked) == (names[:16], False)


def test_the_technique_without_a_meaning_is_named_and_listed(hostile_report):
    named = next(one for one in hostile_report.findings if one.rule == "vocabulary")
    listed = {row[0].raw for row in hostile_report.techniques_table.rows}
    assert {part.raw for part in named.text if not isinstance(part, str)} <= listed
