"""The figures as Altair charts for notebooks: twins of the report's, with the same rows, colours and words.

Names in a chart come from audited events, and a notebook puts the chart into a page of its own: what could end the
text they stand in is written out. This module lays out and never counts; nothing else of the project knows Altair.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.figures import STATES, Figure
from kubedossier.analytics.palette import ALERT, BLUE, HAIRLINE, INK, MUTED, RAMP, SANS, STATE_COLOURS

if TYPE_CHECKING:
    import altair as alt

_WIDTH, _PANEL = 720, 210
_ROW = 22
_FONT = f"{SANS}, Helvetica, Arial, sans-serif"
_NO_NAME = "(none)"


def chart(figure: Figure) -> alt.TopLevelMixin:
    """Draw a figure; its sentence for those who cannot see it is the chart's ``description``.

    Raises:
        UsageError: Altair is not installed.
    """
    try:
        import altair
    except ImportError as error:
        raise UsageError(
            "Charts need Altair, which is not installed", hint="Install it: pip install 'kubedossier[notebook]'"
        ) from error
    draw: dict[str, Callable[[Any, Figure], Any]] = {
        "day strip": _day_strip,
        "calendar": _calendar,
        "columns": _columns,
        "panels": _panels,
        "heat map": _heat_map,
    }
    drawn = draw[figure.kind](altair, figure).properties(title=figure.title, description=figure.alt)
    titles = {"font": _FONT, "color": INK, "anchor": "start", "fontSize": 14}
    words = {"labelFont": _FONT, "titleFont": _FONT, "labelColor": MUTED, "titleColor": MUTED}
    result: alt.TopLevelMixin = (
        drawn.configure_view(stroke=None)
        .configure_title(**titles)
        .configure_axis(**words, gridColor=HAIRLINE, domainColor=MUTED, tickColor=HAIRLINE)
        .configure_legend(**words)
        .configure_header(**words)
    )
    return result


def rows_of(figure: Figure) -> list[dict[str, object]]:
    """The figure's rows as a chart holds them: dates as ISO text, names harmless."""
    return [dict(zip(figure.columns, map(_cell, row), strict=True)) for row in figure.rows]


def _cell(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return "".join(f"[U+{ord(char):04X}]" if _is_odd(char) else char for char in value)
    return value


def _is_odd(char: str) -> bool:
    """Whether a character could end the script that a notebook puts the chart into, or is not seen."""
    return char in "<>&" or (unicodedata.category(char)[0] in "CZ" and char != " ")


def _base(alt: Any, figure: Figure) -> Any:
    return alt.Chart(alt.Data(values=rows_of(figure)))


def _steps(alt: Any, figure: Figure, **axis: Any) -> Any:
    """The axis of time: one band a step, labelled by its first day."""
    form = {"day": "%-d", "week": "%-d %b", "month": "%b %y"}[figure.step]
    if len(set(figure.column("date"))) > 60:
        form = "%-d %b"
    label = f"utcFormat(utcParse(datum.value, '%Y-%m-%d'), '{form}')"
    return alt.X(
        "date:O", title=None, axis=alt.Axis(labelExpr=label, labelAngle=0, labelOverlap="greedy", ticks=False, **axis)
    )


def _tips(alt: Any, figure: Figure) -> list[Any]:
    numbers = {"events", "denied"}
    kinds = {"collected_share": ("Q", ".1%")} | dict.fromkeys(numbers, ("Q", ","))
    tips = []
    for name in figure.columns:
        kind, form = kinds.get(name, ("N", None))
        tips.append(alt.Tooltip(f"{name}:{kind}", **({"format": form} if form else {})))
    return tips


def _states(alt: Any, figure: Figure) -> Any:
    shown = [state for state in STATES if state in figure.column("state")]
    scale = alt.Scale(domain=shown, range=[STATE_COLOURS[state] for state in shown])
    return alt.Color("state:N", title=None, scale=scale, legend=alt.Legend(orient="bottom"))


def _ramp(alt: Any, figure: Figure) -> Any:
    top = max(figure.column("events"), default=0)
    scale = alt.Scale(type="symlog", domain=[0, max(top, 1)], range=list(RAMP))
    return alt.Color("events:Q", title=figure.unit, scale=scale, legend=alt.Legend(orient="bottom", format=",d"))


def _day_strip(alt: Any, figure: Figure) -> Any:
    base = _base(alt, figure).encode(x=_steps(alt, figure), tooltip=_tips(alt, figure))
    share = alt.Y(
        "collected_share:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=2)
    )
    frame = base.mark_bar(filled=False, strokeWidth=1.2).encode(y=alt.datum(1), color=_states(alt, figure))
    return (frame + base.mark_bar().encode(y=share, color=_states(alt, figure))).properties(width=_WIDTH, height=60)


def _columns(alt: Any, figure: Figure) -> Any:
    base = _base(alt, figure).encode(x=_steps(alt, figure), tooltip=_tips(alt, figure))
    events = base.mark_bar(color=BLUE).encode(y=alt.Y("events:Q", title=[f"{figure.unit},", "denied at the foot"]))
    denied = base.mark_bar(color=ALERT).encode(y=alt.Y("denied:Q"))
    return (events + denied).properties(width=_WIDTH, height=180)


def _panels(alt: Any, figure: Figure) -> Any:
    order = list(dict.fromkeys(row["technique"] for row in rows_of(figure)))
    days = alt.X(
        "date:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(format="%-d %b", tickCount=3, grid=False)
    )
    line = _base(alt, figure).mark_area(color=RAMP[1], line={"color": BLUE, "strokeWidth": 1.2})
    number = alt.Y("events:Q", title=None, axis=alt.Axis(tickCount=2, format="d"))
    drawn = line.encode(x=days, y=number, tooltip=_tips(alt, figure)).properties(width=_PANEL, height=70)
    facet = alt.Facet("technique:N", title=None, sort=order, header=alt.Header(labelAnchor="start", labelColor=INK))
    return drawn.facet(facet, columns=3).resolve_scale(y="independent")


def _grid(alt: Any, figure: Figure, name: str) -> tuple[Any, int]:
    names = set(figure.column(name))
    label = f"datum.value === null ? '{_NO_NAME}' : datum.value"
    down = alt.Y(f"{name}:N", title=None, sort=None, axis=alt.Axis(labelExpr=label, labelLimit=220, ticks=False))
    base = _base(alt, figure).encode(x=_steps(alt, figure), y=down, tooltip=_tips(alt, figure))
    return base, _ROW * max(len(names), 1)


def _calendar(alt: Any, figure: Figure) -> Any:
    base, height = _grid(alt, figure, "cluster")
    cells = base.mark_rect(stroke="white").encode(color=_ramp(alt, figure))
    marked = base.transform_filter("datum.state !== 'collected'").mark_tick(
        orient="horizontal", thickness=3, bandSize=12, yOffset=8, opacity=1
    )
    return (
        (cells + marked.encode(color=_states(alt, figure)))
        .resolve_scale(color="independent")
        .properties(width=_WIDTH, height=height)
    )


def _heat_map(alt: Any, figure: Figure) -> Any:
    base, height = _grid(alt, figure, "tactic")
    cells = base.mark_rect(stroke="white").encode(color=_ramp(alt, figure))
    return cells.properties(width=_WIDTH, height=height)
