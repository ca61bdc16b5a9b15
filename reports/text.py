"""Untrusted text made visible: the one road from an event's string to a page, a chart or a bookmark.

User names, resource names and messages come from the audited systems, so an attacker may have chosen them. A
character that the reader cannot see as itself (controls, direction overrides, unusual blanks, anything without a
glyph in the bundled fonts) is replaced by its code point, as a chip on the page and as ``[U+202E]`` in plain text.
No string of an event may reach the document by another way; the raw value stays in the attached data.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib import resources

from markupsafe import Markup, escape

from kubedossier.reports.pieces import Part, Value

LIMIT = 160
"""Characters of a value shown before it is cut; the attached data always holds the whole value."""

_MARKS_IN_A_ROW = 2
_DATE = re.compile(r"(?<=\d) (?=(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b)")
_COLON = re.compile(r"(?<=[A-Za-z]:)(?=\w)")
_COLON_OR_AT = re.compile(r"(?<=[A-Za-z]:)(?=\w)|(?<=\w@)(?=\w[\w.-]{,27}$)")
_LONG = 24
"""Characters from which on a value may need a second line in a column."""


@cache
def _glyphs() -> frozenset[int]:
    """Code points that every family of the report can draw."""
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    families: dict[str, set[int]] = {}
    for entry in sorted(resources.files("kubedossier.reports").joinpath("fonts").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".ttf"):
            with entry.open("rb") as handle, TTFont(handle, lazy=True) as font:
                families.setdefault(entry.name.split("-latin")[0], set()).update(font.getBestCmap())
    return frozenset(set.intersection(*families.values()))


def _is_plain(char: str) -> bool:
    if char == " ":
        return True
    return unicodedata.category(char)[0] not in "CZ" and ord(char) in _glyphs()


def runs(raw: str, *, limit: int = LIMIT) -> list[tuple[str, bool]]:
    """Split a string into runs of ``(text, is_escape)``.

    A run that is an escape holds ``U+202E`` or, for what was cut, ``140 more``. A blank at either end is an escape,
    for the eye cannot see it there.
    """
    result: list[tuple[str, bool]] = []
    marks = _MARKS_IN_A_ROW
    shown = raw if len(raw) <= limit else raw[: limit - 20]
    for index, char in enumerate(shown):
        marks = marks + 1 if unicodedata.category(char)[0] == "M" else 0
        edge = char == " " and index in (0, len(raw) - 1)
        plain = _is_plain(char) and marks <= _MARKS_IN_A_ROW and not edge
        if not plain:
            marks = _MARKS_IN_A_ROW  # a combining mark after an escape has nothing to stand on
            result.append((f"U+{ord(char):04X}", True))
        elif result and not result[-1][1]:
            result[-1] = (result[-1][0] + char, False)
        else:
            result.append((char, False))
    if len(shown) < len(raw):
        result.append((f"{len(raw) - len(shown)} more", True))
    return result


def plain(raw: str, *, limit: int = LIMIT) -> str:
    """The string with visible escapes in brackets: for SVG text, titles, bookmarks, metadata and JSON."""
    return "".join(f"[{text}]" if is_escape else text for text, is_escape in runs(raw, limit=limit))


def markup(raw: str | None, *, limit: int = LIMIT) -> Markup:
    """The string as HTML in the typeface of audited values, escapes as chips; None and empty say so in words."""
    if not raw:
        return Markup('<span class="none">{}</span>').format("none" if raw is None else "empty")
    inner = Markup("").join(
        Markup('<span class="chip">{}</span>').format(f"[{text}]") if is_escape else _breakable(text, len(raw) > _LONG)
        for text, is_escape in runs(raw, limit=limit)
    )
    return Markup('<span class="v">{}</span>').format(inner)


def _breakable(text: str, is_long: bool) -> Markup:
    """Plain text that a line may end in after a colon, as in names of service accounts, or an @ in a long one."""
    parts = (_COLON_OR_AT if is_long else _COLON).split(text)
    return Markup("<wbr>").join(
        Markup('<span class="part">{}</span>').format(part) if len(parts) > 1 else escape(part) for part in parts
    )


def visible(written: str) -> str:
    """Markup or text in which every character can be seen: the last net under what users' templates print."""
    return "".join(char if char in "\n\t\u00a0" or _is_plain(char) else f"[U+{ord(char):04X}]" for char in written)


def prose(phrase: Iterable[Part]) -> Markup:
    """A sentence of our own words and audited values as HTML; no line ends between a day and its month."""
    return Markup("").join(
        markup(part.raw, limit=60) if isinstance(part, Value) else escape(_DATE.sub("\u00a0", part)) for part in phrase
    )


def sentence(phrase: Iterable[Part]) -> str:
    """The same sentence as plain text with visible escapes."""
    return "".join(plain(part.raw, limit=60) if isinstance(part, Value) else part for part in phrase)
