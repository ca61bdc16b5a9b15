"""Cells and columns: the small change of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from kubedossier.reports.numbers import change, count, tenths
from kubedossier.reports.pieces import Cell, Heading, Tone

Row = Mapping[str, Any]


def value(raw: str | None, *lines: str | None, tone: Tone = "plain") -> Cell:
    """A cell with an audited value, and further ones under it."""
    return Cell(raw=raw, is_value=True, lines=tuple(line for line in lines if line), tone=tone)


def target(row: Row) -> str:
    """What a request was about: namespace, resource, name and subresource, as far as known."""
    parts = (row.get("namespace"), row.get("resource"), row.get("name"), row.get("subresource"))
    return "/".join(part for part in parts if part)


def number(amount: int) -> Cell:
    """A cell with a count."""
    return Cell(text=count(amount), key=amount)


def share(ratio: float | None) -> Cell:
    """A cell with a share from 0 to 1."""
    return Cell(text=tenths(ratio), key=ratio)


def grown(ratio: float | None, *, was: int, now: int, tone: Tone = "plain") -> Cell:
    """A cell with the change against the period before; what is new sorts as if it had been 1."""
    return Cell(text=change(ratio, was=was, now=now), key=round(now / max(was, 1) - 1, 6), tone=tone)


def at(moment: datetime, text: str, under: str = "") -> Cell:
    """A cell with a moment of UTC, as ``text`` says it."""
    return Cell(text=text, under=under, key=moment.replace(tzinfo=UTC).timestamp())


def minute(moment: datetime) -> Cell:
    """A cell with ``27 Jan 18:28``."""
    return at(moment, f"{moment.day} {moment:%b %H:%M}")


def headings(names: Iterable[str], kinds: Iterable[Any], widths: Iterable[float]) -> tuple[Heading, ...]:
    """Columns from their titles, kinds and widths in percent."""
    return tuple(Heading(name, kind, width) for name, kind, width in zip(names, kinds, widths, strict=True))
