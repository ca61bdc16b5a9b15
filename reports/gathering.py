"""Answers that name events one by one: asked for a part of the period at a time, written down as they pass.

A month may have a million privileged actions, and the database holds all it sorts. So such a question is put for some
days at a time, which together give the rows of the whole period in the same order; of these only what the report
counts with is held. A question whose rows are of several events, or ordered otherwise, must never be asked so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, TypeVar

from kubedossier.analytics.answers import Answer
from kubedossier.analytics.coverage import naive
from kubedossier.analytics.periods import Period
from kubedossier.reports.evidence import Writer, Written

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.archive import Archive

Held = TypeVar("Held")
BY_EVENT = ("privileged_actions", "denied_requests", "anonymous_access")
"""The questions that may be asked so: a row is one event of the period, and the order is that of time and event."""
PART_ROWS = 60_000
"""Rows that are asked for in one go, at most; a day is not taken apart."""


def gathered(
    archive: Archive,
    name: str,
    parts: Iterable[Period],
    like: Answer,
    held: Callable[[pl.DataFrame], Held],
    *,
    seconds: float | None = None,
) -> tuple[Answer, Written, list[Held]]:
    """The answer without its rows, these as evidence, and what ``held`` keeps of each part.

    Args:
        archive: the archive.
        name: one of ``BY_EVENT``.
        parts: of the period, in order, without a hole.
        like: an answer to another question about the whole period, of the same kind of records.
        held: takes some rows and gives what is needed of them.
        seconds: what each part may take at most; None is as long as it takes.

    Raises:
        UsageError: a part takes longer.
    """
    kept: list[Held] = []
    rules: set[str] = set()
    writer: Writer | None = None
    for part in parts:
        answer = archive.answer(name, period=part, limit=0, source=like.source, seconds=seconds)
        writer = writer or Writer(answer.fetched.names)
        writer.add(answer)
        kept.append(held(answer.frame))
        rules.update(answer.rules)
        last = replace(answer, fetched=answer.fetched.none())
        del answer  # before the next part is there
    assert writer is not None
    span = {"period_start": naive(like.period.start), "period_end": naive(like.period.end)}
    whole = replace(
        last,
        parameters={**last.parameters, **span},
        period=like.period,
        mixed=like.mixed,
        rules=tuple(sorted(rules)),
    )
    return whole, writer.written(), kept


def parts_of(period: Period, rows: Iterable[tuple[date, int]], total: int | None = None) -> Iterator[Period]:
    """A period in parts of whole days with not too many rows.

    ``rows`` are the most of each day, in order; ``total`` is how many there are in all, where that is known.
    """
    start, seen = period.start, 0
    for day, number in () if total is not None and total <= PART_ROWS else rows:
        midnight = datetime.combine(day, time(), UTC)
        if seen and seen + number > PART_ROWS and midnight > start:
            yield Period(start, midnight, period.label)
            start, seen = midnight, 0
        seen += number
    yield Period(start, period.end, period.label)


def own_memory(frame: pl.DataFrame) -> pl.DataFrame:
    """A copy of a frame: of what came from the database, one column, or its nulls, hold the memory of all others."""
    import polars as pl

    return frame.select(pl.all().gather(pl.int_range(pl.len(), dtype=pl.UInt32)))
