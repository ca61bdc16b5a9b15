"""Answers of a user's query as tables of the report: the columns' types say how they are set."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from kubedossier.reports.cells import at, headings, number, share, value
from kubedossier.reports.model import OwnAnswer
from kubedossier.reports.numbers import signed
from kubedossier.reports.pieces import Cell, Table
from kubedossier.reports.text import plain

ROWS_SHOWN = 50
MOST_ROWS = 300
MOST_COLUMNS = 8
SHARE, RATIO = "0..1", "ratio"
"""Units of the header that are set as percent: part of a whole, and change against another number."""
LONGEST_WORDS = 300
_KINDS = {"bigint": "number", "double": "number", "boolean": "text", "timestamp": "time", "date": "time"}
_WEIGHTS = {"value": 30, "number": 12, "time": 20, "text": 10}


def own_table(
    answer: OwnAnswer,
    table_id: str,
    *,
    title: str | None = None,
    note: str = "",
    columns: Mapping[str, str] | Sequence[str] | None = None,
    rows: int = ROWS_SHOWN,
    empty: str = "None in this period.",
) -> Table:
    """A table of an answer.

    Args:
        answer: of the query.
        table_id: unique in the report.
        title: over the table; that of the query where there is none.
        note: a sentence under the title.
        columns: which to show, in order; with a mapping, each under another head.
        rows: how many to show, at most 300; the table says how many there are.
        empty: what stands in its place where there is no row.

    Raises:
        ValueError: there is no such column, or there are too many.
    """
    known = {one.name: (index, one) for index, one in enumerate(answer.columns)}
    names = list(known) if columns is None else list(columns)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ValueError(
                f"'{answer.name}' has no column '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
            )
    if not 0 < len(names) <= MOST_COLUMNS:
        raise ValueError(f"a table has 1 to {MOST_COLUMNS} columns, not {len(names)}: choose some with columns=[...]")
    if not 0 < rows <= MOST_ROWS:
        raise ValueError(f"a table shows 1 to {MOST_ROWS} rows, not {rows}; the attached data has all")
    kinds = [_KINDS.get(known[name][1].type, "value") for name in names]
    weights = [_WEIGHTS[kind] for kind in kinds]
    heads = [_words(columns[name]) if isinstance(columns, Mapping) else _head(name) for name in names]
    chosen = [(known[name][0], known[name][1].unit) for name in names]
    shown = tuple(tuple(_cell(row[index], unit) for index, unit in chosen) for row in answer.rows[:rows])
    return Table(
        id=table_id,
        title=answer.title if title is None else _words(title),
        headings=headings(heads, kinds, [round(weight / sum(weights) * 100, 2) for weight in weights]),
        rows=shown,
        total=answer.total,
        note=_words(note),
        empty=_words(empty),
        mark=answer.mark,
    )


def _words(given: str) -> str:
    """Words of a template, which may come from an event: plain text, every character of which can be seen."""
    return plain(str(given), limit=LONGEST_WORDS)


def _head(name: str) -> str:
    words = name.replace("_", " ")
    return words[0].upper() + words[1:]


def _cell(found: Any, unit: str) -> Cell:
    if found is None:
        return value(None)
    if isinstance(found, str):
        return value(found)
    if isinstance(found, tuple):
        return value(found[0], *found[1:]) if found else Cell(text="\u2013")
    if isinstance(found, bool):
        return Cell(text="yes" if found else "no")
    if isinstance(found, int):
        return number(found)
    if isinstance(found, float) and unit == SHARE:
        return share(found)
    if isinstance(found, float) and unit == RATIO:
        return Cell(text=signed(found), key=found)
    if isinstance(found, float):
        return Cell(text=f"{found:,.2f}".rstrip("0").rstrip("."), key=found)
    if isinstance(found, datetime):
        return at(found, f"{found.day} {found:%b %Y %H:%M}")
    assert isinstance(found, date)
    return Cell(text=f"{found.day} {found:%b %Y}", key=float(found.toordinal()))
