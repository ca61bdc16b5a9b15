"""The integrity seal of the cover: a figure drawn from a digest, so that two copies can be compared by eye."""

from __future__ import annotations

import math

from markupsafe import Markup

from kubedossier.analytics.palette import ALERT, BLUE, INK, MUTED
from kubedossier.reports.drawing import MONO, circle, drawing, polyline, write


def rosette(digest: str) -> Markup:
    """The integrity seal: six closed curves from five bytes of a SHA-256 each, and its 64 hex digits as a ring."""
    data = bytes.fromhex(digest)
    centre, parts = 30.0, []
    for radius, width in ((29.4, 0.32), (24.6, 0.2)):
        parts.append(circle(centre, centre, radius, INK, width))
    for index, digit in enumerate(digest):
        angle = math.tau * index / 64 - math.tau / 4
        inner, outer = 25.2, 25.5 + int(digit, 16) * 0.2
        quarter = index % 16 == 0
        ends = [(centre + r * math.cos(angle), centre + r * math.sin(angle)) for r in (inner, outer)]
        parts.append(polyline(ends, ALERT if quarter else BLUE, 0.5 if quarter else 0.36))
    parts += [
        polyline(_curve(data[curve * 5 : curve * 5 + 5], centre), BLUE if curve % 2 else INK, 0.14)
        for curve in range(6)
    ]
    parts.append(Markup('<circle cx="30" cy="30" r="6.4" fill="#FFFFFF" stroke="{}" stroke-width="0.24"/>').format(INK))
    parts.append(write(centre, 30.4, digest[:4].upper(), size=3.5, anchor="middle", font=MONO))
    parts.append(write(centre, 33.4, digest[4:8].upper(), size=2.4, anchor="middle", colour=MUTED, font=MONO))
    alt = f"Integrity seal drawn from the digest that begins with {digest[:8]}."
    return drawing(alt, 60.0, parts, width=60.0, css="rosette")


def _curve(seed: bytes, centre: float) -> list[tuple[float, float]]:
    petals, ripple = 3 + seed[0] % 7, 8 + seed[1] % 13
    depth, wave, turn = 0.16 + seed[2] / 255 * 0.2, 0.05 + seed[3] / 255 * 0.13, math.tau * seed[4] / 256
    points = []
    for step in range(361):
        angle = math.tau * step / 360
        radius = 15.4 * (0.92 + depth * math.cos(petals * angle + turn) + wave * math.cos(ripple * angle - turn))
        points.append((centre + radius * math.cos(angle), centre + radius * math.sin(angle)))
    return points
