"""Decisions about findings: what they are bound to, when they count, and that the report prints them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import date

import pytest

from kubedossier.reports.dispositions import decided, facts, named, undecided
from kubedossier.reports.event_ids import EventIds
from kubedossier.reports.press import pdf_bytes

DAY = date(2026, 11, 2)


@pytest.fixture
def finding(busy_report):
    return next(one for one in busy_report.findings if one.rule == "completeness")


def entry(finding, seq=9, **changes):
    said = {"outcome": "accepted", "reason": "Planned", "ticket": "OPS-1", "expires": None}
    return {
        "type": "note",
        "seq": seq,
        "at": "2026-11-01T10:00:00.000000Z",
        "actor": "anna",
        **facts(finding, **said | changes),
    }


def test_a_finding_is_named_by_period_and_rule_and_names_are_unique(busy_report, finding):
    assert finding.id == "2026-10/completeness"
    ids = [one.id for one in busy_report.findings]
    assert len(ids) == len(set(ids))


def test_a_decision_stands_with_its_finding_and_the_newest_counts(finding):
    entries = [entry(finding, outcome="investigating"), entry(finding, 10), {"type": "note", "rollback": {}, "seq": 11}]
    found = decided([finding], entries, DAY)[0].disposition
    assert (found.outcome, found.entry, found.by, found.state) == ("accepted", 10, "anna", "current")


def test_a_withdrawn_decision_is_gone(finding):
    entries = [entry(finding), entry(finding, 10, outcome="withdrawn")]
    assert decided([finding], entries, DAY)[0].disposition is None


@pytest.mark.parametrize(("day", "state"), [(date(2026, 11, 3), "current"), (DAY, "expired")])
def test_a_decision_ends_on_the_day_it_names(finding, day, state):
    assert decided([finding], [entry(finding, expires=day)], DAY)[0].disposition.state == state


def test_a_decision_about_other_evidence_is_said_to_be_so(finding):
    other = named([dataclasses.replace(finding, text=("Something else.",))], "2026-10")[0]
    assert decided([other], [entry(finding)], DAY)[0].disposition.state == "changed since"


def test_what_a_finding_cites_decides_what_it_rests_on(finding):
    ids = [EventIds(bytes.fromhex(event)) for event in ("a" * 64, "b" * 64)]
    one, other = (dataclasses.replace(finding, events=events) for events in ids)
    reworded = dataclasses.replace(one, text=("In other words.",))
    first, second, third = named([one, other, reworded], "2026-10")
    assert first.basis == third.basis != second.basis
    text = json.dumps([one.rule, one.rating, ["a" * 64]], separators=(",", ":"))
    assert first.basis == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("changes", "left"),
    [({}, 0), ({"outcome": "investigating"}, 1), ({"expires": DAY}, 1)],
)
def test_only_a_current_decision_settles_a_finding(finding, changes, left):
    assert len(undecided(decided([finding], [entry(finding, **changes)], DAY), "exception")) == left


def test_a_review_counts_where_reviews_are_asked_for(finding):
    review = dataclasses.replace(finding, rating="review")
    assert undecided([review], "exception") == ()
    assert undecided([review], "review") == (review,)


def test_the_report_prints_a_decision_and_shows_what_cannot_be_seen(busy_report, finding, text_of):
    note = entry(finding, reason="Maintenance \u202edne", expires=date(2027, 1, 1))
    report = dataclasses.replace(busy_report, findings=decided(busy_report.findings, [note], DAY))
    text = " ".join(text_of(pdf_bytes(report)).split())
    assert "Accepted: Maintenance [U+202E]dne" in text
    assert "OPS-1" in text
    assert "2027-01-01" in text
