"""An answer to a question of the catalogue, with what is needed to check it: the SQL, its parameters, a digest.

The digest is SHA-256 over the rows in one canonical form, so that two people can compare answers by one number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.canonical import arrow_lines
from kubedossier.analytics.catalogue import Column
from kubedossier.analytics.periods import Period
from kubedossier.analytics.views import Source

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """Rows as the engine gave them: as an Arrow table, or as tuples where loading Arrow is not worth its time.

    Attributes:
        names: of the columns.
        held: the rows.
    """

    names: tuple[str, ...]
    held: pa.Table | Sequence[tuple[Any, ...]]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.held)

    def values(self) -> Iterator[tuple[Any, ...]]:
        """The rows as Python values; times may or may not carry the zone, and mean UTC."""
        if isinstance(self.held, Sequence):
            yield from self.held
            return
        for batch in self.held.to_batches(max_chunksize=_BATCH):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def head(self, count: int) -> Fetched:
        """The first rows."""
        return Fetched(self.names, self.held[:count])

    def none(self) -> Fetched:
        """No row; unlike the first none of them, it keeps nothing of the others in memory."""
        return Fetched(self.names, () if isinstance(self.held, Sequence) else self.held.schema.empty_table())

    def table(self, columns: Sequence[Column]) -> pa.Table:
        """The rows as an Arrow table, tuples by the types that the columns declare."""
        if not isinstance(self.held, Sequence):
            return self.held
        import pyarrow as pa

        kinds = {
            "varchar": pa.string(),
            "varchar[]": pa.list_(pa.string()),
            "bigint": pa.int64(),
            "double": pa.float64(),
            "boolean": pa.bool_(),
            "timestamp": pa.timestamp("us"),
            "date": pa.date32(),
        }
        values = zip(*self.held, strict=True) if self.held else ((),) * len(columns)
        arrays = [pa.array(held, kinds[one.type]) for one, held in zip(columns, values, strict=True)]
        return pa.Table.from_arrays(arrays, names=list(self.names))


@dataclass(frozen=True)
class Answer:
    """What a question of the catalogue gave.

    Attributes:
        name, title, question, notes: as the catalogue says.
        sql: the statement that was run, over the views.
        parameters: all it was given; timestamps are UTC without a zone.
        columns: name, type, unit and meaning of each column of the table.
        fetched: the rows as they came.
        period: the period that was asked about; for the whole archive, from its first to its last day.
        filters: values by filter, for those that were given.
        source: ``native``, ``raw`` or ``all``: the kind of records that was looked at.
        mixed: whether the archive holds the other kind, too, in the period.
        undated: events without a usable time, which belong to no period and were not counted.
        rules: versions of the technique rules that judged the raw audit logs it looked at; empty where it is about no
            techniques, or about records that the Console judged.
    """

    name: str
    title: str
    question: str
    sql: str
    parameters: Mapping[str, object]
    columns: tuple[Column, ...]
    fetched: Fetched
    notes: str
    period: Period
    filters: Mapping[str, tuple[str, ...]]
    source: Source
    mixed: bool
    undated: int
    rules: tuple[str, ...] = ()

    @cached_property
    def table(self) -> pa.Table:
        """The rows as an Arrow table; timestamps carry the zone UTC."""
        return in_utc(self.fetched.table(self.columns))

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The rows as a polars DataFrame; timestamps are ``Datetime("us", "UTC")``."""
        return frame(self.table)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the column names and the rows in canonical form: one JSON array and LF each."""
        digest = Digest(self.fetched.names)
        digest.add(self.fetched)
        return digest.hexdigest()


class Digest:
    """What ``Answer.digest`` is, of rows that come in several parts and need not be held."""

    def __init__(self, names: Sequence[str]) -> None:
        self._hasher = hashlib.sha256(_line(names))

    def add(self, part: Fetched) -> None:
        """Take the next rows."""
        lines = map(_line, part.held) if isinstance(part.held, Sequence) else arrow_lines(part.held, _text)
        for one in lines:
            self._hasher.update(one)

    def hexdigest(self) -> str:
        """The digest of all rows so far, lower-case hex."""
        return self._hasher.hexdigest()


def frame(table: pa.Table) -> pl.DataFrame:
    """A table as a polars DataFrame; timestamps are ``Datetime("us", "UTC")``."""
    import polars as pl

    return pl.DataFrame(in_utc(table))


def in_utc(table: pa.Table) -> pa.Table:
    """The table with the zone UTC on timestamps that mean it without saying so."""
    import pyarrow as pa

    zoned = [
        field.with_type(pa.timestamp("us", tz="UTC")) if field.type == pa.timestamp("us") else field
        for field in table.schema
    ]
    return table.cast(pa.schema(zoned)) if zoned != list(table.schema) else table


def digest(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """SHA-256 (hex) over ``canonical_lines``."""
    hasher = hashlib.sha256()
    for line in canonical_lines(names, rows):
        hasher.update(line)
    return hasher.hexdigest()


def canonical_lines(names: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The column names, then each row: a compact JSON array in UTF-8 and one LF.

    Times are ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, dates ``YYYY-MM-DD``, binary values lower-case hex, doubles the shortest
    text that reads back as the same number.
    """
    yield _line(names)
    for row in rows:
        yield _line(row)


def plain(value: object) -> object:
    """A value in the form of the canonical lines: only what JSON knows."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _line(values: object) -> bytes:
    return _text(values).encode("utf-8", "backslashreplace") + b"\n"


def _text(value: object) -> str:
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
