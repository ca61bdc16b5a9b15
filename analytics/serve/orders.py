"""The order of events by time, so that the last page of it costs about what the first does.

Only the number of events in each hour is kept, in crowded ones in each minute: an offset then leads to one short range,
which is sorted when it is asked for. Every value of a request is a bound parameter; only names from fixed tables become
SQL text.
"""
# ruff: noqa: S608 - the SQL is made of names from fixed tables, never of a request's values

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from kubedossier.analytics.serve.parameters import LISTS, SORT_KEYS, Asked
from kubedossier.analytics.views import NATIVE

# What an event answers under attackTechniques: the Console's own records answer as they came.
TECHNIQUES = f"case when {NATIVE} then techniques_native else techniques end"
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
        block_rows: how many to fetch at once for clients that walk on.
    """

    total: int
    block_rows: int

    @property
    def size_bytes(self) -> int:
        """What keeping it costs."""
        ...

    def keys(self, start: int, end: int) -> pa.Table:
        """``time`` and ``event_id`` of the events at these places."""
        ...


class TimeOrder:
    """The order by time, undated events last.

    Args:
        source: the archive.
        where, values: SQL conditions on the events, and their values.
        reverse: from the last to the first.

    Raises:
        StorageError: the archive cannot be read.
    """

    block_rows = 500

    def __init__(
        self, source: Source, where: list[str], values: Mapping[str, object], *, reverse: bool = False
    ) -> None:
        self._source, self._reverse = source, reverse
        self._where, self._values = where, dict(values)
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
        ordered = sorted(spans, reverse=reverse)
        self._starts = array("q", ordered)
        self._ends = array("q", (one + spans[one][0] for one in ordered))
        self._before = array("q", [0])  # how many events stand before each span
        for one in ordered:
            self._before.append(self._before[-1] + spans[one][1])
        self._dated = self._before[-1]
        self.total = self._dated + undated

    @property
    def size_bytes(self) -> int:
        """What keeping it costs."""
        return 3 * 8 * len(self._before)

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
            f"select time, event_id from events {where_sql([*self._where, more])} "
            f"order by {by} limit {end - start} offset {start}"
        )
        return self._source.select(sql, self._values | dict(values))

    def _counts(self, group: str, values: Mapping[str, object], *more: str) -> dict[int | None, int]:
        sql = f"select {group} as span, count(*) as n from events {where_sql([*self._where, *more])} group by all"
        table = self._source.select(sql, self._values | dict(values))
        return dict(zip(table.column("span").to_pylist(), table.column("n").to_pylist(), strict=True))


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


def key_sql(sort: str) -> str:
    """What events are sorted by, as a text: a list sorts by its first element, then by the next."""
    key = TECHNIQUES if sort == "attackTechniques" else SORT_KEYS[sort]
    return f"array_to_string({key}, chr(1))" if sort in LISTS else f"({key})"


def where_sql(found: list[str]) -> str:
    """Conditions as a clause."""
    return "where " + " and ".join(found) if found else ""
