"""One number is one number: cover, sentences, figures, tables and attached rows add up to the same, in each format."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from kubedossier.reports.data import json_bytes
from kubedossier.reports.render import html
from kubedossier.reports.web import html_bytes

COUNTED = {
    "activity_by_day": "events",
    "coverage": "events",
    "coverage_by_cluster": "events",
    "top_users": "events",
    "cluster_ranking": "events",
    "provider_ranking": "events",
    "account_ranking": "events",
}


def rows(report, name, about=""):
    """The rows of an answer as they are attached."""
    one = next(one for one in report.evidence if one.name == name and one.file.endswith(f"{about}.csv"))
    data = next(item.data for item in report.attachments if item.name == one.file).decode()
    found = list(csv.DictReader(io.StringIO(data, newline="")))
    assert len(found) == one.rows == one.attached
    return found


def number(cell) -> int:
    return int(cell.text.replace(",", ""))


@pytest.fixture(params=["busy_report", "quiet_report", "hostile_report", "newcomers_report", "anonymous_report"])
def report(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", COUNTED)
def test_attached_rows_add_up_to_the_cover(report, name):
    assert sum(int(row[COUNTED[name]]) for row in rows(report, name)) == report.cover.events


def test_attached_receipts_add_up_to_the_bridge_and_to_the_finding(report):
    runs = rows(report, "receipts")
    stored, _, events = (int(fact.text[0].replace(",", "")) for fact in report.completeness.bridge)
    assert sum(int(run["records_in_period"]) for run in runs) == stored
    assert events == report.cover.events
    received = sum(int(run["received"]) for run in runs)
    assert received == sum(int(run[part]) for run in runs for part in ("new", "duplicate", "rejected"))
    sums = report.completeness.receipts.sums
    assert not sums or number(sums[3]) == received


def test_every_table_of_privileged_actions_counts_the_attached_rows(report):
    acts = rows(report, "privileged_actions")
    kinds = {row[0].text: number(row[1]) for row in report.privileged_kinds.rows}
    assert kinds == Counter(act["kind"] for act in acts)
    assert report.privileged.total == len(acts)
    assert report.key_figures[2].value == f"{len(acts):,}"
    shown = {(row[0].raw, row[2].text): number(row[3]) for row in report.privileged_people.rows}
    counted = Counter((act["user"], act["kind"]) for act in acts)
    if len(acts) == sum(counted.values()) and all(act["user"] and act["user"][0] not in "'=" for act in acts):
        assert shown.items() <= counted.items()


def test_denied_requests_are_the_attached_rows(report):
    denied = rows(report, "denied_requests")
    assert sum(report.activity.figure.column("denied")) == len(denied)
    assert not report.denied.rows or number(report.denied.sums[2]) == len(denied)
    activity = rows(report, "activity_by_day")
    assert sum(int(row["denied"]) for row in activity) == len(denied)


def test_anonymous_requests_are_the_attached_rows_and_those_served_the_finding(report):
    attached = rows(report, "anonymous_access")
    table = report.anonymous
    if not table.rows:
        assert attached == []
        return
    requests, denied, opened, served = (number(cell) for cell in table.sums[2:])
    assert requests == len(attached) == denied + opened + served
    finding = next(one for one in report.findings if one.rule == "anonymous")
    assert (finding.rating == "exception") is (served > 0)


def test_techniques_in_figure_and_table_are_the_attached_rows(report):
    counted: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    for row in rows(report, "techniques_by_day"):
        counted[row["technique"].removeprefix("'")] += int(row["events"])
        attempts[row["technique"].removeprefix("'")] += int(row["attempts"])
    assert report.techniques_table.total == len(counted)
    for row in report.techniques_table.rows:
        assert number(row[3]) == counted[row[0].raw.removeprefix("'")]
        assert number(row[4]) == attempts[row[0].raw.removeprefix("'")] <= counted[row[0].raw.removeprefix("'")]
    assert any(attempts.values()) is any("forbid" in row["decision"] for row in rows(report, "denied_requests"))
    if report.techniques:
        names, amounts = (report.techniques.figure.column(name) for name in ("technique", "events"))
        drawn: Counter[str] = Counter()
        for name, amount in zip(names, amounts, strict=True):
            drawn[name.removeprefix("'")] += amount
        assert all(counted[name] == amount for name, amount in drawn.items() if name in counted)


def test_first_seen_tables_are_the_attached_rows(report):
    for table, name in zip(report.first_seen, ("first_seen_users", "first_seen_ips"), strict=False):
        assert table.total == len(rows(report, name))
    if report.first_seen:
        users, addresses = len(rows(report, "first_seen_users")), len(rows(report, "first_seen_ips"))
        lead = "".join(report.first_seen_lead)
        said = re.findall(r"\d+|[Nn]o(?= identity| source)", lead)[:2]
        assert [0 if one.lower() == "no" else int(one) for one in said] == [users, addresses]


def test_days_in_cover_key_figure_and_strip_are_the_attached_days(report):
    states = Counter(row["state"] for row in rows(report, "coverage"))
    strip = Counter(report.completeness.strip.figure.column("state"))
    assert strip == states
    assert report.key_figures[1].value == f"{states['collected']} / {sum(states.values())}"
    assert report.cover.coverage.startswith(f"{sum(states.values())} day")


def test_the_sentence_on_top_says_the_numbers_of_the_attached_rows(report):
    lead = "".join(part for part in report.lead if isinstance(part, str))
    users, clusters = len(rows(report, "top_users")), len(rows(report, "cluster_ranking"))
    if report.cover.events:
        assert f"{report.cover.events:,} event" in lead
        assert f"of {clusters} cluster" in lead
        assert f"by {users} identit" in lead
    assert report.key_figures[3].value == f"{users:,}"
    spelled = sum(one.rating == "exception" for one in report.findings)
    assert ("needs a decision" in lead or "need a decision" in lead) is (spelled > 0)


def test_each_format_says_the_number_of_the_cover(report):
    assert json.loads(json_bytes(report))["cover"]["events"] == report.cover.events
    shown = f"<dd>{report.cover.events:,}</dd>"
    assert shown in html(report)
    assert f"{report.cover.events:,}" in html_bytes(report).decode()


class Paragraphs(HTMLParser):
    """Paragraphs of the numbered sections that are no note under a marked heading, with the marks in them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, int]] = []
        self._depth: list[str] = []
        self._section = ""
        self._text: list[str] | None = None
        self._marks = 0

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "section":
            self._section = given.get("aria-labelledby", "")
        if tag == "p" and given.get("class") in ("lead", "intro") and self._section not in ("", "controls", "queries"):
            self._text, self._marks = [], 0
        if tag == "a" and given.get("class") == "mark":
            self._marks += 1

    def handle_data(self, data):
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag):
        if tag == "p" and self._text is not None:
            self.found.append(("".join(self._text), self._marks))
            self._text = None


