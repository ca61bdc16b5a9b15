"""How often what a row counts happened on each day of the period, for the small line in a table for people.

The header of a question says what tells the subjects of its rows apart; nothing is guessed from its SQL. The days of a
row add up to its events.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from kubedossier.analytics.catalogue import Column, Parameter, Query
from kubedossier.analytics.periods import Period

Subject = tuple[Hashable, ...]


def trend_query(query: Query) -> Query:
    """The question of the events by day of each subject of a question; it takes the ``subjects``' first columns."""
    first, *_ = (name for name, _ in query.trend)
    names = ", ".join(f'"{name}"' for name, _ in query.trend)
    values = ", ".join(f'{sql} as "{name}"' for name, sql in query.trend)
    types = {one.name: one for one in query.columns}
    sql = f"""with seen as (
  select {values}, cast(time as date) as date
  from events
  where time >= $period_start and time < $period_end
)
select {names}, date, count(*) as events
from seen
where "{first}" is null or list_contains(cast($subjects as varchar[]), "{first}")
group by {names}, date
order by {names}, date
"""  # noqa: S608 - names and expressions of a header that was checked
    given = tuple(Parameter(name, "timestamp", None, False, "") for name in ("period_start", "period_end"))
    return replace(
        query,
        sql=sql,
        reads="period",
        parameters=(*given, Parameter("subjects", "varchar[]", None, True, "values of the first column")),
        columns=(
            *(types[name] for name, _ in query.trend),
            Column("date", "date", "", "day in UTC"),
            Column("events", "bigint", "events", "of that day"),
        ),
        trend=(),
        spare=(),
    )


def subjects(query: Query, names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[Subject]:
    """The subject of each row of an answer."""
    places = [names.index(name) for name, _ in query.trend]
    return [tuple(row[place] for place in places) for row in rows]


def days_of(period: Period) -> list[date]:
    """The days that a period touches."""
    last = (period.end - timedelta(microseconds=1)).date()
    return [period.start.date() + timedelta(days=n) for n in range((last - period.start.date()).days + 1)]


def by_day(found: Iterable[tuple[Any, ...]], wanted: list[Subject], days: list[date]) -> list[tuple[int, ...]]:
    """Counts by day for each subject wanted, zeros included."""
    counts: dict[Subject, dict[date, int]] = {}
    for *subject, day, events in found:
        counts.setdefault(tuple(subject), {})[day.date() if isinstance(day, datetime) else day] = events
    empty: Mapping[date, int] = {}
    return [tuple(counts.get(one, empty).get(day, 0) for day in days) for one in wanted]
