"""The order of events by any field but the time: cut into stretches of known sizes, each sorted when it is asked for.

A sample of the field's values cuts the order into about a hundred stretches, and one look at the archive counts them.
An offset then leads to one stretch, whatever the size of the archive. A single value that many events share, as a
cluster does, is a stretch of its own, in which the events stand by time. Every value is a bound parameter; only names
from fixed tables become SQL text.
"""
# ruff: noqa: S608 - the SQL is made of names from fixed tables, never of a request's values

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from kubedossier.analytics.serve.orders import Source, TimeOrder, conditions, key_sql, where_sql
from kubedossier.analytics.serve.parameters import Asked

SAMPLE_ROWS = 20_000
CUTS = 127
CROWD = 100_000
_KEPT_STRETCHES = 4
_NULL = -1


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Events that stand one behind the other.

    Attributes:
        condition, values: which they are, as SQL and its parameters.
        alike: whether they all have the same value, so that only time tells them apart.
        before: how many events stand before them.
        count: how many they are.
    """

    condition: str
    values: dict[str, str]
    alike: bool
    before: int
    count: int


class FieldOrder:
    """The order by a field, then by time and ``event_id``; events without the field come last.

    Args:
        source: the archive.
        asked: filters, field and direction.

    Raises:
        StorageError: the archive cannot be read.
    """

    block_rows = 100  # they lie all over the archive, and each costs as much as the first

    def __init__(self, source: Source, asked: Asked) -> None:
        self._source = source
        self._where, self._values = conditions(asked)
        self._key = key_sql(asked.sort)
        self._direction = "desc" if asked.reverse else "asc"
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, pa.Table | TimeOrder] = OrderedDict()
        cuts = self._cuts()
        counts = self._counts(cuts)
        numbers = sorted(counts.keys() - {_NULL}, reverse=asked.reverse) + [_NULL] * (_NULL in counts)
        self._stretches: list[_Stretch] = []
        self.total = 0
        for number in numbers:
            condition, values = self._bounds(number, cuts)
            alike = number == _NULL or number % 2 == 1
            self._stretches.append(_Stretch(condition, values, alike, self.total, counts[number]))
            self.total += counts[number]
        self._begins = [one.before for one in self._stretches]

    @property
    def size_bytes(self) -> int:
        """What keeping it costs."""
        with self._lock:
            kept = list(self._kept.values())
        return 1000 * len(self._stretches) + sum(
            one.size_bytes if isinstance(one, TimeOrder) else one.nbytes for one in kept
        )

    def keys(self, start: int, end: int) -> pa.Table:
        """``time`` and ``event_id`` of the events at these places."""
        parts = []
        number = max(0, bisect_right(self._begins, start) - 1)
        while number < len(self._stretches) and (one := self._stretches[number]).before < end:
            first, last = max(start - one.before, 0), min(end - one.before, one.count)
            if first < last:
                parts.append(self._part(number, first, last))
            number += 1
        return pa.concat_tables(parts) if parts else self._select("false", {}, "")

    def _part(self, number: int, first: int, last: int) -> pa.Table:
        with self._lock:
            kept = self._kept.get(number)
        if kept is None:
            kept = self._make(self._stretches[number])
        with self._lock:
            self._kept[number] = kept
            self._kept.move_to_end(number)
            while len(self._kept) > _KEPT_STRETCHES:
                self._kept.popitem(last=False)
        return kept.keys(first, last) if isinstance(kept, TimeOrder) else kept.slice(first, last - first)

    def _make(self, stretch: _Stretch) -> pa.Table | TimeOrder:
        if stretch.alike and stretch.count > CROWD:
            return TimeOrder(self._source, [*self._where, stretch.condition], self._values | stretch.values)
        by = f"order by {self._key} {self._direction} nulls last, time nulls last, event_id"
        return self._select(stretch.condition, stretch.values, by)

    def _select(self, condition: str, values: Mapping[str, object], by: str) -> pa.Table:
        sql = f"select time, event_id from events {where_sql([*self._where, condition])} {by}"
        return self._source.select(sql, self._values | dict(values))

    def _cuts(self) -> list[str]:
        """Values that cut the order into stretches of about one size, each value once, in order."""
        known = f"select {self._key} as key from events {where_sql(self._where)}"
        sql = (
            f"select key from (select key from ({known}) where key is not null) "
            f"using sample reservoir({SAMPLE_ROWS} rows)"
        )
        table = self._source.select(f"select key from ({sql}) order by key", self._values)
        step = SAMPLE_ROWS // (CUTS + 1)
        found: list[str] = []
        for value in table.column("key").take(pa.array(range(step, table.num_rows, step), pa.int64())).to_pylist():
            if not found or found[-1] != value:
                found.append(value)
        return found

    def _counts(self, cuts: list[str]) -> dict[int, int]:
        """Events in each stretch: 2i lies before the cut i, 2i+1 is the cut itself, and the null stretch is apart."""
        values = {f"cut{number}": value for number, value in enumerate(cuts)}
        sql = (
            f"select case when key is null then {_NULL} else {self._tree(0, len(cuts))} end as stretch, count(*) as n "
            f"from (select {self._key} as key from events {where_sql(self._where)}) group by all"
        )
        table = self._source.select(sql, self._values | values)
        return dict(zip(table.column("stretch").to_pylist(), table.column("n").to_pylist(), strict=True))

    def _tree(self, first: int, last: int) -> str:
        """A search among the cuts from the first to before the last, as SQL."""
        if first == last:
            return str(2 * first)
        middle = (first + last) // 2
        return (
            f"case when key < $cut{middle} then {self._tree(first, middle)} "
            f"when key = $cut{middle} then {2 * middle + 1} else {self._tree(middle + 1, last)} end"
        )

    def _bounds(self, number: int, cuts: list[str]) -> tuple[str, dict[str, str]]:
        if number == _NULL:
            return f"{self._key} is null", {}
        at, is_cut = divmod(number, 2)
        if is_cut:
            return f"{self._key} = $cut", {"cut": cuts[at]}
        parts, values = [f"{self._key} is not null"], {}
        if at > 0:
            parts.append(f"{self._key} > $above")
            values["above"] = cuts[at - 1]
        if at < len(cuts):
            parts.append(f"{self._key} < $below")
            values["below"] = cuts[at]
        return " and ".join(parts), values
