"""The rules and the configuration: each takes its thresholds from it, and the report says what it changed."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from kubedossier.analytics import thresholds
from kubedossier.analytics.config import read_config
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.thresholds import Denied, Known, Thresholds
from kubedossier.reports import asking, findings
from kubedossier.reports.actions import Actions
from kubedossier.reports.build import build
from kubedossier.reports.evidence import MANIFEST_NAME
from kubedossier.reports.model import Request
from kubedossier.reports.observing import observed
from kubedossier.reports.render import pdf_bytes
from kubedossier.reports.rule_listing import listing
from kubedossier.reports.text import sentence

OCTOBER = parse_period("2026-10", now=datetime(2026, 11, 2, tzinfo=UTC))
ANNA = "anna.lindqvist@example.com"
CHANGED = Thresholds(
    denied=Denied(share=0.001, at_least=1),
    severity=(("secret-access", "off"), ("interactive-access", "exception")),
    known=(Known(ANNA, "Break-glass, reviewed each week", ("role-changes", "interactive-access")),),
)


@pytest.fixture(scope="module")
def seen(busy):
    asked = asking.ask(busy, OCTOBER)
    return observed(asked, OCTOBER, asking.agreed_total(asked), busy, 2, Thresholds())


@pytest.fixture(scope="module")
def changed_report(busy):
    return build(busy, OCTOBER, Request(thresholds=CHANGED))


def rule(name, found):
    return next(one for one in found if one.rule == name)


def test_the_names_of_rules_are_those_the_configuration_takes():
    names = [one.name for one in findings.RULES]
    assert names == [*thresholds.ABOUT_THE_RECORD, *thresholds.RATED]


def test_rules_that_leave_identities_aside_are_those_that_rest_on_actions(seen):
    everybody = frozenset(one.user for one in (*seen.actions, *seen.grave))
    for one in findings.RULES:
        verdict = one.judge(dataclasses.replace(seen, grave=seen.actions))
        if verdict and verdict.acts:
            assert one.name in thresholds.ABOUT_ACTIONS
            left = one(
                dataclasses.replace(
                    seen, thresholds=Thresholds(known=tuple(Known(user, "x", (one.name,)) for user in everybody))
                )
            )
            assert left.rating == "met"


def test_a_rule_takes_its_threshold_from_the_configuration(seen):
    assert rule("denied", findings.judge(seen)).rating == "met"
    strict = dataclasses.replace(seen, thresholds=CHANGED)
    assert rule("denied", findings.judge(strict)).rating == "review"


def test_a_severity_takes_the_place_of_the_rules_own_rating_and_off_is_not_judged(seen):
    own, changed = findings.judge(seen), findings.judge(dataclasses.replace(seen, thresholds=CHANGED))
    assert (rule("interactive-access", own).rating, rule("interactive-access", own).support) == (
        "review", "partly supports",
    )  # fmt: skip
    assert (rule("interactive-access", changed).rating, rule("interactive-access", changed).support) == (
        "exception", "not evidenced",
    )  # fmt: skip
    assert {one.rule for one in own} - {one.rule for one in changed} == {"secret-access"}


def test_a_severity_never_makes_a_finding_of_what_is_met(seen):
    nothing = dataclasses.replace(seen, actions=Actions.of([]), thresholds=CHANGED)
    assert rule("interactive-access", findings.judge(nothing)).rating == "met"


def test_a_known_identity_is_left_aside_where_it_is_named_and_counted(seen):
    own, changed = findings.judge(seen), findings.judge(dataclasses.replace(seen, thresholds=CHANGED))
    acts = [one for one in seen.actions if one.user == ANNA and one.kind == "exec" and not one.denied]
    found = rule("interactive-access", changed)
    assert found.aside == ((ANNA, len(acts)),)
    assert len(acts) > 1
    assert sentence(found.text).endswith(
        f" Another {len(acts)} actions of identities that the configuration knows were left aside."
    )
    assert ANNA not in sentence(found.text)
    assert rule("elevated", own) == rule("elevated", changed)


def test_the_report_explains_every_rule_and_what_the_configuration_changed(changed_report, text_of):
    notes = {one.name: one for one in changed_report.rules}
    assert list(notes) == [one.name for one in findings.RULES]
    assert notes["denied"].changed == ("share = 0.001 (default 0.1)", "at_least = 1 (default 10)")
    assert notes["secret-access"].changed == ("turned off, not judged",)
    assert notes["interactive-access"].changed == ("rated exception where it applies",)
    assert {name for name, one in notes.items() if one.changed} == {"denied", "secret-access", "interactive-access"}
    text = " ".join(text_of(pdf_bytes(changed_report)).split())
    assert "Configured: share = 0.001 (default 0.1); at_least = 1 (default 10)." in text
    assert "Identities that rules leave aside" in text
    assert "Break-glass, reviewed each week" in text


def test_the_thresholds_are_in_the_manifest_and_so_in_the_seal(busy_report, changed_report):
    manifest = json.loads(next(one.data for one in changed_report.attachments if one.name == MANIFEST_NAME))
    assert manifest["findings"] == thresholds.plain(CHANGED)
    assert changed_report.cover.seal != busy_report.cover.seal


@pytest.mark.parametrize("limits", [Thresholds(), CHANGED])
def test_the_listing_is_a_configuration_that_gives_the_same_thresholds(tmp_path, limits):
    path = tmp_path / "kubedossier.toml"
    path.write_text("\n".join(listing(limits)), "utf-8")
    assert read_config(path).findings == limits


def test_the_listing_explains_every_rule_and_every_value():
    text = " ".join(" ".join(line.lstrip("# ") for line in listing(Thresholds())).split())
    for one in findings.RULES:
        assert one.statement in text
        assert " ".join(one.method(Thresholds()).split()) in text
    for table in thresholds.TABLES:
        for one in thresholds.settings(Thresholds(), table):
            assert f"# {one.text}" in text or f"# {one.text}" in "\n".join(listing(Thresholds()))
