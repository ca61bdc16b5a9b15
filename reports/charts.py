"""The figures of the report as SVG: deterministic, text stays text, every colour has a shape or a word beside it.

One user unit is one millimetre at the report's measure. Audited names pass through ``text.plain``; nothing of an
event reaches an attribute. These functions lay out and never count: numbers come from the figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import date

from markupsafe import Markup, escape

from kubedossier.analytics.figures import COLLECTED, DROPPED, IMPORTED, MISSING, PARTIAL, Figure, Step
from kubedossier.reports.numbers import count, percent, short_day
from kubedossier.reports.text import plain

INK, MUTED, BLUE, ALERT, AMBER, AMBER_TEXT = "#16233B", "#5B6779", "#1F5FA8", "#B3401F", "#B7791F", "#8F5E12"
GOOD, VIOLET, HAIRLINE, TRACK = "#24766B", "#6B4C86", "#D5DBE4", "#EEF1F5"
RAMP = ("#F1F4F8", "#D6E2EF", "#ADC6E0", "#7CA3CC", "#4A7DB3", "#235790", "#0D315F")
WIDTH = 174.0
_SANS, _MONO = "Inter", "IBM Plex Mono"
_STATE_COLOURS = {COLLECTED: GOOD, PARTIAL: AMBER, MISSING: MUTED, DROPPED: ALERT, IMPORTED: VIOLET}


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


def day_strip(figure: Figure) -> Markup:
    """One cell a day, one row a month; the filled part of a cell is the share collected."""
    months: dict[tuple[int, int], list[tuple[date, int, float, str]]] = {}
    for day, events, share, state in figure.rows:
        assert isinstance(day, date) and isinstance(events, int)  # noqa: S101
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
            parts.append(_text(0, y + 4.1, f"{date(year, month, 1):%b %Y}", size=2.6, colour=MUTED))
        for index, (day, _, share, state) in enumerate(days):
            column = day.day - 1 if many else index
            parts.append(_day_cell(left + column * pitch, y, pitch - 0.5, 5.6 if many else 7.0, share, state))
            if not many:
                emphasis = state in (PARTIAL, MISSING, DROPPED)
                colour = INK if emphasis else MUTED
                middle = left + column * pitch + (pitch - 0.5) / 2
                parts.append(_text(middle, 9.7, str(day.day), size=2.1, colour=colour, anchor="middle", bold=emphasis))
                if state == PARTIAL:
                    label = percent(math.floor(share * 100) / 100).replace("\u00a0", "")
                    parts.append(_text(middle, 12.1, label, size=1.9, colour=AMBER_TEXT, anchor="middle", bold=True))
    height = len(months) * row_height + (1.0 if not many else 0.0)
    return _drawing(figure.alt, height + 4.4, [*parts, *_state_legend(height + 1.4, _states(figure), days=True)])


def _day_cell(x: float, y: float, width: float, height: float, share: float, state: str) -> Markup:
    colour = _STATE_COLOURS.get(state, MUTED)
    if state in (COLLECTED, IMPORTED):
        return _rect(x, y, width, height, colour) + _glyph(x, y, width, height, state, "#FFFFFF")
    if state == PARTIAL:
        filled = max(min(share, 1.0) * height, 0.6)
        return _rect(x, y, width, height, TRACK) + _rect(x, y + height - filled, width, filled, colour)
    base = _rect(x, y, width, height, colour) if state == DROPPED else _outline(x, y, width, height, colour)
    return base + _glyph(x, y, width, height, state, "#FFFFFF" if state == DROPPED else MUTED)


def calendar(figure: Figure) -> Markup:
    """Clusters down, time across; the shade is the number of events, a sign tells 0 events from nothing known."""
    starts = _ordered(figure.column("date"))
    clusters = _ordered(figure.column("cluster"))
    cells = {(cluster, day): (events, state) for day, cluster, events, state in figure.rows}
    grid = _Grid(len(starts), label=36.0, total=15.0, row=5.6)
    bounds = thresholds(max(figure.column("events"), default=0))
    parts = grid.head(starts, figure.step)
    for row, cluster in enumerate(clusters):
        y = grid.top + row * grid.row
        parts.append(_name(0, y + 3.6, cluster, 21))
        for column, start in enumerate(starts):
            events, state = cells[cluster, start]
            parts.append(_calendar_cell(grid, column, y, int(events), str(state), bounds))
        total = sum(int(cells[cluster, start][0]) for start in starts)
        parts.append(_text(WIDTH, y + 3.6, count(total), size=2.5, anchor="end", bold=True))
    bottom = grid.top + len(clusters) * grid.row + 2.0
    parts += _ramp_legend(bottom, bounds, figure.unit, grid.label)
    parts += _state_legend(bottom + 5.2, _states(figure), days=False, left=grid.label, zero=0 in figure.column("events"))
    return _drawing(figure.alt, bottom + 9.2, parts)


def _calendar_cell(grid: _Grid, column: int, y: float, events: int, state: str, bounds: Sequence[int]) -> Markup:
    x, width, height = grid.x(column), grid.pitch - 0.4, grid.row - 0.6
    if events == 0 and state in (MISSING, DROPPED):
        base = _rect(x, y, width, height, ALERT) if state == DROPPED else _outline(x, y, width, height, HAIRLINE)
        return base + _glyph(x, y, width, height, state, "#FFFFFF" if state == DROPPED else MUTED)
    level = _level(events, bounds)
    base = _rect(x, y, width, height, RAMP[level])
    if events == 0:
        base += _text(x + width / 2, y + height / 2 + 0.75, "0", size=2.0, colour=MUTED, anchor="middle")
    if state != COLLECTED:
        base += _rect(x, y + height - 0.9, width, 0.9, _STATE_COLOURS.get(state, MUTED))
    return base


def columns(figure: Figure) -> Markup:
    """One column a step, the denied part at its foot, the highest marked."""
    rows: list[tuple[date, int, int]] = list(figure.rows)  # type: ignore[arg-type]
    left, top, height = 12.0, 5.0, 26.0
    base = top + height
    pitch = min((WIDTH - left) / max(len(rows), 1), 14.0)
    right = left + pitch * len(rows)
    peak = max((events for _, events, _ in rows), default=0)
    scale = _ceiling(peak)
    parts = [_rect(left + n * pitch, top, pitch, height, "#F1F4F8") for n, row in enumerate(rows) if figure.step == "day" and row[0].weekday() >= 5]
    for part in (0.5, 1.0) if scale > 1 else (1.0,):
        y = base - height * part
        parts.append(_rect(left, y, right - left, 0.1, HAIRLINE))
        parts.append(_text(left - 1.5, y + 0.8, count(int(scale * part)), size=2.1, colour=MUTED, anchor="end"))
    for index, (_, events, denied) in enumerate(rows):
        x, width = left + index * pitch + pitch * 0.14, pitch * 0.72
        tall, refused = height * events / scale, height * denied / scale
        if events:
            parts.append(_rect(x, base - tall, width, max(tall, 0.15), BLUE))
        if denied:
            parts.append(_rect(x, base - refused, width, max(refused, 0.3), ALERT))
    parts.append(_rect(left, base - 0.06, right - left, 0.12, MUTED))
    if peak:
        index = next(n for n, row in enumerate(rows) if row[1] == peak)
        parts.append(_text(left + (index + 0.5) * pitch, base - height * peak / scale - 1.0, count(peak), size=2.2, anchor="middle", bold=True))
    every = 1 if figure.step == "day" else math.ceil(9.5 / pitch)
    for index in range(0, len(rows), every):
        start = rows[index][0]
        label = str(start.day) if figure.step == "day" else short_day(start) if figure.step == "week" else f"{start:%b %y}"
        parts.append(_text(left + (index + 0.5) * pitch, base + 2.9, label, size=2.0, colour=MUTED, anchor="middle"))
    return _drawing(figure.alt, base + 4.0, parts)


def _ceiling(peak: int) -> int:
    """The round number at the top of the scale."""
    if peak <= 1:
        return 1
    unit = 10 ** math.floor(math.log10(peak))
    return int(next(step * unit for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * unit >= peak))


def panels(figure: Figure) -> Markup:
    """Small multiples, three in a row, each with its own scale, its highest day marked, weekends shaded."""
    names = _ordered(figure.column("technique"))
    series: dict[str, list[tuple[date, int]]] = {name: [] for name in names}
    for day, name, events in figure.rows:
        series[str(name)].append((day, int(events or 0)))  # type: ignore[arg-type]
    columns, gap, height = 3, 6.0, 36.0
    width = (WIDTH - gap * (columns - 1)) / columns
    parts = [
        part
        for index, name in enumerate(names)
        for part in _panel(
            index % columns * (width + gap), index // columns * height, width, 23.0, name, series[name]
        )
    ]
    rows = math.ceil(len(names) / columns)
    return _drawing(figure.alt, rows * height - 3.0, parts)


def _panel(x: float, y: float, width: float, height: float, name: str, days: list[tuple[date, int]]) -> list[Markup]:
    values = [events for _, events in days]
    top, base = y + 8.6, y + 5.2 + height
    peak = max(values)
    pitch = width / max(len(values) - 1, 1)
    points = [(x + index * pitch, base - (base - top) * value / max(peak, 1)) for index, value in enumerate(values)]
    parts = [
        _name(x, y + 2.6, name, 26, size=2.5),
        _text(x + width, y + 2.6, count(sum(values)), size=2.5, colour=MUTED, anchor="end"),
    ]
    if len(days) <= 92:
        parts += [
            _rect(max(x + (index - 0.5) * pitch, x), y + 5.0, min(pitch, width / 2), height + 0.2, "#F1F4F8")
            for index, (day, _) in enumerate(days)
            if day.weekday() >= 5 and 0 <= index < len(days) - (0 if index < len(days) - 1 else 1)
        ]
    if len(points) == 1:
        parts.append(_rect(x, top, 1.2, base - top, BLUE))
    else:
        area = [(x, base), *points, (x + width, base)]
        parts.append(_polygon(area, "#D6E2EF"))
        parts.append(_polyline(points, BLUE, 0.32))
    parts.append(_rect(x, base - 0.06, width, 0.12, MUTED))
    parts += _peak(x, width, points, values)
    first, last = days[0][0], days[-1][0]
    parts.append(_text(x, base + 2.7, short_day(first), size=2.0, colour=MUTED))
    if len(days) > 1:
        parts.append(_text(x + width, base + 2.7, short_day(last), size=2.0, colour=MUTED, anchor="end"))
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
    dot = Markup('<circle cx="{}" cy="{}" r="0.55" fill="{}"/>').format(_n(px), _n(py), colour)
    return [dot, _text(middle, py - 1.3, label, size=2.2, colour=colour, anchor="middle", bold=True)]


def heat_map(figure: Figure) -> Markup:
    """Tactics down, time across; the number is printed where the shade is dark."""
    starts = _ordered(figure.column("date"))
    tactics = _ordered(figure.column("tactic"))
    cells = {(tactic, start): int(events) for start, tactic, events in figure.rows}  # type: ignore[arg-type]
    grid = _Grid(len(starts), label=36.0, total=15.0, row=5.6)
    bounds = thresholds(max(cells.values(), default=0))
    parts = grid.head(starts, figure.step)
    for row, tactic in enumerate(tactics):
        y = grid.top + row * grid.row
        parts.append(_text(0, y + 3.6, plain(str(tactic), limit=26), size=2.6))
        for column, start in enumerate(starts):
            events = cells[tactic, start]
            level = _level(events, bounds)
            x, width, height = grid.x(column), grid.pitch - 0.4, grid.row - 0.6
            parts.append(_rect(x, y, width, height, RAMP[level]))
            label = count(events)
            if level >= 4 and len(label) * 1.05 <= width - 0.4:
                parts.append(
                    _text(x + width / 2, y + height / 2 + 0.7, label, size=1.9, colour="#FFFFFF", anchor="middle", bold=True)
                )
        total = sum(cells[tactic, start] for start in starts)
        parts.append(_text(WIDTH, y + 3.6, count(total), size=2.5, anchor="end", bold=True))
    bottom = grid.top + len(tactics) * grid.row + 2.0
    parts += _ramp_legend(bottom, bounds, figure.unit, grid.label)
    return _drawing(figure.alt, bottom + 4.2, parts)


def sparkline(values: Sequence[int]) -> Markup:
    """A small line without axes, its highest point marked; for a table cell, read with the number beside it."""
    width, height, peak = 26.0, 5.0, max(values, default=0)
    pitch = width / max(len(values) - 1, 1)
    points = [
        (0.6 + index * pitch * 0.95, height - 0.6 - (height - 1.4) * value / max(peak, 1))
        for index, value in enumerate(values)
    ]
    parts = [_polyline(points, BLUE, 0.25)] if len(points) > 1 else []
    if peak:
        px, py = points[list(values).index(peak)]
        parts.append(Markup('<circle cx="{}" cy="{}" r="0.5" fill="{}"/>').format(_n(px), _n(py), ALERT))
    alt = f"Trend over {len(values)} days, highest day {count(peak)}."
    return _drawing(alt, height, parts, width=width, css="spark")


def bar(share: float) -> Markup:
    """The share of a total as a bar; the number stands beside it."""
    filled = 24.0 * min(max(share, 0.0), 1.0)
    parts = [_rect(0, 0.4, 24.0, 2.6, TRACK), _rect(0, 0.4, max(filled, 0.2 if share else 0.0), 2.6, BLUE)]
    return _drawing(f"{percent(share)} of the total", 3.4, parts, width=24.0, css="bar")


def rosette(digest: str) -> Markup:
    """The integrity seal: six closed curves from five bytes of a SHA-256 each, and its 64 hex digits as a ring."""
    data = bytes.fromhex(digest)
    centre, parts = 30.0, []
    for radius, width in ((29.4, 0.32), (24.6, 0.2)):
        parts.append(_circle(centre, centre, radius, INK, width))
    for index, digit in enumerate(digest):
        angle = math.tau * index / 64 - math.tau / 4
        inner, outer = 25.2, 25.5 + int(digit, 16) * 0.2
        quarter = index % 16 == 0
        ends = [(centre + r * math.cos(angle), centre + r * math.sin(angle)) for r in (inner, outer)]
        parts.append(_polyline(ends, ALERT if quarter else BLUE, 0.5 if quarter else 0.36))
    for curve in range(6):
        parts.append(_polyline(_curve(data[curve * 5 : curve * 5 + 5], centre), BLUE if curve % 2 else INK, 0.14))
    parts.append(Markup('<circle cx="30" cy="30" r="6.4" fill="#FFFFFF" stroke="{}" stroke-width="0.24"/>').format(INK))
    parts.append(_text(centre, 30.4, digest[:4].upper(), size=3.5, anchor="middle", font=_MONO))
    parts.append(_text(centre, 33.4, digest[4:8].upper(), size=2.4, anchor="middle", colour=MUTED, font=_MONO))
    alt = f"Integrity seal drawn from the digest that begins with {digest[:8]}."
    return _drawing(alt, 60.0, parts, width=60.0, css="rosette")


def _curve(seed: bytes, centre: float) -> list[tuple[float, float]]:
    petals, ripple = 3 + seed[0] % 7, 8 + seed[1] % 13
    depth, wave, turn = 0.16 + seed[2] / 255 * 0.2, 0.05 + seed[3] / 255 * 0.13, math.tau * seed[4] / 256
    points = []
    for step in range(361):
        angle = math.tau * step / 360
        radius = 15.4 * (0.92 + depth * math.cos(petals * angle + turn) + wave * math.cos(ripple * angle - turn))
        points.append((centre + radius * math.cos(angle), centre + radius * math.sin(angle)))
    return points


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
            _text(
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
    parts = [_text(left, y + 2.3, unit, size=2.1, colour=MUTED)]
    x = left + 22.0
    low = 0
    for bound in (0, *bounds):
        label = "0" if bound == 0 else count(bound) if bound == low else f"{count(low)}\u2013{count(bound)}"
        parts.append(_rect(x, y, 3.6, 2.8, RAMP[_level(bound, bounds)]))
        parts.append(_text(x + 4.4, y + 2.3, label, size=2.1, colour=MUTED))
        x += 7.0 + 1.3 * len(label)
        low = bound + 1
    return parts


def _state_legend(
    y: float, states: Iterable[str], *, days: bool, left: float = 0.0, zero: bool = False
) -> list[Markup]:
    known = set(states)
    parts: list[Markup] = []
    x = left
    if zero:
        parts.append(_outline(x, y, 3.6, 2.8, HAIRLINE) + _text(x + 1.8, y + 2.15, "0", size=2.0, colour=MUTED, anchor="middle"))
        parts.append(_text(x + 4.6, y + 2.3, "collected or imported, no events", size=2.1, colour=MUTED))
        x += 43.0
    for state in _STATE_COLOURS:
        if state not in known or (not days and state == COLLECTED):
            continue
        if days or state in (MISSING, DROPPED):
            parts.append(_day_cell(x, y, 3.6, 2.8, 0.5, state))
        else:
            parts.append(_rect(x, y + 1.9, 3.6, 0.9, _STATE_COLOURS[state]))
        words = {
            PARTIAL: "collected in part",
            DROPPED: "may have been dropped by the Console",
            IMPORTED: "imported, completeness not attested",
        }.get(state, state)
        parts.append(_text(x + 4.6, y + 2.3, words, size=2.1, colour=MUTED))
        x += 9.0 + 1.16 * len(words)
    return parts


def _states(figure: Figure) -> list[str]:
    return _ordered(figure.column("state"))


def _glyph(x: float, y: float, width: float, height: float, state: str, colour: str) -> Markup:
    sign = {DROPPED: "!", MISSING: "\u2013", IMPORTED: "i"}.get(state)
    if sign is None:
        return Markup("")
    return _text(x + width / 2, y + height / 2 + 0.8, sign, size=2.4, colour=colour, anchor="middle", bold=True)


def _ordered(values: Iterable[object]) -> list:  # type: ignore[type-arg]
    return list(dict.fromkeys(values))


def _drawing(alt: str, height: float, parts: Iterable[Markup], *, width: float = WIDTH, css: str = "figure") -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="{}" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>'
    ).format(css, _n(width), _n(max(height, 1.0)), alt, Markup("").join(parts))


def _name(x: float, y: float, raw: str | None, limit: int, size: float = 2.35) -> Markup:
    """An audited name, cut to its room in the middle of nothing: the attached data holds it whole."""
    if not raw:
        return _text(x, y, "none" if raw is None else "empty", size=size, colour=MUTED)
    shown = plain(raw, limit=10_000)
    if len(shown) > limit:
        shown = shown[: limit - 1] + "\u2026"
    return _text(x, y, shown, size=size, font=_MONO)


def _text(
    x: float, y: float, text: str, *, size: float, colour: str = INK, anchor: str = "start", bold: bool = False, font: str = _SANS
) -> Markup:
    return Markup(
        '<text x="{}" y="{}" font-family="{}" font-size="{}" fill="{}" text-anchor="{}" font-weight="{}">{}</text>'
    ).format(_n(x), _n(y), font, _n(size), colour, anchor, 600 if bold else 400, escape(text))


def _rect(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>').format(
        _n(x), _n(y), _n(width), _n(height), colour
    )


def _outline(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    return Markup(
        '<rect x="{}" y="{}" width="{}" height="{}" fill="#FFFFFF" stroke="{}" stroke-width="0.2"/>'
    ).format(_n(x + 0.1), _n(y + 0.1), _n(width - 0.2), _n(height - 0.2), colour)


def _circle(x: float, y: float, radius: float, colour: str, width: float) -> Markup:
    return Markup('<circle cx="{}" cy="{}" r="{}" fill="none" stroke="{}" stroke-width="{}"/>').format(
        _n(x), _n(y), _n(radius), colour, _n(width)
    )


def _polyline(points: Iterable[tuple[float, float]], colour: str, width: float) -> Markup:
    return Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="{}" stroke-linejoin="round"/>').format(
        _points(points), colour, _n(width)
    )


def _polygon(points: Iterable[tuple[float, float]], colour: str) -> Markup:
    return Markup('<polygon points="{}" fill="{}"/>').format(_points(points), colour)


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(number: float) -> str:
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
