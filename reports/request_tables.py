"""The tables about requests that were refused, and about callers without an identity; alike ones stand together.

What is cut stays in the attached data and the table says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubedossier.analytics.thresholds import Anonymous
from kubedossier.reports.cells import Row, headings, minute, number, target, value
from kubedossier.reports.gathering import own_memory
from kubedossier.reports.newcomers import denials
from kubedossier.reports.pieces import Cell, Table

if TYPE_CHECKING:
    import polars as pl

DENIED_SHOWN = 12
ANONYMOUS_SHOWN = 8
SOURCES_SHOWN = 2


_OF_DENIED = ("user", "cluster", "action", "namespace", "resource", "subresource")


def held(frame: pl.DataFrame) -> pl.DataFrame:
    """Of the rows of denied requests, what their table counts with; names that come again and again are held once."""
    import polars as pl

    return own_memory(frame.select("time", pl.col(_OF_DENIED).replace("", None).cast(pl.Categorical)))


def held_anonymous(frame: pl.DataFrame) -> pl.DataFrame:
    """Of requests without an identity, what is counted with, alike ones as one row with their number."""
    import polars as pl

    path = pl.col("request_uri").str.split("?").list.first().alias("path")
    kept = frame.select(
        "action", "namespace", "resource", path, "cluster", denials(frame).alias("denied"), "source_ips"
    )
    return own_memory(kept.group_by(pl.all(), maintain_order=True).agg(pl.len().alias("requests")))


def denied(frame: pl.DataFrame, *, mark: str) -> Table:
    """Requests that the API servers refused, alike ones together, most first."""
    import polars as pl

    amounts = (pl.len().alias("requests"), pl.col("time").first(), pl.col("time").last().alias("last"))
    alike = frame.group_by(_OF_DENIED, maintain_order=True).agg(*amounts)
    least = alike["requests"].top_k(DENIED_SHOWN).min() or 0
    many = alike.filter(pl.col("requests") >= least).with_columns(pl.col(_OF_DENIED).cast(pl.String))
    ranked = many.sort("requests", *_OF_DENIED, descending=[True, *(False for _ in _OF_DENIED)])
    rows = tuple(
        (
            value(row["user"]),
            value(f"{row['action'] or ''} {target(row)}".strip() or None, row["cluster"] or ""),
            number(row["requests"]),
            minute(row["time"]),
            minute(row["last"]),
        )
        for row in ranked.head(DENIED_SHOWN).iter_rows(named=True)
    )
    return Table(
        id="denied-requests",
        title="Denied, by identity and object",
        headings=headings(
            ("Identity", "Action, object and cluster", "Requests", "First (UTC)", "Last (UTC)"),
            ("value", "value", "number", "time", "time"),
            (34, 30, 11, 12.5, 12.5),
        ),
        rows=rows,
        total=alike.height,
        note="Forbidden by authorization, or answered with 401 or 403. Alike requests stand together.",
        empty="No request was denied in this period.",
        mark=mark,
        sums=(Cell(text="All denied requests"), Cell(), number(frame.height), Cell(), Cell()) if rows else (),
    )


def anonymous(frame: pl.DataFrame, limits: Anonymous, *, mark: str) -> Table:
    """Requests without an identity, as held: what was served outside of open paths first, then most first."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in frame.iter_rows(named=True):
        path = row["path"] or ""
        what = path if limits.allows(path) else target(row) or path
        alike.setdefault((f"{row['action'] or ''} {what}".strip(), row["cluster"] or ""), []).append(row)
    counted = {key: _outcomes(found, limits) for key, found in alike.items()}
    ranked = sorted(alike, key=lambda key: (-counted[key][2], -sum(counted[key]), key))
    rows = tuple(
        (
            value(key[0] or None, key[1]),
            value(*_sources(alike[key])),
            number(sum(counted[key])),
            *(number(amount) for amount in counted[key]),
        )
        for key in ranked[:ANONYMOUS_SHOWN]
    )
    sums = tuple(sum(counted[key][index] for key in ranked) for index in range(3))
    return Table(
        id="anonymous-requests",
        title="Without an identity",
        headings=headings(
            ("Action, object and cluster", "Source", "Requests", "Denied", "Open path", "Served"),
            ("value", "value", "number", "number", "number", "number"),
            (36, 20, 11, 11, 11, 11),
        ),
        rows=rows,
        total=len(ranked),
        note="Requests of callers whom nothing authenticated: denied, served on a path that is open to everybody, or "
        "served elsewhere.",
        empty="No request came without an identity.",
        mark=mark,
        sums=(Cell(text="All without an identity"), Cell(), number(sum(sums)), *map(number, sums)) if rows else (),
    )


def _outcomes(found: list[Row], limits: Anonymous) -> tuple[int, int, int]:
    """How many were denied, served on an open path, and served elsewhere."""
    denied = sum(row["requests"] for row in found if row["denied"])
    opened = sum(row["requests"] for row in found if not row["denied"] and limits.allows(row["path"] or ""))
    return denied, opened, sum(row["requests"] for row in found) - denied - opened


def _sources(found: list[Row]) -> tuple[str | None, ...]:
    """The first addresses, and how many more there are."""
    names = list(dict.fromkeys(one for row in found for one in row["source_ips"] or ()))
    more = [f"and {len(names) - SOURCES_SHOWN} more"] if len(names) > SOURCES_SHOWN else []
    return (*names[:SOURCES_SHOWN], *more) if names else (None,)
