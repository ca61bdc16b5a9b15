"""The PDF: valid, archival, the same bytes every time, and closed against what events may hold."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import logging
import os
import re
import subprocess
import sys

import pikepdf
import pytest

from kubedossier.analytics.errors import KubedossierError
from kubedossier.reports import press, render
from kubedossier.reports.pieces import Value

AGAIN = """
import sys
from datetime import UTC, datetime
from kubedossier.analytics.archive import Archive
from kubedossier.analytics.periods import parse_period
from kubedossier.reports.build import build
from kubedossier.reports.model import Request
from kubedossier.reports.press import pdf_bytes
now = datetime.now(UTC)
request = Request(organisation="Example Ltd", classification="Confidential")
report = build(Archive(sys.argv[1]), parse_period("2026-10", now=now), request)
sys.stdout.buffer.write(pdf_bytes(report))
"""


def opened(data: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(data))


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", ["busy_pdf", "quiet_pdf", "hostile_pdf"])
def test_the_file_claims_what_archives_and_screen_readers_ask_for(name, request):
    with opened(request.getfixturevalue(name)) as pdf:
        assert not pdf.check_pdf_syntax()
        xmp = pdf.Root.Metadata.read_bytes().decode()
        assert 'pdfaid:part="3"' in xmp
        assert 'pdfaid:conformance="A"' in xmp
        assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
        assert xmp.count("<rdf:RDF") == 1
        assert pdf.Root.OutputIntents[0].S == "/GTS_PDFA1"
        assert str(pdf.Root.Lang) == "en"
        assert pdf.Root.MarkInfo.Marked
        assert pdf.Root.ViewerPreferences.DisplayDocTitle
        assert "/StructTreeRoot" in pdf.Root
        for forbidden in ("/OpenAction", "/AA", "/AcroForm"):
            assert forbidden not in pdf.Root


def test_every_font_is_embedded_and_is_one_of_ours(busy_pdf):
    with opened(busy_pdf) as pdf:
        names = set()
        for item in pdf.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/Type") == "/Font" and "/DescendantFonts" in item:
                descriptor = item.DescendantFonts[0].FontDescriptor
                assert "/FontFile2" in descriptor or "/FontFile3" in descriptor
                assert "/ToUnicode" in item
                names.add(str(item.BaseFont).split("+")[-1])
    assert names
    assert all(name.startswith(("Inter", "Source-Serif", "IBM-Plex-Mono")) for name in names), names


def test_links_say_where_they_lead_and_stay_in_the_file(busy_pdf):
    with opened(busy_pdf) as pdf:
        links = [note for page in pdf.pages for note in page.get("/Annots", []) if note.Subtype == "/Link"]
        assert len(links) > 40
        for link in links:
            assert "/Dest" in link
            assert "/A" not in link
            assert str(link.Contents).startswith("Go to ")


def test_the_attachments_are_the_evidence_and_the_manifest_is_the_seal(busy_pdf, busy_report):
    with opened(busy_pdf) as pdf:
        files = {name: item.get_file().read_bytes() for name, item in pdf.attachments.items()}
        relations = {str(item.AFRelationship) for item in pdf.Root.AF}
        assert len(pdf.Root.AF) == len(files) == len(busy_report.evidence) + 1
        assert relations == {"/Data", "/Source"}
    assert hashlib.sha256(files["manifest.json"]).hexdigest() == busy_report.cover.seal
    for one in json.loads(files["manifest.json"])["queries"]:
        assert hashlib.sha256(files[one["file"]]).hexdigest() == one["file_sha256"]


def test_the_text_layer_holds_the_numbers_of_the_model(busy_pdf, busy_report, text_of):
    text = squeezed(text_of(busy_pdf))
    cover = busy_report.cover
    for expected in (
        "Example Ltd", "October 2026", cover.number, cover.coverage, cover.seal[:8], f"Seal {cover.seal[:8]}",
        busy_report.cover.as_of_hash, "Page 2 of", "Confidential",
    ):  # fmt: skip
        assert expected in text, expected
    for key in busy_report.key_figures:
        assert key.value.replace("\u00a0", " ") in text
    for one in busy_report.evidence:
        assert one.file in text
    for finding in busy_report.findings:
        assert finding.title.split()[0] in text
    assert f"First {len(busy_report.privileged.rows)} of {busy_report.privileged.total}" in text


def test_an_empty_month_says_so_on_whole_pages(quiet_pdf, text_of):
    text = squeezed(text_of(quiet_pdf))
    assert "31 days: 31 collected" in text
    assert "The record holds no event in October 2026." in text
    assert "No request was denied in this period." in text
    with opened(quiet_pdf) as pdf:
        assert len(pdf.pages) >= 8


def test_no_page_is_blank(busy_pdf, quiet_pdf, hostile_pdf, text_of):
    for data in (busy_pdf, quiet_pdf, hostile_pdf):
        pages = text_of(data).split("\f")[:-1]
        assert min(len(squeezed(page)) for page in pages) > 300


def test_hostile_strings_are_shown_and_never_run(hostile_pdf, text_of):
    text = squeezed(text_of(hostile_pdf))
    assert "admin[U+202E]gnp.exe" in text
    assert "<script>alert(1)</script>" in text
    assert "{{7*7}}" in text
    assert "[160 more]" in text
    assert "[U+0000]" in text
    for char in "\u202e\u0430\U0001f600\ue000\x1b":
        assert char not in text
    with opened(hostile_pdf) as pdf:
        assert "[U+202E]" in str(pdf.docinfo["/Author"])
        assert "/JavaScript" not in pdf.Root.get("/Names", {})
        assert set(pdf.attachments) == {
            *(name for name in pdf.attachments if re.fullmatch(r"e\d\d-[a-z-]+\.csv", name)),
            "manifest.json",
        }


def test_the_same_evidence_gives_the_same_bytes_elsewhere(busy, busy_pdf):
    environment = os.environ | {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "4711", "LC_ALL": "C"}
    result = subprocess.run(
        [sys.executable, "-c", AGAIN, str(busy.path)], capture_output=True, check=True, env=environment
    )
    assert hashlib.sha256(result.stdout).hexdigest() == hashlib.sha256(busy_pdf).hexdigest()


def test_rendering_leaves_the_environment_as_it_was_and_says_nothing(quiet_report, monkeypatch, caplog, capfd):
    monkeypatch.setenv("FONTCONFIG_FILE", "/somewhere/else")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    with caplog.at_level(logging.WARNING):
        render.pdf_bytes(quiet_report)
    assert os.environ["FONTCONFIG_FILE"] == "/somewhere/else"
    assert "SOURCE_DATE_EPOCH" not in os.environ
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="file:///etc/passwd">',
        '<link rel="attachment" href="file:///etc/passwd">',
        '<style>@import "http://198.51.100.1/x.css";</style>',
        '<p style="background: url(http://198.51.100.1/x.png)">x</p>',
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://198.51.100.1/x.png" width="9" height="9"/></svg>',
    ],
)
def test_a_document_that_asks_for_something_outside_itself_is_not_made(quiet_report, monkeypatch, markup):
    monkeypatch.setattr(render, "html", lambda *_, **__: f"<html lang=en><title>x</title>{markup}</html>")
    with pytest.raises(KubedossierError, match="The report was not made"):
        render.pdf_bytes(quiet_report)


def test_templates_escape_and_never_guess(hostile_report):
    page = render.html(hostile_report)
    assert "<script" not in page
    assert "<img" not in page
    assert "<link" not in page
    assert "&lt;script&gt;" in page
    broken = dataclasses.replace(hostile_report, lead=(Value("{{7*7}}"),))
    assert "49" not in render.html(broken).split('class="lead"')[1][:200]


def test_missing_native_libraries_are_named_with_the_line_that_installs_them(quiet_report, monkeypatch):
    class Missing:
        def find_spec(self, name, *_):
            if name == "weasyprint":
                raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    for name in [name for name in sys.modules if name.split(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(KubedossierError, match="libraries that are not on this machine") as caught:
        render.pdf_bytes(quiet_report)
    assert "apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0" in caught.value.hint


def test_whatever_the_seal_is_the_file_carries_it_as_its_identifier(quiet_report):
    seal = "0d0a5c28290d00ff" * 4  # bytes that mean something in a string of a PDF
    data = render.pdf_bytes(dataclasses.replace(quiet_report, cover=dataclasses.replace(quiet_report.cover, seal=seal)))
    with opened(data) as pdf:
        assert bytes(pdf.trailer.ID[0]) == seal[:32].encode()


@pytest.mark.parametrize(("cut_by", "said"), [("HarfBuzz", False), ("fontTools 4.60.1", True)])
def test_the_report_says_where_a_missing_library_gives_it_other_bytes(quiet_report, cut_by, said):
    page = render.html(quiet_report, rendering=f"WeasyPrint 70.0, {press.CUT_BY} {cut_by}")
    assert f"fonts cut by {cut_by}" in page
    assert ("libharfbuzz-subset was missing" in page) is said


def test_the_cover_draws_its_rule_under_an_organisation_alone(busy_report, quiet_report):
    assert '<div class="rule">' in render.html(busy_report)
    assert '<div class="rule">' not in render.html(quiet_report)


def test_files_that_are_not_those_that_were_packed_make_no_pdf(quiet_report):
    first, *others = quiet_report.attachments
    other = dataclasses.replace(first, size_bytes=first.size_bytes + 1)
    with pytest.raises(ValueError, match="not in the order"):
        render.pdf_bytes(dataclasses.replace(quiet_report, attachments=(other, *others)))
