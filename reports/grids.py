"""The figures that are grids of cells: the days, the clusters by day, the tactics by day.

Every colour has a sign, a number or a word beside it. These functions lay out and never count: numbers come from the
figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from kubedossier.analytics.figures import COLLECTED, DROPPED, IMPORTED, MISSING, NOT_YET, PARTIAL, Figure, Step
from kubedossier.analytics.palette import (
    ALERT,
    AMBER_TEXT,
    HAIRLINE,
    INK,
    MUTED,
    RAMP,
    STATE_COLOURS,
    TRACK,
)
from kubedossier.reports.drawing import WIDTH, distinct, drawing, outline, rect, write, write_name
from kubedossier.reports.numbers import count, percent, short_day
from kubedossier.reports.text import plain

_STATE_WORDS = {
    "zero": "collected or imported, no events",
    PARTIAL: "collected in part",
    DROPPED: "may have been dropped by the Console",
    IMPORTED: "imported, completeness not attested",
}


def day_strip(figure: Figure) -> Markup:
    """One cell a day, one row a month; the filled part of a cell is the share collected."""
    months: dict[tuple[int, int], list[tuple[date, int, float, str]]] = {}
    for day, events, share, state in figure.rows:
        assert isinstance(day, date) and isinstance(events, int)
        months.setdefault((day.year, day.month), []).append((day, events, float(share or 0), str(state)))  # type: ignore[arg-type]
    many = len(months) > 1
    left = 16.0 if many else 0.0
    across = 31 if many else max((len(days) for days in months.values()), default=1)
    pitch = min((WIDTH - left) / across, 12.0)
    row_height = 8.0 if many else 12.0
    parts: list[Markup] = []
    for row, ((year, month), days) in enumerate(sorted(months.items())):
        y = row * row_height
        if many:
            parts.append(write(0, y + 4.1, f"{date(year, month, 1):%b %Y}", size=2.6, colour=MUTED))
        for index, (day, _, share, state) in enumerate(days):
            column = day.day - 1 if many else index
            parts.append(_day_cell(left + column * pitch, y, pitch - 0.5, 5.6 if many else 7.0, share, state))
            if not many:
                emphasis = state in (PARTIAL, MISSING, DROPPED)
                colour = INK if emphasis else MUTED
                middle = left + column * pitch + (pitch - 0.5) / 2
                parts.append(write(middle, 9.7, str(day.day), size=2.1, colour=colour, anchor="middle", bold=emphasis))
                if state == PARTIAL:
                    label = percent(math.floor(share * 100) / 100).replace("\u00a0", "")
                    parts.append(write(middle, 12.1, label, size=1.9, colour=AMBER_TEXT, anchor="middle", bold=True))
    height = len(months) * row_height + (1.0 if not many else 0.0)
    legend, tall = _state_legend(height + 1.4, distinct(figure.column("state")), days=True)
    return drawing(figure.alt, height + tall + 0.4, [*parts, *legend])


def _day_cell(x: float, y: float, width: float, height: float, share: float, state: str) -> Markup:
    colour = STATE_COLOURS.get(state, MUTED)
    if state in (COLLECTED, IMPORTED):
        return rect(x, y, width, height, colour) + _glyph(x, y, width, height, state, "#FFFFFF")
    if state == PARTIAL:
        filled = max(min(share, 1.0) * height, 0.6)
        return rect(x, y, width, height, TRACK) + rect(x, y + height - filled, width, filled, colour)
    base = rect(x, y, width, height, colour) if state == DROPPED else outline(x, y, width, height, colour)
    return base + _glyph(x, y, width, height, state, "#FFFFFF" if state == DROPPED else MUTED)


def calendar(figure: Figure) -> Markup:
    """Clusters down, time across; the shade is the number of events, a sign tells 0 events from nothing known."""
    starts = distinct(figure.column("date"))
    clusters = distinct(figure.column("cluster"))
    cells: dict[tuple[Any, Any], tuple[Any, Any]] = {
        (cluster, day): (events, state) for day, cluster, events, state in figure.rows
    }
    grid = _Grid(len(starts), label=42.0, total=13.0, row=5.6)
    bounds = thresholds(max(figure.column("events"), default=0))
    parts = grid.head(starts, figure.step)
    for row, cluster in enumerate(clusters):
        y = grid.top + row * grid.row
        parts.append(write_name(0, y + 3.6, cluster, 28))
        for column, start in enumerate(starts):
            events, state = cells[cluster, start]
            parts.append(_calendar_cell(grid, column, y, int(events), str(state), bounds))
        total = sum(int(cells[cluster, start][0]) for start in starts)
        parts.append(write(WIDTH, y + 3.6, count(total), size=2.5, anchor="end", bold=True))
    bottom = grid.top + len(clusters) * grid.row + 2.0
    parts += _ramp_legend(bottom, bounds, figure.unit, grid.label)
    states = distinct(figure.column("state"))
    zero = any(not events and state not in (MISSING, DROPPED, NOT_YET) for events, state in cells.values())
    legend, tall = _state_legend(bottom + 5.2, states, days=False, left=grid.label, zero=zero)
    return drawing(figure.alt, bottom + 5.2 + tall, [*parts, *legend])


def _calendar_cell(grid: _Grid, column: int, y: float, events: int, state: str, bounds: Sequence[int]) -> Markup:
    x, width, height = grid.x(column), grid.pitch - 0.4, grid.row - 0.6
    if events == 0 and state in (MISSING, DROPPED, NOT_YET):
        base = rect(x, y, width, height, ALERT) if state == DROPPED else outline(x, y, width, height, HAIRLINE)
        return base + _glyph(x, y, width, height, state, "#FFFFFF" if state == DROPPED else MUTED)
    level = _level(events, bounds)
    base = rect(x, y, width, height, RAMP[level])
    if events == 0:
        base += write(x + width / 2, y + height / 2 + 0.75, "0", size=2.0, colour=MUTED, anchor="middle")
    if state != COLLECTED:
        base += rect(x, y + height - 0.9, width, 0.9, STATE_COLOURS.get(state, MUTED))
    return base


def heat_map(figure: Figure) -> Markup:
    """Tactics down, time across; the number is printed where the shade is dark."""
    starts = distinct(figure.column("date"))
    tactics = distinct(figure.column("tactic"))
    cells = {(tactic, start): int(events) for start, tactic, events in figure.rows}  # type: ignore[arg-type]
    grid = _Grid(len(starts), label=36.0, total=15.0, row=5.6)
    bounds = thresholds(max(cells.values(), default=0))
    parts = grid.head(starts, figure.step)
    for row, tactic in enumerate(tactics):
        y = grid.top + row * grid.row
        parts.append(write(0, y + 3.6, plain(str(tactic), limit=26), size=2.6))
        for column, start in enumerate(starts):
            events = cells[tactic, start]
            level = _level(events, bounds)
            x, width, height = grid.x(column), grid.pitch - 0.4, grid.row - 0.6
            parts.append(rect(x, y, width, height, RAMP[level]))
            label = count(events)
            if level >= 4 and len(label) * 1.05 <= width - 0.4:
                parts.append(
                    write(
                        x + width / 2,
                        y + height / 2 + 0.7,
                        label,
                        size=1.9,
                        colour="#FFFFFF",
                        anchor="middle",
                        bold=True,
                    )
                )
        total = sum(cells[tactic, start] for start in starts)
        parts.append(write(WIDTH, y + 3.6, count(total), size=2.5, anchor="end", bold=True))
    bottom = grid.top + len(tactics) * grid.row + 2.0
    parts += _ramp_legend(bottom, bounds, figure.unit, grid.label)
    return drawing(figure.alt, bottom + 4.2, parts)


def thresholds(maximum: int) -> tuple[int, ...]:
    """Upper bounds of the shades after zero, at most six, round numbers, the last one open."""
    if maximum <= 6:
        return tuple(range(1, maximum + 1))
    return tuple(sorted({_round(maximum * part) for part in (0.03, 0.1, 0.25, 0.5, 0.75)} | {maximum}))


def _round(number: float) -> int:
    if number < 2:
        return 1
    unit = 10 ** math.floor(math.log10(number))
    return int(max(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8) if step * unit <= number) or 1)


def _level(events: int, bounds: Sequence[int]) -> int:
    if events <= 0:
        return 0
    position = next((index for index, bound in enumerate(bounds) if events <= bound), len(bounds) - 1)
    return len(RAMP) - len(bounds) + position


class _Grid:
    """Columns of time between a label at the left and a total at the right."""

    def __init__(self, columns: int, *, label: float, total: float, row: float) -> None:
        self.label, self.row, self.top = label, row, 4.0
        self.pitch = min((WIDTH - label - total) / max(columns, 1), 14.0)

    def x(self, column: int) -> float:
        return self.label + column * self.pitch

    def head(self, starts: Sequence[date], step: Step) -> list[Markup]:
        """Day numbers, or the first day of a week or month where there is room for it."""
        every = 1 if step == "day" else math.ceil(9.5 / self.pitch)
        parts = [
            write(
                self.x(column) + (self.pitch - 0.4) / 2 if step == "day" else self.x(column),
                2.4,
                str(start.day) if step == "day" else short_day(start) if step == "week" else f"{start:%b %y}",
                size=1.95,
                colour=MUTED if step != "day" or start.weekday() < 5 else "#8A94A3",
                anchor="middle" if step == "day" else "start",
            )
            for column, start in enumerate(starts)
            if column % every == 0
        ]
        return parts


def _ramp_legend(y: float, bounds: Sequence[int], unit: str, left: float) -> list[Markup]:
    parts = [write(left, y + 2.3, unit, size=2.1, colour=MUTED)]
    x = left + 22.0
    low = 0
    for bound in (0, *bounds):
        label = "0" if bound == 0 else count(bound) if bound == low else f"{count(low)}\u2013{count(bound)}"
        parts.append(rect(x, y, 3.6, 2.8, RAMP[_level(bound, bounds)]))
        parts.append(write(x + 4.4, y + 2.3, label, size=2.1, colour=MUTED))
        x += 7.0 + 1.3 * len(label)
        low = bound + 1
    return parts


def _state_legend(
    y: float, states: Iterable[str], *, days: bool, left: float = 0.0, zero: bool = False
) -> tuple[list[Markup], float]:
    """The signs that occur, with their words, on as many lines as they need; and the height of these lines."""
    known = set(states)
    parts: list[Markup] = []
    x, line = left, y
    occur = [state for state in STATE_COLOURS if state in known and (days or state != COLLECTED)]
    for state in (["zero"] if zero else []) + occur:
        words = _STATE_WORDS.get(state, state)
        needed = 4.6 + 1.16 * len(words)
        if x > left and x + needed > WIDTH:
            x, line = left, line + 4.2
        parts.append(_state_sign(x, line, state, days=days))
        parts.append(write(x + 4.6, line + 2.3, words, size=2.1, colour=MUTED))
        x += needed + 4.4
    return parts, line - y + 4.2


def _state_sign(x: float, y: float, state: str, *, days: bool) -> Markup:
    if state == "zero":
        zero = write(x + 1.8, y + 2.15, "0", size=2.0, colour=MUTED, anchor="middle")
        return outline(x, y, 3.6, 2.8, HAIRLINE) + zero
    if days or state in (MISSING, DROPPED, NOT_YET):
        return _day_cell(x, y, 3.6, 2.8, 0.5, state)
    return rect(x, y + 1.9, 3.6, 0.9, STATE_COLOURS[state])


def _glyph(x: float, y: float, width: float, height: float, state: str, colour: str) -> Markup:
    sign = {DROPPED: "!", MISSING: "\u2013", IMPORTED: "i", NOT_YET: "\u2026"}.get(state)
    if sign is None:
        return Markup("")
    return write(x + width / 2, y + height / 2 + 0.8, sign, size=2.4, colour=colour, anchor="middle", bold=True)
