"""The figures of the report as SVG: deterministic, text stays text, every colour has a shape or a word beside it.

These functions lay out and never count: numbers come from the figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date

from markupsafe import Markup

from kubedossier.analytics.figures import WEEKENDS_SHOWN, Figure
from kubedossier.analytics.palette import ALERT, BLUE, HAIRLINE, INK, MUTED, TRACK
from kubedossier.reports.drawing import WIDTH, decimal, distinct, drawing, polygon, polyline, rect, write, write_name
from kubedossier.reports.grids import calendar, day_strip, heat_map
from kubedossier.reports.numbers import count, percent, short_day
from kubedossier.reports.text import plain


def svg(figure: Figure) -> Markup:
    """Draw a figure by its kind."""
    draw: dict[str, Callable[[Figure], Markup]] = {
        "day strip": day_strip,
        "calendar": calendar,
        "columns": columns,
        "panels": panels,
        "heat map": heat_map,
    }
    return draw[figure.kind](figure)


def columns(figure: Figure) -> Markup:
    """One column a step, the denied part at its foot, the highest marked."""
    rows: list[tuple[date, int, int]] = list(figure.rows)  # type: ignore[arg-type]
    left, top, height = 12.0, 5.0, 26.0
    base = top + height
    pitch = min((WIDTH - left) / max(len(rows), 1), 14.0)
    right = left + pitch * len(rows)
    peak = max((events for _, events, _ in rows), default=0)
    scale = _ceiling(peak)
    parts = [
        rect(left + n * pitch, top, pitch, height, "#F1F4F8")
        for n, row in enumerate(rows)
        if figure.step == "day" and row[0].weekday() >= 5
    ]
    for part in (1.0,) if scale % 2 else (0.5, 1.0):
        y = base - height * part
        parts.append(rect(left, y, right - left, 0.1, HAIRLINE))
        parts.append(write(left - 1.5, y + 0.8, count(int(scale * part)), size=2.1, colour=MUTED, anchor="end"))
    for index, (_, events, denied) in enumerate(rows):
        x, width = left + index * pitch + pitch * 0.14, pitch * 0.72
        tall, refused = height * events / scale, height * denied / scale
        if events:
            parts.append(rect(x, base - tall, width, max(tall, 0.15), BLUE))
        if denied:
            parts.append(rect(x, base - refused, width, max(refused, 0.3), ALERT))
    parts.append(rect(left, base - 0.06, right - left, 0.12, MUTED))
    if peak:
        index = next(n for n, row in enumerate(rows) if row[1] == peak)
        parts.append(
            write(
                left + (index + 0.5) * pitch,
                base - height * peak / scale - 1.0,
                count(peak),
                size=2.2,
                anchor="middle",
                bold=True,
            )
        )
    every = 1 if figure.step == "day" else math.ceil(9.5 / pitch)
    for index in range(0, len(rows), every):
        start = rows[index][0]
        label = (
            str(start.day) if figure.step == "day" else short_day(start) if figure.step == "week" else f"{start:%b %y}"
        )
        middle = left + (index + 0.5) * pitch
        ends = middle + 0.55 * len(label) > WIDTH  # half of the label, at about 1.1 mm a sign
        at, anchor = (WIDTH, "end") if ends else (middle, "middle")
        parts.append(write(at, base + 2.9, label, size=2.0, colour=MUTED, anchor=anchor))
    if not peak:
        parts.append(write((left + right) / 2, top + height / 2, "no events", size=2.6, colour=MUTED, anchor="middle"))
    return drawing(figure.alt, base + 4.0, parts)


def _ceiling(peak: int) -> int:
    """The round number at the top of the scale."""
    if peak <= 1:
        return 1
    unit = 10 ** math.floor(math.log10(peak))
    return int(next(step * unit for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * unit >= peak))


def panels(figure: Figure) -> Markup:
    """Small multiples, three in a row, each with its own scale, its highest day marked, weekends shaded.

    Each row is a drawing of its own, so that a page may end between two rows.
    """
    names = distinct(figure.column("technique"))
    series: dict[str, list[tuple[date, int]]] = {name: [] for name in names}
    for day, name, events in figure.rows:
        series[str(name)].append((day, int(events or 0)))  # type: ignore[arg-type]
    across, gap = 3, 6.0
    width = (WIDTH - gap * (across - 1)) / across
    rows = []
    for start in range(0, len(names), across):
        shown = names[start : start + across]
        parts = [
            part
            for index, name in enumerate(shown)
            for part in _panel(index * (width + gap), 0.0, width, 23.0, name, series[name])
        ]
        alt = figure.alt if start == 0 else f"{figure.title}, continued: {', '.join(plain(name) for name in shown)}."
        rows.append(drawing(alt, 35.0, parts))
    return Markup("").join(rows)


def _panel(x: float, y: float, width: float, height: float, name: str, days: list[tuple[date, int]]) -> list[Markup]:
    values = [events for _, events in days]
    top, base = y + 8.6, y + 5.2 + height
    peak = max(values)
    pitch = width / max(len(values) - 1, 1)
    points = [(x + index * pitch, base - (base - top) * value / max(peak, 1)) for index, value in enumerate(values)]
    parts = [
        write_name(x, y + 2.6, name, 26, size=2.5),
        write(x + width, y + 2.6, count(sum(values)), size=2.5, colour=MUTED, anchor="end"),
    ]
    if len(days) <= WEEKENDS_SHOWN:
        parts += [
            rect(max(x + (index - 0.5) * pitch, x), y + 5.0, min(pitch, width / 2), height + 0.2, "#F1F4F8")
            for index, (day, _) in enumerate(days)
            if day.weekday() >= 5 and 0 <= index < len(days) - (0 if index < len(days) - 1 else 1)
        ]
    if len(points) == 1:
        parts.append(rect(x, top, 1.2, base - top, BLUE))
    else:
        area = [(x, base), *points, (x + width, base)]
        parts.append(polygon(area, "#D6E2EF"))
        parts.append(polyline(points, BLUE, 0.32))
    parts.append(rect(x, base - 0.06, width, 0.12, MUTED))
    parts += _peak(x, width, points, values)
    first, last = days[0][0], days[-1][0]
    parts.append(write(x, base + 2.7, short_day(first), size=2.0, colour=MUTED))
    if len(days) > 1:
        parts.append(write(x + width, base + 2.7, short_day(last), size=2.0, colour=MUTED, anchor="end"))
    return parts


def _peak(x: float, width: float, points: list[tuple[float, float]], values: list[int]) -> list[Markup]:
    peak = max(values)
    index = values.index(peak)
    busy = sorted(value for value in values if value)
    unusual = len(busy) >= 5 and peak >= 2 * busy[len(busy) // 2] and peak >= 5
    colour = ALERT if unusual else INK
    px, py = points[index]
    label = count(peak)
    half = 0.75 * len(label)
    middle = min(max(px, x + half), x + width - half)
    dot = Markup('<circle cx="{}" cy="{}" r="0.55" fill="{}"/>').format(decimal(px), decimal(py), colour)
    return [dot, write(middle, py - 1.3, label, size=2.2, colour=colour, anchor="middle", bold=True)]


def sparkline(values: Sequence[int]) -> Markup:
    """A small line without axes, its highest point marked; for a table cell, read with the number beside it."""
    width, height, peak = 26.0, 5.0, max(values, default=0)
    pitch = width / max(len(values) - 1, 1)
    points = [
        (0.6 + index * pitch * 0.95, height - 0.6 - (height - 1.4) * value / max(peak, 1))
        for index, value in enumerate(values)
    ]
    parts = [polyline(points, BLUE, 0.25)] if len(points) > 1 else []
    if peak:
        px, py = points[list(values).index(peak)]
        parts.append(Markup('<circle cx="{}" cy="{}" r="0.5" fill="{}"/>').format(decimal(px), decimal(py), ALERT))
    alt = f"Trend over {len(values)} days, highest day {count(peak)}."
    return drawing(alt, height, parts, width=width, css="spark")


def bar(share: float) -> Markup:
    """The share of a total as a bar; the number stands beside it."""
    filled = 24.0 * min(max(share, 0.0), 1.0)
    parts = [rect(0, 0.4, 24.0, 2.6, TRACK), rect(0, 0.4, max(filled, 0.2 if share else 0.0), 2.6, BLUE)]
    return drawing(f"{percent(share)} of the total", 3.4, parts, width=24.0, css="bar")
