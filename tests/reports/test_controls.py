"""The control catalogues: well-formed, and nothing in them points into the void."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import resources

import pytest

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.periods import parse_period
from kubedossier.reports import build, catalogues, controls, findings, sections
from kubedossier.reports.model import Request
from kubedossier.reports.press import pdf_bytes

ID = re.compile(r"[A-Z0-9][A-Za-z0-9./()&-]*( (Art\.|Annex|App\.) [0-9A-Z.()a-z]+)?")
ORDER = [section.id for section in sections.SECTIONS]
SECTIONS = {section.id for section in sections.SECTIONS}


@pytest.mark.parametrize("name", catalogues.FRAMEWORKS)
def test_a_catalogue_is_well_formed_and_points_at_what_exists(name, busy_report):
    held = catalogues.packaged(name)
    queries = {one.name for one in busy_report.evidence}
    assert held.id == name
    assert held.name and held.title and held.version and held.source
    ids = [one.id for one in held.controls]
    assert len(ids) == len(set(ids)) > 3
    rules = {one.name for one in findings.RULES}
    for one in held.controls:
        assert ID.fullmatch(one.id), one.id
        assert one.title and one.shows and one.cannot.endswith(".")
        assert one.sections and set(one.sections) <= SECTIONS - {"controls"}
        assert set(one.queries) <= queries, one.id
        assert set(one.rules) <= rules, one.id
        assert one.support in ("supports", "partly supports", "not evidenced")
        assert one.confidence in ("high", "medium", "low")
        assert not (one.confidence == "low" and one.support == "supports")


def test_the_folder_holds_the_frameworks_that_can_be_chosen_and_no_others():
    folder = resources.files("kubedossier.reports").joinpath("frameworks")
    assert {entry.name for entry in folder.iterdir()} == {f"{name}.toml" for name in catalogues.FRAMEWORKS}


def test_every_rule_that_rates_bears_on_a_control():
    bearing = {
        rule for name in catalogues.FRAMEWORKS for one in catalogues.packaged(name).controls for rule in one.rules
    }
    assert len(findings.RULES) - len(bearing) <= 1


@pytest.mark.parametrize("name", catalogues.FRAMEWORKS)
def test_a_record_of_matched_events_supports_no_control_that_asks_for_all_of_them_or_for_prevention(name):
    wide = re.compile(
        r"\b(all|any|only|limited|prevent\w*|protect\w*|promptly|minimi[sz]e|avoid|daily)\b", re.IGNORECASE
    )
    for one in catalogues.packaged(name).controls:
        assert not (one.support == "supports" and wide.search(one.title)), one.id


@pytest.mark.parametrize("name", catalogues.FRAMEWORKS)
def test_what_supports_a_control_is_a_question_that_was_asked(name):
    for one in catalogues.packaged(name).controls:
        assert one.support != "supports" or one.queries, one.id
        assert one.cannot.rstrip(".") not in one.shows
        assert one.shows[0].isupper() and not one.shows.endswith("."), one.id
        assert set(one.sections) <= SECTIONS - {"controls"}


def test_no_catalogue_speaks_of_compliance():
    for name in catalogues.FRAMEWORKS:
        for one in catalogues.packaged(name).controls:
            assert "complian" not in f"{one.shows} {one.cannot}".lower()


def test_names_may_be_repeated_or_listed_and_a_wrong_one_names_the_nearest():
    assert [one.id for one in catalogues.chosen(["soc2, pci-dss", "SOC2"])] == ["soc2", "pci-dss"]
    with pytest.raises(UsageError, match="no control framework 'soc3'") as error:
        catalogues.chosen(["soc3"])
    assert error.value.hint == "Did you mean 'soc2'?"
    with pytest.raises(UsageError):
        catalogues.chosen(["../soc2"])


def test_holes_in_the_record_lower_the_support_and_never_raise_it(busy_report, quiet_report):
    marks = {one.name: one.mark for one in busy_report.evidence}
    whole = controls.mapped(catalogues.chosen(["soc2"]), quiet_report.findings, marks, ORDER)[0].controls
    holed = controls.mapped(catalogues.chosen(["soc2"]), busy_report.findings, marks, ORDER)[0].controls
    assert "supports" in {one.support for one in whole}
    assert {one.support for one in holed} == {"partly supports", "not evidenced"}


def made(archive, *names):
    period = parse_period("2026-10", now=datetime(2026, 11, 2, tzinfo=UTC))
    return build.build(archive, period, Request(frameworks=catalogues.chosen(names)))


def test_findings_and_controls_name_each_other(busy):
    report = made(busy, "soc2")
    finding = next(one for one in report.findings if one.rule == "completeness")
    assert "CC2.1" in finding.controls
    control = next(one for one in report.mappings[0].controls if one.id == "CC2.1")
    assert ("exception", "completeness") in control.open_rules


def test_a_finding_names_a_framework_once_and_no_line_ends_within_a_name():
    names = ["SOC 2 CC6.1", "SOC 2 CC6.2", "DORA 2022/2554 Art. 9", "HIPAA 164.312(b)", "NIS2 2022/2555 Art. 23"]
    told = controls.controls_listed(names, ["SOC 2", "DORA", "HIPAA", "NIS2"])
    assert told.replace("\u00a0", "_") == "SOC_2 CC6.1, CC6.2; DORA 2022/2554_Art._9; HIPAA 164.312(b) and 1_more"
    assert controls.controls_listed(["CC6.1", "CC6.2"], ["SOC 2"]) == "CC6.1, CC6.2"


def test_a_control_names_sections_and_evidence_in_their_order(busy):
    for mapping in made(busy, "soc2", "pci-dss").mappings:
        for one in mapping.controls:
            assert [ORDER.index(name) for name in one.sections] == sorted(ORDER.index(name) for name in one.sections)
            assert [int(mark[1:]) for mark in one.marks] == sorted(int(mark[1:]) for mark in one.marks)


def test_a_report_without_frameworks_has_no_such_section(busy_report):
    assert "controls" not in {section.id for section in busy_report.sections}
    assert busy_report.mappings == ()


def test_all_frameworks_at_once_make_a_document(quiet, text_of):
    report = made(quiet, *catalogues.FRAMEWORKS)
    text = text_of(pdf_bytes(report))
    for mapping in report.mappings:
        assert mapping.name in text
        assert mapping.controls[0].title.split()[0] in text
