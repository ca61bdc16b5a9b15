"""The order of the events that a request asks for, so that its last page costs about what its first does.

By time, only the number of events in each hour is kept, in crowded ones in each minute: an offset then leads to one
short range, which is sorted when it is asked for. By any other field the whole order is kept once somebody pages
beyond its beginning. Every value of a request is a bound parameter; only names from fixed tables become SQL text.
"""
# ruff: noqa: S608 - the SQL is made of names from fixed tables, never of a request's values

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from kubedossier.analytics.serve.parameters import SORT_KEYS, Asked
from kubedossier.analytics.views import NATIVE

# What an event answers under attackTechniques: the Console's own records answer as they came.
TECHNIQUES = f"case when {NATIVE} then techniques_native else techniques end"
FIRST_ROWS = 1000
CROWDED = 20_000
_EPOCH = datetime(1970, 1, 1)
_MINUTE_US, _HOUR_US = 60_000_000, 3_600_000_000


class Source(Protocol):
    """What is asked of an opened archive."""

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of its newest ledger entry."""
        ...

    def select(self, sql: str, parameters: Mapping[str, object]) -> pa.Table:
        """Run the package's own SQL."""
        ...


class Order(Protocol):
    """Events in an order.

    Attributes:
        total: how many there are.
        size_bytes: what keeping it costs.
    """

    total: int
    size_bytes: int

    def keys(self, start: int, end: int) -> pa.Table:
        """``time`` and ``event_id`` of the events at these places."""
        ...


class TimeOrder:
    """The order by time, undated events last.

    Args:
        source: the archive.
        asked: filters and direction.

    Raises:
        StorageError: the archive cannot be read.
    """

    def __init__(self, source: Source, asked: Asked) -> None:
        self._source, self._reverse = source, asked.reverse
        self._where, self._values = conditions(asked)
        found = self._counts("epoch_us(time) // $width", {"width": _HOUR_US})
        undated = found.pop(None, 0)
        hours = {hour: count for hour, count in found.items() if hour is not None}
        spans = {hour * _HOUR_US: (_HOUR_US, count) for hour, count in hours.items() if count <= CROWDED}
        if len(spans) < len(hours):
            crowded = [hour for hour, count in hours.items() if count > CROWDED]
            sizes = self._counts(
                "epoch_us(time) // $width",
                {"width": _MINUTE_US, "hour": _HOUR_US, "hours": crowded},
                "epoch_us(time) // $hour in (select unnest($hours))",
            )
            spans |= {minute * _MINUTE_US: (_MINUTE_US, count) for minute, count in sizes.items() if minute is not None}
        ordered = sorted(spans, reverse=asked.reverse)
        self._starts = array("q", ordered)
        self._ends = array("q", (one + spans[one][0] for one in ordered))
        self._before = array("q", [0])  # how many events stand before each span
        for one in ordered:
            self._before.append(self._before[-1] + spans[one][1])
        self._dated = self._before[-1]
        self.total = self._dated + undated
        self.size_bytes = 3 * 8 * len(self._before)

    def keys(self, start: int, end: int) -> pa.Table:
        """``time`` and ``event_id`` of the events at these places."""
        parts = []
        if start < min(end, self._dated):
            parts.append(self._dated_keys(start, min(end, self._dated)))
        if max(start, self._dated) < end:
            parts.append(
                self._select("time is null", {}, "event_id", max(start, self._dated) - self._dated, end - self._dated)
            )
        return pa.concat_tables(parts) if parts else self._select("false", {}, "event_id", 0, 0)

    def _dated_keys(self, start: int, end: int) -> pa.Table:
        first, last = (bisect_right(self._before, place) - 1 for place in (start, end - 1))
        bounds = {
            "low": moment(min(self._starts[first], self._starts[last])),
            "high": moment(max(self._ends[first], self._ends[last])),
        }
        skipped = self._before[first]
        direction = "desc" if self._reverse else "asc"
        return self._select(
            "time >= $low and time < $high", bounds, f"time {direction}, event_id", start - skipped, end - skipped
        )

    def _select(self, more: str, values: Mapping[str, object], by: str, start: int, end: int) -> pa.Table:
        sql = (
            f"select time, event_id from events {_where([*self._where, more])} "
            f"order by {by} limit {end - start} offset {start}"
        )
        return self._source.select(sql, self._values | dict(values))

    def _counts(self, group: str, values: Mapping[str, object], *more: str) -> dict[int | None, int]:
        sql = f"select {group} as span, count(*) as n from events {_where([*self._where, *more])} group by all"
        table = self._source.select(sql, self._values | dict(values))
        return dict(zip(table.column("span").to_pylist(), table.column("n").to_pylist(), strict=True))


class FieldOrder:
    """The order by any field, kept whole.

    Args:
        source: the archive.
        asked: filters, field and direction.
        first: only that many places will be asked for.

    Raises:
        StorageError: the archive cannot be read.
    """

    def __init__(self, source: Source, asked: Asked, *, first: int | None = None) -> None:
        where, values = conditions(asked)
        key = TECHNIQUES if asked.sort == "attackTechniques" else SORT_KEYS[asked.sort]
        order = f"order by {key} {'desc' if asked.reverse else 'asc'} nulls last, time nulls last, event_id"
        sql = f"select time, event_id from events {_where(where)} {order}"
        if first is None:
            self._table = source.select(sql, values)
            self.total = self._table.num_rows
        else:
            self._table = source.select(f"{sql} limit {first}", values)
            counted = source.select(f"select count(*) as n from events {_where(where)}", values)
            self.total = counted.column("n")[0].as_py()
        self.size_bytes = self._table.nbytes

    def keys(self, start: int, end: int) -> pa.Table:
        """``time`` and ``event_id`` of the events at these places."""
        return self._table.slice(start, end - start)


def conditions(asked: Asked) -> tuple[list[str], dict[str, object]]:
    """The filters of a request as SQL conditions and their values."""
    found: list[str] = []
    values: dict[str, object] = {}
    if asked.start_ms is not None:
        found.append("time >= $start")
        values["start"] = moment(asked.start_ms * 1000)
    if asked.end_ms is not None:
        found.append("time < $end")  # of the next millisecond
        values["end"] = moment((asked.end_ms + 1) * 1000)
    if asked.users:
        found.append('"user" in (select unnest($users))')
        values["users"] = list(asked.users)
    if asked.clusters:
        found.append("cluster in (select unnest($clusters))")
        values["clusters"] = list(asked.clusters)
    if asked.techniques:
        found.append(f"list_has_any({TECHNIQUES}, $techniques)")
        values["techniques"] = list(asked.techniques)
    return found, values


def moment(micros: int) -> datetime:
    """A moment as the archive's columns hold it, cut to what a timestamp can be."""
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return datetime.min if micros < 0 else datetime.max


def _where(found: list[str]) -> str:
    return "where " + " and ".join(found) if found else ""
