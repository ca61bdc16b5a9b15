"""A logo that is safe to print: a small PNG, decoded and written anew, or an SVG of plain shapes.

A picture is a file from outside. A PNG loses everything but its pixels; an SVG may hold shapes, colours and gradients
and nothing that loads, runs or writes text, so that what is printed is what was looked at.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from kubedossier.analytics.errors import UsageError
from kubedossier.reports.pieces import Picture

LARGEST_BYTES = 1_000_000
LARGEST_SIDE = 3_000
SHAPES = frozenset(
    (
        "svg", "g", "defs", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "linearGradient",
        "radialGradient", "stop", "clipPath", "title", "desc",
    )
)  # fmt: skip
_PNG = b"\x89PNG\r\n\x1a\n"
_HINT = "Give a PNG, or an SVG of plain shapes; text in it must be outlines."
_LOADS = re.compile(r"url\(\s*(?!['\"]?#)|javascript:|@import|expression\(", re.I)


def read_logo(path: Path) -> Picture:
    """Read a logo and make it harmless.

    Raises:
        UsageError: it cannot be read, is too large, or holds what a logo does not need.
    """
    try:
        with path.open("rb") as handle:
            data = handle.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"Cannot read the logo '{path}': {error.strerror}") from error
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"The logo '{path}' is larger than {LARGEST_BYTES:,} bytes", hint=_HINT)
    try:
        return Picture(_png(data), "image/png") if data.startswith(_PNG) else Picture(_svg(data), "image/svg+xml")
    except ValueError as error:
        raise UsageError(f"The logo '{path}' cannot be used: {error}", hint=_HINT) from error


def _png(data: bytes) -> bytes:
    """The pixels alone, as 8-bit PNG."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                if max(picture.size) > LARGEST_SIDE:
                    raise ValueError(f"it has more than {LARGEST_SIDE:,} pixels on a side")
                pixels = picture.convert("RGBA")
    except (OSError, SyntaxError, Warning) as error:
        raise ValueError("it is no readable PNG") from error
    clean = Image.new("RGBA", pixels.size)
    clean.paste(pixels)
    written = io.BytesIO()
    clean.save(written, "PNG", optimize=False)
    return written.getvalue()


def _svg(data: bytes) -> bytes:
    """The same drawing, written anew from what is allowed in it.

    Raises:
        ValueError: it is no SVG, or something else is in it.
    """
    root = _parsed(data)
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise ValueError("it is neither a PNG nor an SVG")
    for node in root.iter():
        name = node.tag.removeprefix("{http://www.w3.org/2000/svg}")
        if name not in SHAPES:
            raise ValueError(f"an SVG logo may not hold '{name[:40]}'")
        for key, value in node.attrib.items():
            if key.lower().startswith("on") or key.endswith("href") or _LOADS.search(value):
                raise ValueError(f"an SVG logo may not hold '{key[:40]}' with '{value[:40]}'")
    if not {"viewBox", "width"} & set(root.attrib):
        raise ValueError("it has neither a viewBox nor a width")
    ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
    return ElementTree.tostring(root)


def _parsed(data: bytes) -> ElementTree.Element:
    """The tree, of a document without declarations of its own: entities could swell without end, or load files."""

    def refuse(*_: object) -> None:
        raise ValueError("an SVG logo may not hold a DOCTYPE")

    checker = expat.ParserCreate()
    checker.StartDoctypeDeclHandler = refuse
    try:
        checker.Parse(data, True)
        return ElementTree.fromstring(data)  # noqa: S314 (no declarations, so no entities)
    except (expat.ExpatError, ElementTree.ParseError) as error:
        raise ValueError("it is neither a PNG nor an SVG") from error
