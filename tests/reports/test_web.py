"""The report in a browser, without one: the numbers of the PDF, nothing from outside, nothing unescaped."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from tinyhtml5.parser import HTMLParser

from kubedossier.reports import render, web
from kubedossier.reports.pieces import Cell, Picture, Table
from kubedossier.reports.text import plain, sentence

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
VOID = ("script", "style", "title")

AGAIN = """
import sys
from datetime import UTC, datetime
from kubedossier.analytics.archive import Archive
from kubedossier.analytics.periods import parse_period
from kubedossier.reports.build import build
from kubedossier.reports.model import Request
from kubedossier.reports.web import html_bytes
request = Request(organisation="Example Ltd", classification="Confidential")
report = build(Archive(sys.argv[1]), parse_period("2026-10", now=datetime.now(UTC)), request)
sys.stdout.buffer.write(html_bytes(report))
"""


def parsed(page: str) -> tuple[ElementTree.Element, list[object]]:
    parser = HTMLParser()
    return parser.parse(page), parser.errors


def words(element: ElementTree.Element) -> str:
    """What is read on the page, without the alternatives of figures."""
    found: list[str] = []

    def walk(one: ElementTree.Element) -> None:
        if not isinstance(one.tag, str) or one.tag.split("}")[-1] in VOID:
            return
        found.append(one.text or "")
        for child in one:
            walk(child)
            found.append(child.tail or "")

    walk(element)
    return squeezed(" ".join(found))


def squeezed(text: str) -> str:
    """Text without blanks, which markup and lines on paper put where they like."""
    return re.sub(r"\s+", "", text)


def shown(cell: Cell) -> str:
    if cell.trend or cell.bar is not None:
        return ""
    if not cell.is_value:
        return squeezed(cell.text + cell.under)
    first = "none" if cell.raw is None else plain(cell.raw) or "empty"
    return squeezed(first + "".join(plain(line) for line in cell.lines))


def tables_of(report) -> list[Table]:
    """Every table in the model, wherever it hangs."""
    found: list[Table] = []

    def look(value: object) -> None:
        if isinstance(value, Table):
            found.append(value)
        elif dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                look(getattr(value, field.name))
        elif isinstance(value, tuple):
            for one in value:
                look(one)

    look(report)
    return found


@pytest.fixture(scope="module", params=["busy", "quiet", "hostile"])
def made(request) -> tuple[object, str]:
    report = request.getfixturevalue(f"{request.param}_report")
    return report, web.html_bytes(report).decode()


def test_a_strict_parser_finds_no_mistake(made):
    _, errors = parsed(made[1])
    assert errors == []


def test_every_cell_of_every_table_is_that_of_the_model_here_and_in_the_pdf(made):
    report, page = made
    expected = sorted(
        [[shown(cell) for cell in row] for row in (*table.rows, *((table.sums,) if table.sums else ()))]
        for table in tables_of(report)
        if table.rows
    )
    assert expected
    for document in (page, render.html(report)):
        root, _ = parsed(document)
        found = []
        for table in root.iter(f"{HTML}table"):
            body = [row for part in table if part.tag[len(HTML) :] in ("tbody", "tfoot") for row in part]
            found.append([[words(cell) for cell in row] for row in body])
        assert [table for table in expected if table not in found] == []


def test_the_words_and_figures_of_both_are_the_same(made):
    report, page = made
    ours, theirs = (parsed(document)[0] for document in (page, render.html(report)))
    assert [words(one) for one in ours.iter(f"{SVG}svg")] == [words(one) for one in theirs.iter(f"{SVG}svg")]
    for root in (ours, theirs):
        text = words(root)
        for expected in (
            sentence(report.lead), report.cover.coverage, report.cover.number, report.cover.seal[8:16],
            report.cover.as_of_hash, *(key.value for key in report.key_figures),
            *(sentence(one.text) for one in report.findings), *(one.title for one in report.findings),
            *(one.method for one in report.findings), *(one.digest for one in report.evidence),
            *(one.sha256 for one in report.evidence), *(sentence(one.text) for one in report.completeness.bridge),
            *report.limits, *report.method,
        ):  # fmt: skip
            assert squeezed(expected) in text, expected


def test_every_row_of_the_pdf_is_read_in_its_text_layer(busy_report, busy_pdf, tmp_path):
    path = tmp_path / "busy.pdf"
    path.write_bytes(busy_pdf)
    try:
        done = subprocess.run(["pdftotext", "-raw", str(path), "-"], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("pdftotext is not installed")
    text = squeezed(done.stdout.decode())
    for table in tables_of(busy_report):
        for row in table.rows:
            assert "".join(shown(cell) for cell in row) in text, row


def test_numbers_and_times_can_be_sorted(busy_report):
    for table in tables_of(busy_report):
        for row in table.rows:
            for heading, cell in zip(table.headings, row, strict=True):
                if heading.kind in ("number", "time") and cell.text not in ("", "\u2013", "n/a"):
                    assert cell.key is not None, (table.id, heading.title, cell.text)


def test_what_is_more_sorts_higher(busy_report):
    for table in tables_of(busy_report):
        for column, heading in enumerate(table.headings):
            cells = [row[column] for row in table.rows if heading.kind == "number" and row[column].text.isdecimal()]
            assert [int(one.text) for one in cells] == [one.key for one in cells]


def test_the_policy_lets_nothing_in_but_the_one_script_and_style(made):
    root, _ = parsed(made[1])
    (policy,) = (one.get("content") for one in root.iter(f"{HTML}meta") if one.get("http-equiv"))
    for tag, name in (("script", "script-src"), ("style", "style-src")):
        (element,) = root.iter(f"{HTML}{tag}")
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"; {name} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert set(re.findall(r"[a-z-]+-src [^;]+", policy)) == {
        "default-src 'none'",
        "font-src data:",
        "img-src data:",
        *re.findall(r"(?:script|style)-src 'sha256-[^']+'", policy),
    }
    assert "unsafe" not in policy


def test_nothing_points_outside_and_nothing_runs_in_attributes(made):
    root, _ = parsed(made[1])
    ids = {one.get("id") for one in root.iter() if one.get("id")}
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            assert name not in ("style", "srcset", "action", "formaction", "srcdoc", "background", "ping"), name
            if name in ("href", "src") or name.endswith("}href"):
                assert value.startswith(("#", "data:")), value
                assert not value.startswith("#") or value[1:] in ids, value
    tags = {one.tag.split("}")[-1] for one in root.iter() if isinstance(one.tag, str)}
    assert not tags & {"iframe", "object", "embed", "form", "base", "frame", "image", "use", "foreignObject", "video"}
    assert "url(" not in re.sub(r"url\(data:font/woff2;base64,[A-Za-z0-9+/=]+\)", "", web._style())


def test_ids_are_unique_and_headings_descend_in_order(made):
    root, _ = parsed(made[1])
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    levels = [int(one.tag[-1]) for one in root.iter() if re.fullmatch(rf"{re.escape(HTML)}h[1-6]", str(one.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_attached_data_is_in_the_page_byte_for_byte(busy_report):
    root, _ = parsed(web.html_bytes(busy_report).decode())
    links = {one.get("download"): one.get("href") for one in root.iter(f"{HTML}a") if one.get("download")}
    found = {name: base64.b64decode(link.split(",", 1)[1]) for name, link in links.items()}
    assert found == {one.name: one.data for one in busy_report.attachments}
    assert hashlib.sha256(found["manifest.json"]).hexdigest() == busy_report.cover.seal
    assert all(link.startswith(("data:text/csv;base64,", "data:application/json;base64,")) for link in links.values())


def test_attached_data_that_would_burden_the_page_is_left_to_the_pdf(busy_report, monkeypatch):
    largest = max(busy_report.attachments, key=lambda one: len(one.data))
    monkeypatch.setattr(web, "ATTACHED_BYTES", len(largest.data) - 1)
    page = web.html_bytes(busy_report).decode()
    assert f'download="{largest.name}"' not in page
    assert page.count("it is attached to the PDF") == 1


def test_hostile_strings_are_shown_and_never_run(hostile_report):
    page = web.html_bytes(hostile_report).decode()
    root, _ = parsed(page)
    text = words(root)
    for expected in ("admin[U+202E]gnp.exe", "<script>alert(1)</script>", "{{7*7}}", "[160more]", "[U+0000]"):
        assert expected in text, expected
    for char in "\u202e\u0430\U0001f600\ue000\x1b\x00":
        assert char not in page
    (title,) = root.iter(f"{HTML}title")
    assert "<script" not in page.replace(f"<script>{web.asset('scripts', 'web.js')}", "")
    assert "\u202e" not in (title.text or "")
    assert not list(root.iter(f"{HTML}img"))


def test_a_logo_lies_in_the_page(quiet_report):
    picture = Picture(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
    root, _ = parsed(web.html_bytes(dataclasses.replace(quiet_report, logo=picture)).decode())
    (image,) = root.iter(f"{HTML}img")
    assert image.get("src") == f"data:image/svg+xml;base64,{base64.b64encode(picture.data).decode()}"
    assert image.get("alt")


def test_the_fonts_weigh_less_than_half_a_megabyte_and_keep_their_licences(checkout):
    assert len(web._style()) < 500_000
    assert {one.name for one in (checkout / "reports" / "fonts").glob("*OFL.txt")} == {
        "IBMPlexMono-OFL.txt",
        "Inter-OFL.txt",
        "SourceSerif4-OFL.txt",
    }


def test_the_same_evidence_gives_the_same_bytes_elsewhere(busy, busy_report):
    environment = os.environ | {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "4711", "LC_ALL": "C"}
    result = subprocess.run(
        [sys.executable, "-c", AGAIN, str(busy.path)], capture_output=True, check=True, env=environment
    )
    assert hashlib.sha256(result.stdout).hexdigest() == hashlib.sha256(web.html_bytes(busy_report)).hexdigest()


def test_the_sheet_names_no_report_that_could_leave_its_string(quiet_report):
    cover = dataclasses.replace(quiet_report.cover, number='x"} body {display: none}')
    with pytest.raises(ValueError, match="display"):
        web.html_bytes(dataclasses.replace(quiet_report, cover=cover))
