"""The tables about the record itself: the runs that brought it in, and what is missing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from kubedossier.reports.cells import at, headings, number
from kubedossier.reports.numbers import day
from kubedossier.reports.pieces import Cell, Table

if TYPE_CHECKING:
    import polars as pl

RUNS_SHOWN = 12
GAPS_SHOWN = 20


def receipts(frame: pl.DataFrame, *, mark: str) -> Table:
    """The runs that touch the period, and their totals."""
    columns = ("received", "new", "duplicate", "rejected", "records_in_period")
    all_rows = frame.rows(named=True)
    rows = tuple(
        (
            Cell(text=str(row["seq"]), key=row["seq"]),
            at(row["at"], f"{row['at'].day} {row['at']:%b %Y %H:%M}"),
            Cell(text=row["type"] + (" (filtered)" if row["filtered"] else "")),
            *(number(row[name] or 0) for name in columns),
        )
        for row in all_rows[:RUNS_SHOWN]
    )
    sums = (Cell(text="All"), Cell(), Cell(), *(number(sum(row[name] or 0 for row in all_rows)) for name in columns))
    return Table(
        id="receipts",
        title="From receipt to record",
        headings=headings(
            ("Entry", "At (UTC)", "Run", "Received", "New", "Duplicate", "Rejected", "In the period"),
            ("number", "time", "text", *("number" for _ in columns)),
            (8, 18, 16, 12, 11, 12, 11, 12),
        ),
        rows=rows,
        total=len(all_rows),
        note="Counts of whole runs, which may reach beyond the period; the last column counts the period alone.",
        empty="No run touched this period.",
        mark=mark,
        sums=sums if rows else (),
    )


def gaps(frame: pl.DataFrame, *, mark: str) -> Table | None:
    """Stretches that are missing; None where there is none."""
    if not frame.height:
        return None
    words = {
        "dropped": "may have been dropped by the Console before it was read",
        "unwindowed": "events without a usable time, not read by window",
        "unstable": "the Console\u2019s count kept changing",
        "interrupted": "the run was interrupted",
        "failed": "the Console failed",
    }
    rows = tuple(
        (
            _end(row["start"]),
            _end(row["end"]),
            Cell(text=words.get(row["reason"], row["reason"])),
        )
        for row in frame.head(GAPS_SHOWN).rows(named=True)
    )
    return Table(
        id="gaps",
        title="What is missing",
        headings=headings(("From (UTC)", "To (UTC)", "Reason"), ("time", "time", "text"), (25, 25, 50)),
        rows=rows,
        total=frame.height,
        note="",
        empty="",
        mark=mark,
    )


def _end(when: datetime | None) -> Cell:
    return at(when, f"{day(when.date())}, {when:%H:%M}") if when else Cell(text="\u2013")
