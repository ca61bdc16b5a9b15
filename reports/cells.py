"""Cells and columns: the small change of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kubedossier.reports.numbers import count
from kubedossier.reports.pieces import Cell, Heading, Tone

Row = Mapping[str, Any]


def value(raw: str | None, *lines: str, tone: Tone = "plain") -> Cell:
    """A cell with an audited value, and further ones under it."""
    return Cell(raw=raw, is_value=True, lines=tuple(line for line in lines if line), tone=tone)


def target(row: Row) -> str:
    """What a request was about: namespace, resource, name and subresource, as far as known."""
    parts = (row.get("namespace"), row.get("resource"), row.get("name"), row.get("subresource"))
    return "/".join(part for part in parts if part)


def number(amount: int) -> Cell:
    """A cell with a count."""
    return Cell(text=count(amount))


def minute(moment: datetime) -> str:
    """``27 Jan 18:28``."""
    return f"{moment.day} {moment:%b %H:%M}"


def headings(names: Iterable[str], kinds: Iterable[Any], widths: Iterable[float]) -> tuple[Heading, ...]:
    """Columns from their titles, kinds and widths in percent."""
    return tuple(Heading(name, kind, width) for name, kind, width in zip(names, kinds, widths, strict=True))
