"""SVG by hand: rectangles, lines and text with escaped content and numbers of two decimals.

One user unit is one millimetre. Audited names pass through ``text.plain``; nothing of an event may reach an
attribute.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

from kubedossier.analytics.palette import INK, MUTED, SANS
from kubedossier.reports.text import plain

WIDTH = 174.0
MONO = "IBM Plex Mono"


def drawing(alt: str, height: float, parts: Iterable[Markup], *, width: float = WIDTH, css: str = "figure") -> Markup:
    """One figure: a title for those who cannot see it, then its parts."""
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="{}" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>'
    ).format(css, decimal(width), decimal(max(height, 1.0)), alt, Markup("").join(parts))


def write_name(x: float, y: float, raw: str | None, limit: int, size: float = 2.35) -> Markup:
    """An audited name, cut in its middle to its room, for names differ at their ends; attached data has it whole."""
    if not raw:
        return write(x, y, "none" if raw is None else "empty", size=size, colour=MUTED)
    shown = plain(raw, limit=10_000)
    if len(shown) > limit:
        tail = limit // 3
        shown = f"{shown[: limit - 1 - tail]}\u2026{shown[-tail:]}"
    return write(x, y, shown, size=size, font=MONO)


def write(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    colour: str = INK,
    anchor: str = "start",
    bold: bool = False,
    font: str = SANS,
) -> Markup:
    """One line of our own text; ``anchor`` is start, middle or end."""
    return Markup(
        '<text x="{}" y="{}" font-family="{}" font-size="{}" fill="{}" text-anchor="{}" font-weight="{}">{}</text>'
    ).format(decimal(x), decimal(y), font, decimal(size), colour, anchor, 600 if bold else 400, escape(text))


def rect(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    """A filled rectangle."""
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}"/>').format(
        decimal(x), decimal(y), decimal(width), decimal(height), colour
    )


def outline(x: float, y: float, width: float, height: float, colour: str) -> Markup:
    """A white rectangle with a thin edge."""
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="#FFFFFF" stroke="{}" stroke-width="0.2"/>').format(
        decimal(x + 0.1), decimal(y + 0.1), decimal(width - 0.2), decimal(height - 0.2), colour
    )


def circle(x: float, y: float, radius: float, colour: str, width: float) -> Markup:
    """An open circle."""
    return Markup('<circle cx="{}" cy="{}" r="{}" fill="none" stroke="{}" stroke-width="{}"/>').format(
        decimal(x), decimal(y), decimal(radius), colour, decimal(width)
    )


def polyline(points: Iterable[tuple[float, float]], colour: str, width: float) -> Markup:
    """A line through points."""
    return Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="{}" stroke-linejoin="round"/>').format(
        _points(points), colour, decimal(width)
    )


def polygon(points: Iterable[tuple[float, float]], colour: str) -> Markup:
    """A filled shape."""
    return Markup('<polygon points="{}" fill="{}"/>').format(_points(points), colour)


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{decimal(x)},{decimal(y)}" for x, y in points)


def decimal(number: float) -> str:
    """A number as an attribute: two decimals at most."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def distinct(values: Iterable[Any]) -> list[Any]:
    """The different values in the order of their first appearance."""
    return list(dict.fromkeys(values))
