"""What judges of other makers say of a report: our own rules may share the misunderstandings of whoever wrote them.

One is ``page`` (rules of veraPDF's profiles, written anew), the other pikepdf's list of what is known to conform to
PDF/A-3b, which PDF/A-3a includes.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pikepdf
import pydyf
import pytest
from pikepdf import pdfa

from kubedossier.analytics.periods import parse_period
from kubedossier.reports.build import build
from kubedossier.reports.model import Request
from kubedossier.reports.own_sections import read_sections
from kubedossier.reports.pdfa import clear_ends
from kubedossier.reports.press import pdf_bytes

page = pytest.importorskip("page", reason="there is no wheel of page-validation for this machine")

PROFILES = {"3a": 100, "ua1": 80}
"""How many rules each has at the least: a judge that looks at nothing finds nothing."""
# What PDF/UA-1 is claimed with is no property of XMP; PDF/A-3 lets it stand beside a description of it, which this
# judge does not read. And it knows level B only.
NOT_KNOWN_TO_PIKEPDF = {"ISO_19005_3:6.6.2.3.1-1", "ISO_19005_3:6.6.4-3"}
LISTS = """{# title: Lists #}
<h3>Words</h3>
<p>{{ lists.total }} {{ mark(lists) }}</p>
<dl><dt>One</dt><dd>said of it</dd><dd>and this</dd></dl>
<dl><div><dt>Two</dt><dd>said of it</dd></div></dl>
<ul><li>first<ul><li>inner</li></ul></li><li>second</li></ul>
<ol><li><p>third</p><p>and more</p></li></ol>
<table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead>
<tbody><tr><th scope="row">c</th><td>d</td></tr></tbody>
<tfoot><tr><th scope="row">e</th><td>f</td></tr></tfoot></table>
"""
SQL = """-- title: Events
-- question: How many events has the period?
-- parameters:
--   period_start timestamp: first moment
--   period_end timestamp: first moment after it
-- columns:
--   events bigint [events]: in the period
-- order: events
-- reads: period
-- notes: none
select count(*) as events
from events
where time >= $period_start and time < $period_end
order by events
"""


@pytest.fixture(scope="module")
def own_pdf(busy, tmp_path_factory):
    """A report with a section of the user's that has lists in lists, terms, and all parts of a table."""
    folder = tmp_path_factory.mktemp("sections")
    (folder / "lists.html.j2").write_text(LISTS)
    (folder / "lists.sql").write_text(SQL)
    own = read_sections(folder, ["lists"])
    return pdf_bytes(build(busy, parse_period("2026-10", now=datetime(2026, 11, 1, tzinfo=UTC)), Request(own=own)))


REPORTS = ("busy_pdf", "quiet_pdf", "hostile_pdf", "own_pdf")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", REPORTS)
def test_a_judge_of_another_maker_finds_the_claims_kept(name, profile, request):
    verdict = page.validate_pdf_bytes(request.getfixturevalue(name), profile=profile)
    assert verdict.rules.total >= PROFILES[profile]
    assert [one.rule_id for one in verdict.failures] == []


@pytest.mark.parametrize("name", REPORTS)
def test_what_is_known_to_conform_is_all_that_a_report_is_made_of(name, request):
    with pikepdf.open(io.BytesIO(request.getfixturevalue(name))) as pdf:
        found = pdfa.check(pdf, "3b").violations
    assert {one.rule for one in found} == NOT_KNOWN_TO_PIKEPDF
    assert len(found) == 6


@pytest.mark.parametrize(("profile", "key"), [("ua1", "/Lang"), ("3a", "/OutputIntents"), ("3a", "/MarkInfo")])
def test_the_judge_sees_what_is_missing(quiet_pdf, profile, key):
    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(quiet_pdf)) as pdf:
        del pdf.Root[key]
        pdf.save(written, fix_metadata_version=False)
    verdict = page.validate_pdf_bytes(written.getvalue(), profile=profile)
    assert not verdict.is_compliant


def test_where_the_data_of_a_stream_end_can_be_told_without_its_length():
    with clear_ends():
        assert pydyf.Stream([b"text\r"]).data.endswith(b"\ntext\r\r\nendstream")
        assert pydyf.Stream([b"text"]).data.endswith(b"\ntext\nendstream")
    assert pydyf.Stream([b"text\r"]).data.endswith(b"\ntext\r\nendstream")
