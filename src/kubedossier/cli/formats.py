"""An answer as bytes for machines: CSV, JSON, NDJSON, Parquet, and the tables for people.

CSV is written for spreadsheets that run what looks like a formula: a text that starts with one of ``= + - @``, a tab or
a carriage return gets an apostrophe before it. Numbers stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, TYPE_CHECKING

from kubedossier.cli.output import visible
from kubedossier.cli.sparklines import Trend
from kubedossier.cli.tables import Heading, Table, draw, markdown

if TYPE_CHECKING:
    from kubedossier.analytics.answers import Fetched
    from kubedossier.analytics.catalogue import Column

FORMATS = ("table", "csv", "json", "ndjson", "parquet", "markdown")
SUFFIXES = {
    ".csv": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".md": "markdown",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to write.

    Attributes:
        fetched: the rows; times are UTC.
        columns: what is known of them; empty for somebody's own SQL.
        spare: names of columns that a narrow table leaves out, the first of them first.
        trends: for a table, the events of each row by day; empty where there are none.
    """

    fetched: Fetched
    columns: tuple[Column, ...] = ()
    spare: tuple[str, ...] = ()
    trends: tuple[Trend, ...] = ()

    @property
    def headings(self) -> list[Heading]:
        """The columns as a table for people needs them; in somebody's own SQL a name may be anything."""
        units = {one.name: one.unit for one in self.columns}
        spare = {name: place for place, name in enumerate(self.spare, 1)}
        return [Heading(visible(name), units.get(name, ""), spare.get(name, 0)) for name in self.fetched.names]


def for_people(rows: Rows, width: int, *, colour: bool) -> Table:
    """The rows as a table within so many cells."""
    values = list(rows.fetched.values())
    if not rows.trends:
        return draw(rows.headings, values, width, colour=colour)
    traced = [(*row, trend) for row, trend in zip(values, rows.trends, strict=True)]
    return draw([*rows.headings, Heading("trend")], traced, width, colour=colour)


def write(rows: Rows, form: str, file: IO[bytes], *, width: int = 80) -> None:
    """Write rows in one of ``FORMATS``; text is UTF-8 with LF at line ends."""
    if form == "parquet":
        import pyarrow.parquet as pq

        from kubedossier.analytics.answers import in_utc

        pq.write_table(in_utc(rows.fetched.table(rows.columns)), file, compression="zstd")
        return
    lines = {
        "table": lambda: iter(for_people(rows, width, colour=False).lines),
        "markdown": lambda: iter(markdown(rows.headings, list(rows.fetched.values()))),
        "csv": lambda: _csv(rows),
        "json": lambda: _json(rows),
        "ndjson": lambda: _objects(rows),
    }[form]()
    for line in lines:
        file.write(line.encode("utf-8", "backslashreplace") + b"\n")


def safe_cell(value: object) -> str:
    """A value as a CSV cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    ready = _plain(value)
    text = ready if isinstance(ready, str) else _compact(ready)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(rows: Rows) -> Iterator[str]:
    buffer = io.StringIO()
    # The writer quotes line ends only when they are among its own.
    writer = csv.writer(buffer, lineterminator="\r\n")
    for values in _with_names(rows):
        writer.writerow([safe_cell(one) for one in values])
        yield buffer.getvalue().removesuffix("\r\n")
        buffer.seek(0)
        buffer.truncate()


def _with_names(rows: Rows) -> Iterator[Sequence[object]]:
    yield rows.fetched.names
    yield from rows.fetched.values()


def _json(rows: Rows) -> Iterator[str]:
    pending = "["
    for line in _objects(rows):
        yield pending
        pending = line + ","
    if pending == "[":
        yield "[]"
    else:
        yield pending.removesuffix(",")
        yield "]"


def _objects(rows: Rows) -> Iterator[str]:
    names = rows.fetched.names
    for values in rows.fetched.values():
        yield _compact({name: _plain(value) for name, value in zip(names, values, strict=True)})


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and value != value:
        return None
    return value if value is None or isinstance(value, str | int | float | dict) else str(value)