@pytest.mark.parametrize("made", [html, lambda report: html_bytes(report).decode()])
def test_every_paragraph_with_a_number_carries_its_evidence_mark(report, made):
    reader = Paragraphs()
    reader.feed(made(report))
    told = [(text, marks) for text, marks in reader.found if re.search(r"\d", re.sub(r"SHA-256|E\d+", "", text))]
    assert told
    assert [text for text, marks in told if not marks] == []


def test_every_table_figure_key_figure_and_finding_names_evidence_that_is_attached(report):
    marks = {one.mark for one in report.evidence}
    whole = report.completeness
    charts = [whole.strip, whole.calendar, report.activity, report.techniques, report.tactics]
    tables = [
        *(whole.receipts, whole.gaps, report.techniques_table, *report.rankings),
        *(*report.first_seen, report.privileged_kinds, report.privileged_people, report.privileged, report.denied),
        *(report.cited, report.anonymous),
    ]
    named = [one.mark for one in (*charts, *tables, *report.key_figures) if one]
    assert set(named) <= marks
    assert all(one.marks and set(one.marks) <= marks for one in report.findings)


def test_what_was_denied_of_privileged_actions_is_counted_by_kind_so_that_findings_can_be_followed(busy_report):
    attached = rows(busy_report, "privileged_actions")
    refused = Counter(
        row["kind"] for row in attached if row["decision"] == "forbid" or row["status_code"] in ("401", "403")
    )
    shown = {row[0].text: number(row[3]) for row in busy_report.privileged_kinds.rows}
    assert {kind: amount for kind, amount in shown.items() if amount} == dict(refused)
    assert sum(shown.values()) == number(busy_report.privileged_kinds.sums[3]) > 0
