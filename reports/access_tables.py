"""The tables about people and rights: privileged actions by kind, by identity and one by one; newcomers.

What is cut stays in the attached data and the table says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from kubedossier.analytics.vocabulary import user_kind
from kubedossier.reports.actions import Action, Actions
from kubedossier.reports.cells import Row, at, grown, headings, minute, number, value
from kubedossier.reports.event_ids import EventIds
from kubedossier.reports.judgements import Finding
from kubedossier.reports.numbers import counted
from kubedossier.reports.pieces import Cell, Table

if TYPE_CHECKING:
    import polars as pl

ACTIONS_SHOWN = 8
CITED_SHOWN = 36
ACTORS_SHOWN = 10
NEW_SHOWN = 8


def kinds(frame: pl.DataFrame, *, was: Mapping[str, int], before: str, known: bool, mark: str) -> Table:
    """Privileged actions by kind, and how many of them were denied."""
    import polars as pl

    counts = (pl.len().alias("actions"), pl.col("denied").sum().alias("refused"), pl.col("user").n_unique())
    found = {kind: counts for kind, *counts in frame.group_by("kind").agg(*counts).iter_rows()}
    amounts = {kind: amount for kind, (amount, _, _) in found.items()}
    refused = {kind: amount for kind, (_, amount, _) in found.items()}
    users = {kind: number for kind, (_, _, number) in found.items()}
    rows = tuple(
        (
            Cell(text=kind),
            number(amount),
            grown(None, was=was.get(kind, 0), now=amount) if known else Cell(text="\u2013"),
            number(refused[kind]),
            number(users[kind]),
        )
        for kind, amount in sorted(amounts.items(), key=lambda item: (-item[1], item[0]))
    )
    all_of = (number(sum(amounts.values())), Cell(), number(sum(refused.values())))
    sums = (Cell(text="All"), *all_of, Cell()) if rows else ()
    return Table(
        id="privileged-kinds",
        title="By kind",
        headings=headings(
            ("Kind", "Actions", f"vs. {before}", "Denied", "Identities"),
            ("text", "number", "number", "number", "number"),
            (36, 16, 16, 16, 16),
        ),
        rows=rows,
        total=len(rows),
        note="What was denied is among them; section A3 says which findings leave it aside.",
        empty="No privileged action in this period.",
        mark=mark,
        sums=sums,
    )


def actors(frame: pl.DataFrame, *, mark: str) -> Table:
    """Who took privileged actions, how often and of which kind; people first, then most first."""
    import polars as pl

    times = (pl.len().alias("actions"), pl.col("time").min().alias("first"), pl.col("time").max().alias("last"))
    found = frame.lazy().group_by("user", "kind").agg(*times).collect(engine="streaming").iter_rows()
    ranked = sorted(found, key=lambda one: (not _is_person(one[0]), -one[2], one[0] or "", one[1]))
    rows = tuple(
        (
            value(user),
            Cell(text=user_kind(user) or "unknown"),
            Cell(text=kind),
            number(amount),
            minute(earliest),
            minute(latest),
        )
        for user, kind, amount, earliest, latest in ranked[:ACTORS_SHOWN]
    )
    return Table(
        id="privileged-actors",
        title="By identity",
        headings=headings(
            ("Identity", "Type", "Kind", "Actions", "First (UTC)", "Last (UTC)"),
            ("value", "text", "text", "number", "time", "time"),
            (35, 14, 17, 10, 12, 12),
        ),
        rows=rows,
        total=len(ranked),
        note="People first, then those with most actions of one kind.",
        empty="No privileged action in this period.",
        mark=mark,
        sums=(Cell(text="All"), Cell(), Cell(), number(frame.height), Cell(), Cell()),
    )


def cited(acts: Sequence[Actions], findings: Sequence[Finding], *, mark: str) -> Table | None:
    """The actions that exceptions rest on, in the order of time, each with the rules that cite it; None without any.

    Alike ones that follow each other are told once. Of an event that stands in several ``acts`` the last counts.
    """
    import polars as pl

    citing = [one for one in findings if one.rating == "exception" and one.events]
    if not citing:
        return None
    alike = ("user", "source_ips", "cluster", "kind", "action", "denied", "rules")
    run = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in alike).cum_sum().alias("run")
    chosen: list[Actions] = []
    for place, some in reversed(list(enumerate(acts))):
        rules = _rules_of(some, citing)
        for later in chosen:
            rules = rules * ~some.are_of(later.events())
        marked = some.frame.with_columns(rules.alias("rules"), pl.lit(place).alias("of"))
        chosen.append(Actions(marked.filter(pl.col("rules") > 0), some.store))
    ordered = (
        pl.concat([one.read("event_id", "source_ips") for one in chosen])
        .sort("time", "event_id")
        .with_columns(pl.col("source_ips").fill_null([]))
    )
    runs = (
        ordered.select("time", "of", "row", "rules", run)
        .group_by("run", maintain_order=True)
        .agg(pl.first("of", "row", "rules"), pl.last("time").alias("last"), pl.len().alias("number"))
    )
    shown = runs.head(CITED_SHOWN)
    firsts: dict[tuple[int, int], Action] = {}
    for of, some in enumerate(acts):
        first = some.where(pl.col("row").is_in(shown.filter(of=of)["row"].to_list()))
        firsts |= zip(((of, row) for row in first.frame["row"]), first, strict=True)
    names = [one.rule for one in citing]
    return Table(
        id="cited-actions",
        title="What the exceptions rest on",
        headings=headings(
            ("Time (UTC)", "Identity and source", "Action, object and cluster", "Cited by", "Event"),
            ("time", "value", "value", "text", "value"),
            (12, 27, 32, 16, 13),
        ),
        rows=tuple(
            _cited(firsts[of, row], last, number, [name for bit, name in enumerate(names) if rules >> bit & 1])
            for of, row, last, number, rules in shown.select("of", "row", "last", "number", "rules").iter_rows()
        ),
        total=runs.height,
        note=f"{counted(ordered.height, 'action')} by time; alike ones in sequence stand in one row. An event is "
        "named by the start of its id.",
        empty="",
        mark=mark,
    )


def _rules_of(acts: Actions, citing: Sequence[Finding]) -> pl.Series:
    """Of each action, which findings cite it: the first one is the lowest bit."""
    import polars as pl

    none = pl.repeat(0, len(acts), dtype=pl.UInt64, eager=True)
    return sum((acts.are_of(one.events).cast(pl.UInt64) * 2**bit for bit, one in enumerate(citing)), start=none)


def _cited(first: Action, last: datetime, number: int, rules: Sequence[str]) -> tuple[Cell, ...]:
    """One row of alike actions: the first is shown, the others are counted."""
    more = f"and {number - 1:,} more" if number > 1 else ""
    until = f"{first.time:%H:%M}\u2013{last:%H:%M}" if number > 1 else f"{first.time:%H:%M:%S}"
    bound = f"binds {first.detail[0]} to {', '.join(first.detail[1:])}" if first.detail else ""
    return (
        at(first.time, f"{first.time:%a} {first.time.day} {first.time:%b}", until),
        value(first.user, ", ".join(first.addresses)),
        value(f"{first.action} {first.target}".strip() or None, bound, more, first.cluster or ""),
        Cell(text=", ".join(rules)),
        value(first.event_id[:12], more),
    )


def actions(acts: Actions, above: EventIds, *, mark: str) -> Table:
    """Single privileged actions: when, what, who from where, on what; newcomers first, then people, then all others.

    The events ``above`` stand in a table of their own, and come last here.
    """
    import polars as pl

    group = (
        pl.when(acts.are_of(above))
        .then(3)
        .when(pl.col("is_new") & ~pl.col("denied"))
        .then(0)
        .when(acts.is_by(("human",)))
        .then(1)
        .otherwise(2)
    )
    groups = acts.frame.select(group.alias("group"))["group"]
    ordered = acts.rows(_first(groups)).read("target", "source_ips")
    first = "What newcomers were allowed first, then people" if groups.min() == 0 else "People first"
    return Table(
        id="privileged-actions",
        title="Single actions",
        headings=headings(
            ("Time (UTC)", "Kind", "Identity and source", "Action and object", "Outcome"),
            ("time", "text", "value", "value", "text"),
            (10, 13, 34, 34, 9),
        ),
        rows=tuple(_action(row) for row in ordered.iter_rows(named=True)),
        total=len(acts),
        note=f"{first}, then all others; each in the order of time.{' Those above come last.' if above else ''}",
        empty="No privileged action in this period.",
        mark=mark,
    )


def new_users(frame: pl.DataFrame, privileged: pl.DataFrame, *, mark: str) -> Table:
    """Identities that the archive does not hold before the period, those with privileged actions first."""
    ordered = _with_most(frame, "user", privileged)
    rows = tuple(
        (
            value(row["user"]),
            Cell(text=row["user_kind"] or "unknown"),
            minute(row["first_time"]),
            number(row["events"]),
            number(row["clusters"]),
            number(row["privileged"]),
        )
        for row in ordered
    )
    return Table(
        id="first-seen-users",
        title="Identities",
        headings=headings(
            ("Identity", "Type", "First event (UTC)", "Events", "Clusters", "Privileged"),
            ("value", "text", "time", "number", "number", "number"),
            (37, 15, 15, 11, 11, 11),
        ),
        rows=rows,
        total=frame.height,
        note="",
        empty="No identity is new in this period.",
        mark=mark,
    )


def new_addresses(frame: pl.DataFrame, privileged: pl.DataFrame, *, mark: str) -> Table:
    """Source addresses that the archive does not hold before the period, those with privileged actions first."""
    ordered = _with_most(frame, "source_ip", privileged)
    rows = tuple(
        (
            value(row["source_ip"]),
            minute(row["first_time"]),
            number(row["events"]),
            number(row["users"]),
            number(row["clusters"]),
            number(row["privileged"]),
        )
        for row in ordered
    )
    return Table(
        id="first-seen-addresses",
        title="Source addresses",
        headings=headings(
            ("Address", "First event (UTC)", "Events", "Identities", "Clusters", "Privileged"),
            ("value", "time", "number", "number", "number", "number"),
            (37, 19, 11, 11, 11, 11),
        ),
        rows=rows,
        total=frame.height,
        note="",
        empty="No source address is new in this period.",
        mark=mark,
    )


def _with_most(frame: pl.DataFrame, name: str, privileged: pl.DataFrame) -> Iterable[Row]:
    """The rows to show of what is new: those with most privileged actions first, then the earliest."""
    import polars as pl

    found = frame.join(privileged, on=name, how="left").with_columns(pl.col("privileged").fill_null(0))
    order, falling = ("privileged", "first_time", name), (True, False, False)
    return found.bottom_k(NEW_SHOWN, by=order, reverse=falling).sort(order, descending=falling).iter_rows(named=True)


def _first(groups: pl.Series) -> list[int]:
    """The rows to show: the first group first, each in its order."""
    numbers = sorted(groups.unique().to_list())
    rows = [index for one in numbers for index in (groups == one).arg_true().head(ACTIONS_SHOWN).to_list()]
    return rows[:ACTIONS_SHOWN]


def _action(row: Row) -> tuple[Cell, ...]:
    when: datetime = row["time"]
    user = row["user"]
    acted_as = f"as {row['impersonated_user']}" if row["impersonated_user"] else ""
    status = row["status_code"]
    decision = row["decision"] or ""
    return (
        at(when, f"{when.day} {when:%b}", f"{when:%H:%M:%S}"),
        Cell(text=row["kind"]),
        value(user, acted_as, ", ".join(row["source_ips"] or [])),
        value(f"{row['action'] or ''} {row['target']}".strip() or None, row["cluster"] or ""),
        Cell(text=" ".join(part for part in (decision, str(status) if status is not None else "") if part) or "\u2013"),
    )


def _is_person(user: str | None) -> bool:
    return user_kind(user) == "human"
