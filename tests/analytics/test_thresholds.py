"""The table [findings]: every mistake names its line, and what is not said keeps its default."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubedossier.analytics.config import read_config
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.thresholds import (
    ABOUT_ACTIONS,
    RATED,
    TABLES,
    Anonymous,
    OfficeHours,
    Thresholds,
    plain,
    settings,
)

COMPLETE = """\
archive = "dossier"
[findings.office-hours]
opens = "07:30"
closes = "24:00"
days = ["Sun", "Mon"]
timezone = "Europe/Berlin"
[findings.denied]
share = 1
severity = "exception"
[findings.vocabulary]
severity = "off"
[findings.anonymous]
open_paths = ["/healthz"]
[[findings.known]]
identity = "break-glass@example.com"
reason = "Emergencies, reviewed each week"
rules = ["off-hours-newcomers", "wide-rights"]
"""


@pytest.fixture
def read(tmp_path):
    def reading(text: str) -> Thresholds:
        path = tmp_path / "kubedossier.toml"
        path.write_text(text, encoding="utf-8")
        return read_config(path).findings

    return reading


def test_everything_the_table_says_is_read_and_the_rest_keeps_its_default(read):
    held = read(COMPLETE)
    assert held.office_hours == OfficeHours("07:30", "24:00", ("Sun", "Mon"), "Europe/Berlin")
    assert (held.denied.share, held.denied.growth) == (1, 2.0)
    assert held.severity == (("denied", "exception"), ("vocabulary", "off"))
    assert held.known_to("wide-rights") == {"break-glass@example.com"}
    assert held.known_to("burst") == frozenset()
    assert held.burst == Thresholds().burst
    assert read("archive = 'x'") == Thresholds()


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("[findings.denied]", "[findings.deneid]", 7, "Did you mean 'denied'?"),
        ("share = 1", "shaer = 1", 8, "Did you mean 'share'?"),
        ("share = 1", "share = 1.5", 8, "must be at most 1, not 1.5"),
        ("share = 1", "growth = 0.5", 8, "must be at least 1, not 0.5"),
        ("share = 1", 'share = "much"', 8, "must be a number, not 'much'"),
        ("share = 1", "share = true", 8, "must be a number, not True"),
        ("share = 1", "at_least = 1.5", 8, "must be a whole number, not 1.5"),
        ('severity = "exception"', 'severity = "high"', 9, "must be 'exception', 'review' or 'off'"),
        ('"07:30"', '"7:30"', 3, "must be a time of the day"),
        ('"07:30"', '"24:00"', 4, "must be later than 24:00"),
        ('"Sun"', '"Sunday"', 5, "holds 'Sunday'"),
        ('["Sun", "Mon"]', "[]", 5, "is empty"),
        ("Europe/Berlin", "Europe/Berlyn", 6, "is no time zone"),
        ('"/healthz"', '"healthz"', 13, "is no path"),
        ('"wide-rights"', '"wide-right"', 17, "Did you mean 'wide-rights'?"),
        ('"wide-rights"', '"denied"', 17, "leaves no identity aside"),
        ('["off-hours-newcomers", "wide-rights"]', "[]", 17, "is empty"),
        ('reason = "Emergencies, reviewed each week"', "", 14, "has no 'reason'"),
        ("[findings.vocabulary]", "[findings.completeness]", 10, "can be neither turned off nor rated anew"),
        ('severity = "off"', "factor = 3", 11, "is not a key known here"),
        ("[findings.anonymous]", "[findings.office-hours.more]", 12, "is not a key known here"),
    ],
)
def test_a_mistake_names_the_line_and_what_to_write(read, old, new, line, what):
    assert old in COMPLETE
    with pytest.raises(UsageError) as caught:
        read(COMPLETE.replace(old, new))
    assert f"line {line}:" in caught.value.message
    assert what in f"{caught.value.message} {caught.value.hint}"


def test_every_value_has_words_and_a_default_that_its_own_limits_allow():
    for table in TABLES:
        for one in settings(Thresholds(), table):
            assert one.text
            assert one.value == one.default
    assert set(TABLES) - {"office-hours"} <= set(RATED)
    assert set(ABOUT_ACTIONS) < set(RATED)


def test_all_values_go_into_the_manifest_in_plain_form(read):
    held = plain(read(COMPLETE))
    assert held["office-hours"]["days"] == ["Sun", "Mon"]
    assert held["severity"] == {"denied": "exception", "vocabulary": "off"}
    assert held["known"][0]["reason"] == "Emergencies, reviewed each week"
    assert set(held) == {*TABLES, "severity", "known"}


@pytest.mark.parametrize(
    ("hours", "at", "outside"),
    [
        (OfficeHours(), datetime(2026, 10, 19, 6, 0, tzinfo=UTC), False),
        (OfficeHours(), datetime(2026, 10, 19, 5, 59, 59, 999999, tzinfo=UTC), True),
        (OfficeHours(), datetime(2026, 10, 19, 20, 0, tzinfo=UTC), True),
        (OfficeHours(), datetime(2026, 10, 17, 12, 0, tzinfo=UTC), True),
        (OfficeHours(timezone="Asia/Tokyo"), datetime(2026, 10, 18, 22, 0, tzinfo=UTC), False),
        (OfficeHours(timezone="Europe/Berlin"), datetime(2026, 10, 23, 18, 0, tzinfo=UTC), True),
        (OfficeHours(timezone="Europe/Berlin"), datetime(2026, 10, 26, 18, 59, tzinfo=UTC), False),
        (OfficeHours("00:00", "24:00"), datetime(2026, 10, 19, 23, 59, 59, tzinfo=UTC), False),
    ],
)
def test_office_hours_are_half_open_and_follow_the_clocks_of_their_zone(hours, at, outside):
    assert hours.excludes(at) is outside


def test_office_hours_are_told_in_words():
    assert OfficeHours().words() == "Monday to Friday, 06:00 to 20:00 UTC"
    assert OfficeHours(days=("Sun", "Mon")).words() == "Monday, Sunday, 06:00 to 20:00 UTC"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/healthz", True), ("/healthz/etcd", True), ("/version?x=1", True), ("/healthzz", False), ("/api", False)],
)
def test_an_open_path_is_open_with_all_below_it_and_nothing_beside_it(path, allowed):
    assert Anonymous().allows(path) is allowed
