"""The figures as data: one object feeds the page's SVG and the notebook's chart, so both show the same numbers.

A figure is rows with a title, a sentence for those who cannot see it, a unit and the query the rows came from. This
module counts and groups what a query answered; it draws nothing and asks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kubedossier.analytics.vocabulary import TACTICS

if TYPE_CHECKING:
    import polars as pl

    from kubedossier.analytics.periods import Period

Kind = Literal["day strip", "calendar", "columns", "panels", "heat map"]
Step = Literal["day", "week", "month"]
FigureCell = str | int | float | date | None

COLLECTED, PARTIAL, MISSING, DROPPED, IMPORTED, NOT_YET = STATES = (
    "collected",
    "partial",
    "not collected",
    "may have been dropped",
    "imported",
    "not over yet",
)
"""What is known about a stretch of time, as the coverage queries name it; the last one only a figure can tell."""

WEEKENDS_SHOWN = 92
"""Days of a line on which weekends can still be told apart."""
_WORST_FIRST = (DROPPED, MISSING, PARTIAL, IMPORTED, COLLECTED, NOT_YET)
_DAYS_SHOWN_SINGLY = 45
_DAYS_SHOWN_BY_WEEK = 400


class Answered(Protocol):
    """What a figure needs of an answer of the archive."""

    @property
    def name(self) -> str:
        """Name of the query."""

    @property
    def frame(self) -> pl.DataFrame:
        """Its rows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as data.

    Attributes:
        id: stable name of the figure.
        kind: how it is drawn.
        title: what it shows.
        alt: the same in one sentence with its main numbers, for readers who cannot see it.
        unit: of the numbers, such as ``events per day``.
        query: name of the query that the rows came from.
        step: width of one column of time.
        columns: names of the row's cells.
        rows: in a total order.
    """

    id: str
    kind: Kind
    title: str
    alt: str
    unit: str
    query: str
    step: Step
    columns: tuple[str, ...]
    rows: tuple[tuple[FigureCell, ...], ...]

    def column(self, name: str) -> list[Any]:
        """The cells of one column, in the order of the rows."""
        index = self.columns.index(name)
        return [row[index] for row in self.rows]


def step_for(period: Period) -> Step:
    """How finely a period is shown: up to 45 days by day, up to 400 by week, else by month."""
    if period.days <= _DAYS_SHOWN_SINGLY:
        return "day"
    return "week" if period.days <= _DAYS_SHOWN_BY_WEEK else "month"


def step_start(day: date, step: Step) -> date:
    """The first day of the step that a day belongs to; weeks start on Monday."""
    if step == "day":
        return day
    return day - timedelta(days=day.weekday()) if step == "week" else day.replace(day=1)


def steps_of(period: Period, step: Step) -> list[date]:
    """The first days of all steps that touch the period, in order."""
    first = period.start.date()
    days = (first + timedelta(days=offset) for offset in range(period.days))
    return list(dict.fromkeys(step_start(day, step) for day in days))


def day_strip(answer: Answered, period: Period, *, until: datetime | None = None) -> Figure:
    """Every day of the period: events, share of the day that was collected, state.

    Days that are not over at ``until`` cannot be held against whoever collects.
    """
    rows = tuple(
        (day, events, share, _state(state, day, until))
        for day, events, share, state in answer.frame.select("date", "events", "collected_share", "state")
        .sort("date")
        .iter_rows()
    )
    states = [row[3] for row in rows]
    parts = [f"{states.count(state)} {state}" for state in STATES if state in states]
    return Figure(
        id="day_strip",
        kind="day strip",
        title="Completeness by day",
        alt=f"Of {_counted(len(rows), 'day')} {period.when()}: {', '.join(parts) or 'none'}.",
        unit="share of the day collected",
        query=answer.name,
        step="day",
        columns=("date", "events", "collected_share", "state"),
        rows=rows,
    )


def cluster_calendar(
    answer: Answered, period: Period, *, limit: int | None = None, until: datetime | None = None
) -> Figure:
    """Every step of the period for every cluster seen: events, and the worst state of its days.

    Clusters stand in the order of their events, most first; ``limit`` keeps the first of them. Days that are not over
    at ``until`` are told apart, and say nothing about a step with others in it.
    """
    step = step_for(period)
    events: dict[tuple[str | None, date], int] = {}
    states: dict[tuple[str | None, date], set[str]] = {}
    totals: dict[str | None, int] = {}
    for day, cluster, number, state in answer.frame.select("date", "cluster", "events", "state").iter_rows():
        key = (cluster, step_start(day, step))
        events[key] = events.get(key, 0) + number
        states.setdefault(key, set()).add(_state(state, day, until))
        totals[cluster] = totals.get(cluster, 0) + number
    order = sorted(totals, key=lambda cluster: (-totals[cluster], cluster is None, cluster or ""))
    rows = tuple(
        (start, cluster, events.get((cluster, start), 0), _worst(states.get((cluster, start), {MISSING})))
        for cluster in order[:limit]
        for start in steps_of(period, step)
    )
    return Figure(
        id="cluster_calendar",
        kind="calendar",
        title=f"Clusters by {step}",
        alt=f"Events of {len(order[:limit])} of {_counted(len(order), 'cluster')} by {step}; "
        f"{_counted(sum(totals.values()), 'event')} in all.",
        unit=f"events per {step}",
        query=answer.name,
        step=step,
        columns=("date", "cluster", "events", "state"),
        rows=rows,
    )


def activity_columns(answer: Answered, period: Period) -> Figure:
    """Events and denied requests of every step of the period, zeros included."""
    step = step_for(period)
    events: dict[date, int] = {}
    denied: dict[date, int] = {}
    for day, number, refused in answer.frame.select("date", "events", "denied").iter_rows():
        start = step_start(day, step)
        events[start] = events.get(start, 0) + number
        denied[start] = denied.get(start, 0) + refused
    total = sum(events.values())
    peak = max(events, key=lambda start: (events[start], start), default=None)
    verb = "is" if step == "day" else "begins on"
    top = f" The highest {step} {verb} {peak.day} {peak:%B %Y} with {_counted(events[peak], 'event')}." if peak else ""
    first = top if total else ""
    return Figure(
        id="activity_by_day",
        kind="columns",
        title=f"Events per {step}",
        alt=f"{_counted(total, 'event')} {period.when()}, {sum(denied.values()):,} denied.{first}",
        unit=f"events per {step}",
        query=answer.name,
        step=step,
        columns=("date", "events", "denied"),
        rows=tuple((start, events.get(start, 0), denied.get(start, 0)) for start in steps_of(period, step)),
    )


def technique_panels(answer: Answered, period: Period, *, limit: int = 9) -> Figure:
    """Events of the most frequent techniques on every day of the period, zeros included, as small multiples."""
    totals: dict[str, int] = {}
    events: dict[tuple[str, date], int] = {}
    for day, technique, number in answer.frame.select("date", "technique", "events").iter_rows():
        totals[technique] = totals.get(technique, 0) + number
        events[technique, day] = events.get((technique, day), 0) + number
    order = sorted(totals, key=lambda technique: (-totals[technique], technique))[:limit]
    days = steps_of(period, "day")
    first = f" The most frequent is {order[0]} with {_counted(totals[order[0]], 'event')}." if order else ""
    return Figure(
        id="techniques_by_day",
        kind="panels",
        title="Techniques per day",
        alt=f"Events per day of {len(order)} of {_counted(len(totals), 'technique')} {period.when()}.{first}",
        unit="events per day",
        query=answer.name,
        step="day",
        columns=("date", "technique", "events"),
        rows=tuple((day, technique, events.get((technique, day), 0)) for technique in order for day in days),
    )


def tactic_heat_map(answer: Answered, period: Period) -> Figure:
    """Events of every tactic seen in every step of the period; tactics in the order of the ATT&CK matrix."""
    step = step_for(period)
    events: dict[tuple[str, date], int] = {}
    seen: set[str] = set()
    for day, tactic, number in answer.frame.select("date", "tactic", "events").iter_rows():
        key = (tactic, step_start(day, step))
        events[key] = events.get(key, 0) + number
        if number:
            seen.add(tactic)
    order = [tactic for tactic in TACTICS if tactic in seen] + sorted(seen - set(TACTICS))
    totals = {tactic: sum(number for key, number in events.items() if key[0] == tactic) for tactic in order}
    top = max(order, key=lambda tactic: totals[tactic], default=None)
    first = f" The most frequent is {top} with {_counted(totals[top], 'event')}." if top else ""
    return Figure(
        id="tactics_by_day",
        kind="heat map",
        title=f"Tactics by {step}",
        alt=f"Events of {_counted(len(order), 'ATT&CK tactic')} by {step} {period.when()}.{first}",
        unit=f"events per {step}",
        query=answer.name,
        step=step,
        columns=("date", "tactic", "events"),
        rows=tuple(
            (start, tactic, events.get((tactic, start), 0)) for tactic in order for start in steps_of(period, step)
        ),
    )


MAKERS: Mapping[str, tuple[str, Callable[[Answered, Period], Figure]]] = {
    "activity_by_day": ("activity_by_day", activity_columns),
    "cluster_calendar": ("coverage_by_cluster", cluster_calendar),
    "day_strip": ("coverage", day_strip),
    "tactics_by_day": ("tactics_by_day", tactic_heat_map),
    "techniques_by_day": ("techniques_by_day", technique_panels),
}
"""Figure by its id -> the query whose answer it shows, and what makes it."""


def _state(state: str, day: date, until: datetime | None) -> str:
    """What is known about a day, where it was over at that moment."""
    is_over = until is None or datetime.combine(day, time(), UTC) + timedelta(days=1) <= until
    return state if is_over or state not in (MISSING, PARTIAL) else NOT_YET


def _worst(states: Iterable[str]) -> str:
    found = set(states)
    if COLLECTED in found and MISSING in found:
        return PARTIAL if DROPPED not in found else DROPPED
    return next((state for state in _WORST_FIRST if state in found), MISSING)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"
