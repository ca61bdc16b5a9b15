"""A table for people: aligned, within the width of the terminal, and harmless to it.

Every text may come from the audited systems and is shown through ``output.visible``. Values that do not fit lose
their middle, never their ends; numbers and times are never cut. Columns that do not fit are left out and named, first
those that can be spared, the last ones before the first ones.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest

import click

from kubedossier.cli.output import visible
from kubedossier.cli.sparklines import Trend, days_a_cell, spark

NOTHING = "–"
_GAP = 2
_TEXT_MIN = 20


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of a table.

    Attributes:
        name: at its head.
        unit: of its numbers; empty for other values.
        spare: the place of the column among those to be left out first, from 1 on; 0 where it is none of them.
    """

    name: str
    unit: str = ""
    spare: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to print.

    Attributes:
        lines: without line ends; the first two are the heads and a rule.
        empty: names of columns left out because they hold nothing at all.
        hidden: names of columns left out because the terminal is too narrow.
        days_a_cell: days in one cell of a trend; 0 where no trend is shown.
    """

    lines: tuple[str, ...]
    empty: tuple[str, ...]
    hidden: tuple[str, ...]
    days_a_cell: int = 0


def draw(headings: Sequence[Heading], rows: Sequence[Sequence[object]], width: int, *, colour: bool = False) -> Table:
    """Lay rows out as a table.

    Args:
        headings: one for each value of a row.
        rows: the values.
        width: of the terminal, in cells.
        colour: whether to set heads, rule and trends apart by ANSI sequences.
    """
    columns = [_Column(heading, [row[index] for row in rows]) for index, heading in enumerate(headings)]
    empty = [one for one in columns if rows and one.is_empty] if len(columns) > 1 else []
    shown = [one for one in columns if one not in empty]
    hidden: list[_Column] = []
    for one in sorted(shown, key=_dispensable(shown)):
        if len(shown) == 1 or sum(each.least + _GAP for each in shown) - _GAP <= width:
            break
        shown.remove(one)
        hidden.append(one)
    widths = _fitted(shown, width)
    heads = _line([_aligned(one.heading.name, size, one.right) for one, size in zip(shown, widths, strict=True)])
    rule = _line(["─" * size for size in widths])
    lines = [click.style(heads, bold=True), click.style(rule, dim=True)] if colour else [heads, rule]
    fitted = list(zip(shown, widths, strict=True))
    lines += [_line([one.drawn(number, size, colour) for one, size in fitted]) for number in range(len(rows))]
    trends = [days_a_cell(one.days, size) for one, size in fitted if one.days]
    named = [one.heading.name for one in columns if one in hidden]
    return Table(tuple(lines), tuple(one.heading.name for one in empty), tuple(named), *trends[:1])


def markdown(headings: Sequence[Heading], rows: Sequence[Sequence[object]]) -> list[str]:
    """The rows as a table of Markdown (GitHub's), whole values; lines without line ends."""
    columns = [_Column(heading, [row[index] for row in rows]) for index, heading in enumerate(headings)]
    lines = [
        "| " + " | ".join(_escaped(one.heading.name) for one in columns) + " |",
        "|" + "|".join(" ---: " if one.right else " --- " for one in columns) + "|",
    ]
    rows_of_cells = zip_longest(*(one.cells for one in columns))
    return lines + ["| " + " | ".join(map(_escaped, one)) + " |" for one in rows_of_cells]


def shown_value(value: object, unit: str = "") -> str:
    """A value as people read it: grouped digits, shares in percent, times to the second in UTC."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if unit != "HTTP" else str(value)
    if isinstance(value, float):
        if unit == "0..1":
            return f"{value:.1%}"
        if unit == "ratio":
            return f"{value:+.1%}"
        return f"{value:,.2f}" if unit else f"{value:,.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return ", ".join(shown_value(one) for one in value) or NOTHING
    return visible(str(value))


def shorten(text: str, width: int) -> str:
    """The text within so many cells, its middle replaced by an ellipsis where it is longer."""
    if cells(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    tail = (width - 1) // 2
    return _head(text, width - 1 - tail) + "…" + _head(text[::-1], tail)[::-1]


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_cell(char) for char in text)


class _Column:
    def __init__(self, heading: Heading, values: list[object]) -> None:
        self.heading = heading
        self.is_empty = all(value is None or value == [] for value in values)
        self.right = any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        self.trends = [value for value in values if isinstance(value, Trend)]
        self.days = len(self.trends[0].days) if self.trends else 0
        if self.days:
            head = cells(heading.name)
            self.natural, self.least = (max(head, n) for n in (self.trends[0].longest, self.trends[0].shortest))
            return
        self.cells = [shown_value(value, heading.unit) for value in values]
        needed = [
            cells(cell) if isinstance(value, int | float | date) else min(cells(cell), _TEXT_MIN)
            for value, cell in zip(values, self.cells, strict=True)
        ]
        self.natural = max([cells(heading.name), *map(cells, self.cells)])
        self.least = max([cells(heading.name), *needed])

    def drawn(self, number: int, width: int, colour: bool) -> str:
        """The cell of a row, as wide as the column."""
        if not self.days:
            return _aligned(shorten(self.cells[number], width), width, self.right)
        line = spark(self.trends[number].days, width)
        blanks = " " * (width - len(line))
        return (click.style(line, fg="blue") if colour else line) + blanks


def _dispensable(shown: Sequence[_Column]) -> Callable[[_Column], tuple[int, int]]:
    """Which columns to leave out first: those to spare, then the trend, then from the last to the first."""

    def order(one: _Column) -> tuple[int, int]:
        if one.heading.spare:
            return (0, one.heading.spare)
        return (1, 0) if one.days else (2, -shown.index(one))

    return order


def _fitted(columns: list[_Column], width: int) -> list[int]:
    """Natural widths, the widest columns narrowed step by step until the line fits."""
    widths = [one.natural for one in columns]
    spare = width - _GAP * (len(columns) - 1)
    while sum(widths) > spare:
        room = [size if size > one.least else 0 for one, size in zip(columns, widths, strict=True)]
        if not any(room):
            break
        widths[room.index(max(room))] -= 1
    return widths


def _line(parts: list[str]) -> str:
    return (" " * _GAP).join(parts).rstrip()


def _aligned(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


def _head(text: str, width: int) -> str:
    taken = 0
    for index, char in enumerate(text):
        taken += _cell(char)
        if taken > width:
            return text[:index]
    return text


def _cell(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _escaped(text: str) -> str:
    for char in "\\`*_{}[]<>|#~$":
        text = text.replace(char, "\\" + char)
    return text
