"""What belongs together stays on one page: a head with what it heads, what leads to a table with its first rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from itertools import groupby, pairwise
from typing import Any

import pikepdf
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.demo.exports import console_events
from kubedossier.reports.catalogues import packaged
from kubedossier.reports.model import Report
from kubedossier.reports.pieces import Cell, Heading, Table
from kubedossier.reports.press import pdf_bytes

from .conftest import NOVEMBER, SEPTEMBER, report_of, snapshot


@dataclass(frozen=True)
class Block:
    """A heading, a paragraph, a row, an item or a figure, and the pages it begins and ends on."""

    kind: str
    first: int
    last: int


def blocks(data: bytes) -> list[Block]:
    """What the structure of a PDF holds, in the order of reading, without heads of tables."""
    with pikepdf.open(BytesIO(data)) as pdf:
        pages = {page.objgen: number for number, page in enumerate(pdf.pages, 1)}

        def kids(element: Any) -> list[Any]:
            inside = element.get("/K", [])
            return list(inside) if isinstance(inside, pikepdf.Array) else [inside]

        def drawn(element: Any) -> Iterator[int]:
            for kid in kids(element):
                if isinstance(kid, int):
                    yield pages[element.Pg.objgen]
                elif "/MCID" in kid:
                    yield pages[kid.get("/Pg", element.get("/Pg")).objgen]
                elif "/S" in kid:
                    yield from drawn(kid)

        def walk(element: Any) -> Iterator[Block]:
            kind = str(element.get("/S", ""))
            if kind == "/THead":
                return
            if kind in ("/H1", "/H2", "/H3", "/H4", "/P", "/TR", "/LI", "/Figure"):
                where = list(drawn(element))
                if where:
                    yield Block(kind[1:], min(where), max(where))
                return
            for kid in kids(element):
                if not isinstance(kid, int) and "/S" in kid:
                    yield from walk(kid)

        return list(walk(pdf.Root.StructTreeRoot))


def torn(found: list[Block]) -> list[str]:
    """Headings, first rows and what leads to a table or a figure, where a page ends behind them."""
    said = [
        f"a heading at the foot of page {one.last}"
        for one, after in pairwise(found)
        if one.kind in ("H2", "H3", "H4") and one.last != after.first
    ]
    said += [
        f"one row at the foot of page {rows[0].last}"
        for rows in tables(found)
        if len(rows) > 1 and rows[0].last != rows[1].first
    ]
    for at, one in enumerate(found):
        if one.kind == "Figure" or (one.kind == "TR" and found[at - 1].kind != "TR"):
            pages = {before.last for before in leading(found[:at])} - {one.first}
            said += [f"what leads to a table or figure of page {one.first} is on page {page}" for page in pages]
    return said


def tables(found: list[Block]) -> Iterator[list[Block]]:
    """The rows of each table; a table that goes on over pages is several in the structure, with nothing between."""
    return (list(rows) for kind, rows in groupby(found, key=lambda one: one.kind) if kind == "TR")


def leading(before: list[Block]) -> list[Block]:
    """The heads and paragraphs that stand right before a table: from its section's head on, or from its own."""
    run: list[Block] = []
    for one in reversed(before):
        if one.kind not in ("H2", "H3", "P"):
            break
        run.insert(0, one)
        if one.kind == "H2":
            return run
    heads = [number for number, one in enumerate(run) if one.kind == "H3"]
    return run[heads[-1] :] if heads else []


@pytest.fixture(scope="module")
def demo_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The company of the demo, its October with the Saturday night, and a framework."""
    root = tmp_path_factory.mktemp("demo") / "dossier"
    events = [json.loads(one) for one in console_events(NOVEMBER + timedelta(days=9))]
    snapshot(root, events, SEPTEMBER, NOVEMBER)
    return report_of(Archive(root), organisation="Example Ltd", frameworks=(packaged("soc2"),))


CASES = [
    ("demo_report", "a4"),
    ("demo_report", "letter"),
    ("busy_pdf", "a4"),
    ("quiet_pdf", "a4"),
    ("quiet_report", "letter"),
    ("hostile_report", "a4"),
]


@pytest.mark.parametrize(("made", "paper"), CASES)
def test_no_head_no_lead_and_no_first_row_stands_alone_at_the_foot_of_a_page(made, paper, request):
    given = request.getfixturevalue(made)
    found = blocks(given if isinstance(given, bytes) else pdf_bytes(given, paper=paper))
    assert sum(one.kind == "TR" for one in found) > 20
    assert torn(found) == []


def test_only_a_row_as_high_as_a_block_stands_alone(hostile_pdf, hostile_report):
    found = torn(blocks(hostile_pdf))
    alone = [one for one in found if one.startswith("one row at the foot")]
    assert found == alone
    assert len(alone) <= (hostile_report.privileged.keeping == "tall high")


@pytest.mark.parametrize(
    ("letters", "under", "keeping"), [(8, "", ""), (8, "eu", "tall"), (150, "eu", "tall"), (240, "eu", "tall high")]
)
def test_a_table_says_how_its_rows_keep_together(letters, under, keeping):
    cell = Cell(raw="a" * letters, is_value=True, lines=(under,) if under else ())
    table = Table("t", "T", (Heading("A", "value", 100),), ((cell,),) * 6, 6, "", "", "E1")
    assert table.keeping == keeping


def test_the_last_page_holds_the_signatures(demo_report, busy_pdf, hostile_pdf, text_of):
    for data in (busy_pdf, hostile_pdf, pdf_bytes(demo_report, paper="letter")):
        last = text_of(data).rstrip("\f").split("\f")[-1]
        assert "Signatures" in last
        assert "Approved by" in last
        assert ("Exception" in last) or ("Review" in last)
