"""The tables of the report: rows of an answer as cells, cut where a page would drown in them.

What is cut stays in the attached data and the table says so. A share or a change stands here as the query counted
it; the only sums are those printed as totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.model import Cell, Heading, Table, Tone
from kubedossier.reports.numbers import change, count, moment, percent

if TYPE_CHECKING:
    import polars as pl

IDENTITIES_SHOWN = 12
ACTIONS_SHOWN = 30
ACTORS_SHOWN = 15
DENIED_SHOWN = 15
RANKED_SHOWN = 12
TECHNIQUES_SHOWN = 20
_UNUSUAL_GROWTH = 1.0
Row = Mapping[str, Any]


def value(raw: str | None, *lines: str, tone: Tone = "plain") -> Cell:
    """A cell with an audited value, and further ones under it."""
    return Cell(raw=raw, is_value=True, lines=tuple(line for line in lines if line), tone=tone)


def number(amount: int) -> Cell:
    """A cell with a count."""
    return Cell(text=count(amount))


def _grown(row: Row, known: bool) -> Cell:
    if not known:
        return Cell(text="\u2013")
    was, now = int(row["previous_events"]), int(row["events"])
    ratio = row["change"]
    unusual = ratio is not None and ratio >= _UNUSUAL_GROWTH and now >= 20
    return Cell(text=change(ratio, was=was, now=now), tone="bad" if unusual else "plain")


def identities(
    frame: pl.DataFrame, trends: Mapping[str | None, tuple[int, ...]], *, events: int, before: str, known: bool, mark: str
) -> Table:
    """The most active identities with share, change and, where known, their daily trend."""
    rows = frame.head(IDENTITIES_SHOWN).rows(named=True)
    widths = (36, 16, 10, 10, 12, 16)
    names = ("Identity", "Kind", "Events", "Share", f"vs. {before}", "Daily trend")
    kinds = ("value", "text", "number", "number", "number", "text")
    cells = []
    for row in rows:
        line = [
            value(row["user"]),
            Cell(text=row["user_kind"] or "unknown"),
            number(row["events"]),
            Cell(text=percent(row["share"])),
            _grown(row, known),
        ]
        cells.append((*line, Cell(trend=trends.get(row["user"], ()))))
    rest = events - sum(row["events"] for row in rows)
    return Table(
        id="identities",
        title="Most active identities",
        headings=_headings(names, kinds, widths),
        rows=tuple(cells),
        total=frame.height,
        note="People, service accounts and nodes by the number of their events.",
        empty="No identity acted in this period.",
        mark=mark,
        sums=_sums(rest, events, len(widths)),
    )


def ranking(
    frame: pl.DataFrame, column: str, title: str, head: str, extra: Mapping[str, str], *, events: int, before: str, known: bool, mark: str
) -> Table:
    """Clusters or providers with bar, share, change and further counts."""
    rows = frame.head(RANKED_SHOWN).rows(named=True)
    side = tuple(extra.items())
    widths = (28, 16, 12, 10, 12, *(22 / len(side) for _ in side))
    names = (head, "", "Events", "Share", f"vs. {before}", *(label for _, label in side))
    kinds = ("value", "text", "number", "number", "number", *("number" if _is_count(frame, key) else "value" for key, _ in side))
    cells = tuple(
        (
            value(row[column]),
            Cell(bar=float(row["share"] or 0.0)),
            number(row["events"]),
            Cell(text=percent(row["share"])),
            _grown(row, known),
            *(number(row[key]) if _is_count(frame, key) else value(row[key]) for key, _ in side),
        )
        for row in rows
    )
    rest = events - sum(row["events"] for row in rows)
    sums = _sums(rest, events, len(widths))
    return Table(column, title, _headings(names, kinds, widths), cells, frame.height, "", "None in this period.", mark, sums)


def techniques(frame: pl.DataFrame, known: Mapping[str, Any], *, mark: str) -> Table:
    """The techniques of the period with ATT&CK id and tactics; an event counts once under each of its techniques."""
    totals: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for row in frame.rows(named=True):
        totals[row["technique"]] += row["events"]
        days[row["technique"]] += 1 if row["events"] else 0
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    rows = []
    for name in ranked[:TECHNIQUES_SHOWN]:
        meaning = known.get(name)
        rows.append(
            (
                value(name),
                Cell(text=(meaning.attack_id if meaning else "") or "\u2013"),
                Cell(text=", ".join(meaning.tactics) if meaning else "not known to this version", tone="plain" if meaning else "bad"),
                number(totals[name]),
                number(days[name]),
            )
        )
    return Table(
        id="techniques-table",
        title="Techniques and tactics",
        headings=_headings(
            ("Technique", "ATT&CK", "Tactics", "Events", "Days"),
            ("value", "text", "text", "number", "number"),
            (32, 13, 33, 12, 10),
        ),
        rows=tuple(rows),
        total=len(ranked),
        note="As the source names them. An event with several techniques counts once under each, so this column has no sum.",
        empty="No event of this period carries a technique.",
        mark=mark,
    )


def kinds(frame: pl.DataFrame, *, was: Mapping[str, int], before: str, known: bool, mark: str) -> Table:
    """Privileged actions by kind."""
    counted = Counter(frame["kind"].to_list())
    users: dict[str, set[str | None]] = {}
    for kind, user in frame.select("kind", "user").iter_rows():
        users.setdefault(kind, set()).add(user)
    rows = tuple(
        (
            Cell(text=kind),
            number(amount),
            Cell(text=change(None, was=was.get(kind, 0), now=amount) if known else "\u2013"),
            number(len(users[kind])),
        )
        for kind, amount in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )
    sums = (Cell(text="All"), number(sum(counted.values())), Cell(), Cell()) if rows else ()
    return Table(
        id="privileged-kinds",
        title="By kind",
        headings=_headings(
            ("Kind", "Actions", f"vs. {before}", "Identities"),
            ("text", "number", "number", "number"),
            (40, 20, 20, 20),
        ),
        rows=rows,
        total=len(rows),
        note="",
        empty="No privileged action in this period.",
        mark=mark,
        sums=sums,
    )


def actors(frame: pl.DataFrame, *, mark: str) -> Table:
    """Who took privileged actions, how often and of which kind; people first, then most first."""
    found: dict[tuple[str | None, str], list[datetime]] = {}
    for user, kind, time in frame.select("user", "kind", "time").iter_rows():
        found.setdefault((user, kind), []).append(time)
    ranked = sorted(
        found.items(), key=lambda item: (not _is_person(item[0][0]), -len(item[1]), item[0][0] or "", item[0][1])
    )
    rows = tuple(
        (
            value(user),
            Cell(text=user_kind(user) or "unknown"),
            Cell(text=kind),
            number(len(times)),
            Cell(text=_minute(min(times))),
            Cell(text=_minute(max(times))),
        )
        for (user, kind), times in ranked[:ACTORS_SHOWN]
    )
    return Table(
        id="privileged-actors",
        title="By identity",
        headings=_headings(
            ("Identity", "Identity is", "Kind", "Actions", "First (UTC)", "Last (UTC)"),
            ("value", "text", "text", "number", "time", "time"),
            (33, 14, 17, 10, 13, 13),
        ),
        rows=rows,
        total=len(ranked),
        note="People first, then most first.",
        empty="No privileged action in this period.",
        mark=mark,
        sums=(Cell(text="All"), Cell(), Cell(), number(frame.height), Cell(), Cell()),
    )


def actions(frame: pl.DataFrame, *, mark: str) -> Table:
    """Single privileged actions, of people first, then in the order of time: when, what, who from where, on what."""
    ordered = sorted(frame.rows(named=True), key=lambda row: not _is_person(row["user"]))
    return Table(
        id="privileged-actions",
        title="Single actions",
        headings=_headings(
            ("Time (UTC)", "Kind", "Identity and source", "Action and object", "Outcome"),
            ("time", "text", "value", "value", "text"),
            (11, 15, 29, 35, 10),
        ),
        rows=tuple(_action(row) for row in ordered[:ACTIONS_SHOWN]),
        total=frame.height,
        note="Of people first, then of all others, each in the order of time.",
        empty="No privileged action in this period.",
        mark=mark,
    )


def _is_person(user: str | None) -> bool:
    return user_kind(user) == "human"


def _minute(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %H:%M}"


def denied(frame: pl.DataFrame, *, mark: str) -> Table:
    """Requests that the API servers refused, alike ones together, most first."""
    rows = tuple(
        (
            value(row["user"]),
            value(f"{row['action'] or ''} {_object(row)}".strip() or None, row["cluster"] or ""),
            number(row["events"]),
            Cell(text=_minute(row["first_time"])),
            Cell(text=_minute(row["last_time"])),
        )
        for row in frame.head(DENIED_SHOWN).rows(named=True)
    )
    total = int(frame["events"].sum() or 0)
    return Table(
        id="denied-requests",
        title="By identity and object",
        headings=_headings(
            ("Identity", "Action, object and cluster", "Requests", "First (UTC)", "Last (UTC)"),
            ("value", "value", "number", "time", "time"),
            (30, 32, 12, 13, 13),
        ),
        rows=rows,
        total=frame.height,
        note="Forbidden by authorization, or answered with 401 or 403. Alike requests stand together.",
        empty="No request was denied in this period.",
        mark=mark,
        sums=(Cell(text="All denied requests"), Cell(), number(total), Cell(), Cell()) if rows else (),
    )


def _object(row: Row) -> str:
    return "/".join(part for part in (row.get("namespace"), row.get("resource"), row.get("name"), row.get("subresource")) if part)


def _action(row: Row) -> tuple[Cell, ...]:
    when: datetime = row["time"]
    user = row["user"]
    acted_as = f"as {row['impersonated_user']}" if row.get("impersonated_user") else ""
    status = row.get("status_code")
    decision = row.get("decision") or ""
    return (
        Cell(text=f"{when.day} {when:%b}", under=f"{when:%H:%M:%S}"),
        Cell(text=row.get("kind") or row.get("action") or ""),
        value(user, acted_as, ", ".join(row.get("source_ips") or [])),
        value(f"{row.get('action') or ''} {_object(row)}".strip() or None, row.get("cluster") or ""),
        Cell(text=" ".join(part for part in (decision, str(status) if status is not None else "") if part) or "\u2013"),
    )


def receipts(frame: pl.DataFrame, *, mark: str) -> Table:
    """The runs that touch the period, and their totals."""
    columns = ("received", "new", "duplicate", "rejected", "records_in_period")
    all_rows = frame.rows(named=True)
    rows = tuple(
        (
            Cell(text=str(row["seq"])),
            Cell(text=f"{row['at'].day} {row['at']:%b %Y %H:%M}"),
            Cell(text=row["type"] + (" (filtered)" if row["filtered"] else "")),
            *(number(row[name] or 0) for name in columns),
        )
        for row in all_rows[:RANKED_SHOWN]
    )
    sums = (Cell(text="All"), Cell(), Cell(), *(number(sum(row[name] or 0 for row in all_rows)) for name in columns))
    return Table(
        id="receipts",
        title="From receipt to record",
        headings=_headings(
            ("Entry", "At (UTC)", "Run", "Received", "New", "Duplicate", "Rejected", "In the period"),
            ("number", "text", "text", *("number" for _ in columns)),
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
        "unstable": "the Console's count kept changing",
        "interrupted": "the run was interrupted",
        "failed": "the Console failed",
    }
    rows = tuple(
        (
            Cell(text=moment(row["start"]) if row["start"] else "\u2013"),
            Cell(text=moment(row["end"]) if row["end"] else "\u2013"),
            Cell(text=words.get(row["reason"], row["reason"])),
        )
        for row in frame.head(20).rows(named=True)
    )
    return Table(
        id="gaps",
        title="What is missing",
        headings=_headings(("From", "To", "Reason"), ("text", "text", "text"), (27, 27, 46)),
        rows=rows,
        total=frame.height,
        note="",
        empty="",
        mark=mark,
    )


def trends(frame: pl.DataFrame, days: list[date]) -> dict[str | None, tuple[int, ...]]:
    """Daily counts by user, zeros included."""
    found: dict[str | None, dict[date, int]] = {}
    for user, day, events in frame.select("user", "date", "events").iter_rows():
        found.setdefault(user, {})[day] = events
    return {user: tuple(by_day.get(day, 0) for day in days) for user, by_day in found.items()}


def _is_count(frame: pl.DataFrame, column: str) -> bool:
    return frame.schema[column].is_integer()


def _headings(names: Iterable[str], kinds: Iterable[Any], widths: Iterable[float]) -> tuple[Heading, ...]:
    return tuple(Heading(name, kind, width) for name, kind, width in zip(names, kinds, widths, strict=True))


def _sums(rest: int, total: int, width: int) -> tuple[Cell, ...]:
    """The last row: what the table leaves out, where it leaves anything out, else the sum."""
    lead = (Cell(text="All others" if rest else "All"), Cell())
    shown = number(rest) if rest else number(total)
    share = Cell(text=percent(rest / total if rest and total else 1.0 if total else None))
    cells = (*lead, shown, share)
    return (*cells, *(Cell() for _ in range(width - len(cells)))) if total else ()


