"""The pieces that pages are put together from: sentences with audited values in them, tables, charts and facts.

Frozen data and nothing else. A string that came from an audited system stands here as it was received and is made
visible by ``text`` when it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kubedossier.analytics.figures import Figure

Tone = Literal["plain", "bad", "good"]
Column = Literal["text", "value", "number", "time", "kind"]


@dataclass(frozen=True, slots=True)
class Value:
    """A string from an audited system inside a sentence of ours."""

    raw: str


Part = str | Value
Phrase = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was checked and made harmless; ``mime`` is ``image/png`` or ``image/svg+xml``."""

    data: bytes
    mime: str


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One of the five numbers of the summary."""

    label: str
    value: str
    note: str
    tone: Tone
    mark: str


@dataclass(frozen=True, slots=True)
class Heading:
    """One column of a table: its head, how its cells are set, and its share of the width in percent."""

    title: str
    kind: Column
    width: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; ``raw`` is an audited value, ``text`` is ours and ``under`` a second line of it, ``lines`` are
    further audited values under it. ``key`` is what a reader can sort by: the number, or the moment in seconds.
    """

    text: str = ""
    under: str = ""
    raw: str | None = None
    is_value: bool = False
    tone: Tone = "plain"
    lines: tuple[str, ...] = ()
    trend: tuple[int, ...] = ()
    bar: float | None = None
    key: float | None = None


SHORT_ROWS = 4
HIGH_ROW = 200
"""Characters of a cell from which on its row is a block of its own: a page's foot may hold it alone."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report.

    Attributes:
        total: rows that exist; ``rows`` holds the first of them.
        note: one sentence under the title.
        empty: what stands in its place where there is no row.
        sums: a last row with totals, or empty.
        picked: whether rows stand here that are not among the first.
    """

    id: str
    title: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int
    note: str
    empty: str
    mark: str
    sums: tuple[Cell, ...] = ()
    picked: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether rows are left to the attached data."""
        return self.total > len(self.rows)

    @property
    def keeping(self) -> str:
        """How rows stay together on paper: ``short`` is never torn, of ``tall`` ones a single row may begin a page.

        Where the first row is ``high`` as well, it may also end one.
        """
        if any(cell.lines or cell.under for row in self.rows for cell in row):
            fullest = max(sum(map(len, (cell.raw or "", *cell.lines))) for cell in self.rows[0])
            return "tall high" if fullest >= HIGH_ROW else "tall"
        return "short" if len(self.rows) <= SHORT_ROWS else ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure on the page with its evidence mark and a sentence under the title."""

    figure: Figure
    note: str
    mark: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what is true of it; values are audited or operators' strings and shown as such."""

    label: str
    text: Phrase
    mono: bool = False
