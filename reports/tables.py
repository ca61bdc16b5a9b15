"""The rankings: identities, clusters, providers and techniques, cut where a page would drown in them.

What is cut stays in the attached data and the table says so. A share or a change stands here as the query counted
it; the only sums are those printed as totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from kubedossier.reports.cells import Row, grown, headings, number, share, value
from kubedossier.reports.pieces import Cell, Table

if TYPE_CHECKING:
    import polars as pl

IDENTITIES_SHOWN = 12
RANKED_SHOWN = 12
TECHNIQUES_SHOWN = 16
_UNUSUAL_GROWTH = 1.0


def identities(
    frame: pl.DataFrame,
    trends: Mapping[str | None, tuple[int, ...]],
    *,
    events: int,
    before: str,
    known: bool,
    mark: str,
) -> Table:
    """The most active identities with share, change and, where known, their daily trend."""
    rows = frame.head(IDENTITIES_SHOWN).rows(named=True)
    is_line = any(len(days) > 1 for days in trends.values())  # of a single day there is no trend
    widths = (38, 15, 10, 9, 11, 17) if is_line else (47, 17, 12, 11, 13)
    names = ("Identity", "Type", "Events", "Share", f"vs. {before}", *(("Daily trend",) if is_line else ()))
    kinds = ("value", "text", "number", "number", "number", *(("text",) if is_line else ()))
    cells = []
    for row in rows:
        line = [
            value(row["user"]),
            Cell(text=row["user_kind"] or "unknown"),
            number(row["events"]),
            share(row["share"]),
            _grown(row, known),
        ]
        cells.append((*line, *((_trend(trends.get(row["user"], ())),) if is_line else ())))
    rest = events - sum(row["events"] for row in rows)
    return Table(
        id="identities",
        title="Most active identities",
        headings=headings(names, kinds, widths),
        rows=tuple(cells),
        total=frame.height,
        note="People, service accounts and nodes by the number of their events.",
        empty="No identity acted in this period.",
        mark=mark,
        sums=_sums(rest, events, len(widths)),
    )


def ranking(
    frame: pl.DataFrame,
    column: str,
    title: str,
    extra: Mapping[str, str],
    *,
    events: int,
    before: str,
    known: bool,
    mark: str,
) -> Table:
    """Clusters or providers with bar, share, change and further counts."""
    rows = frame.head(RANKED_SHOWN).rows(named=True)
    side = tuple(extra.items())
    versus = 9 if len(before) <= len("Oct") else 11
    widths = (36, 15, 9, 9, versus, *((31 - versus) / len(side) for _ in side))  # an account may be a UUID
    names = (column.capitalize(), "", "Events", "Share", f"vs. {before}", *(label for _, label in side))
    kinds = (
        "value",
        "text",
        "number",
        "number",
        "number",
        *("number" if _is_count(frame, key) else "value" for key, _ in side),
    )
    cells = tuple(
        (
            value(row[column]),
            Cell(bar=float(row["share"] or 0.0)),
            number(row["events"]),
            share(row["share"]),
            _grown(row, known),
            *(number(row[key]) if _is_count(frame, key) else value(row[key]) for key, _ in side),
        )
        for row in rows
    )
    rest = events - sum(row["events"] for row in rows)
    sums = _sums(rest, events, len(widths))
    return Table(
        column, title, headings(names, kinds, widths), cells, frame.height, "", "None in this period.", mark, sums
    )


def techniques(
    frame: pl.DataFrame, known: Mapping[str, Any], *, mark: str, named: Collection[str | None] = ()
) -> Table:
    """The techniques of the period with ATT&CK id, tactics, and what was only attempted; an event counts under each.

    Where the table is cut, those that a finding has ``named`` stay in it.
    """
    totals: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for row in frame.rows(named=True):
        totals[row["technique"]] += row["events"]
        attempts[row["technique"]] += row["attempts"]
        days[row["technique"]] += 1 if row["events"] else 0
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    kept = [name for name in ranked[TECHNIQUES_SHOWN:] if name in named]
    rows = []
    for name in (*ranked[: TECHNIQUES_SHOWN - len(kept)], *kept):
        meaning = known.get(name)
        rows.append(
            (
                value(name),
                Cell(text=(meaning.attack_id if meaning else "") or "\u2013"),
                Cell(
                    text=", ".join(meaning.tactics) if meaning else "not known to this version",
                    tone="plain" if meaning else "bad",
                ),
                number(totals[name]),
                number(attempts[name]),
                number(days[name]),
            )
        )
    return Table(
        id="techniques-table",
        title="Techniques and tactics",
        headings=headings(
            ("Technique", "ATT&CK", "Tactics", "Events", "Attempts", "Days"),
            ("value", "text", "text", "number", "number", "number"),
            (32, 12, 27, 10, 11, 8),
        ),
        rows=tuple(rows),
        total=len(ranked),
        note="As the source names them. An event with several techniques counts once under each: no sum. Attempts are "
        "those events that were refused or failed; the others succeeded, as far as the record tells."
        + (" What a finding names is listed, however rare it is." if kept else ""),
        empty="No event of this period carries a technique.",
        mark=mark,
        picked=bool(kept),
    )


def trends(frame: pl.DataFrame, days: list[date]) -> dict[str | None, tuple[int, ...]]:
    """Daily counts by user, zeros included."""
    found: dict[str | None, dict[date, int]] = {}
    for user, day, events in frame.select("user", "date", "events").iter_rows():
        found.setdefault(user, {})[day] = events
    return {user: tuple(by_day.get(day, 0) for day in days) for user, by_day in found.items()}


def _trend(days: tuple[int, ...]) -> Cell:
    return Cell(trend=days, key=max(days, default=0))


def _grown(row: Row, known: bool) -> Cell:
    if not known:
        return Cell(text="\u2013")
    was, now = int(row["previous_events"]), int(row["events"])
    ratio = row["change"]
    unusual = ratio is not None and ratio >= _UNUSUAL_GROWTH and now >= 20
    return grown(ratio, was=was, now=now, tone="bad" if unusual else "plain")


def _is_count(frame: pl.DataFrame, column: str) -> bool:
    return frame.schema[column].is_integer()


def _sums(rest: int, total: int, width: int) -> tuple[Cell, ...]:
    """The last row: what the table leaves out, where it leaves anything out, else the sum."""
    lead = (Cell(text="All others" if rest else "All"), Cell())
    shown = number(rest) if rest else number(total)
    cells = (*lead, shown, share(rest / total if rest and total else 1.0 if total else None))
    return (*cells, *(Cell() for _ in range(width - len(cells)))) if total else ()
