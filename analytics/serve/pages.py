"""Pages of events out of the archive: which events match, in which order, and how the API writes them.

The order of a population is worked out once and kept while clients page through it. Every value of a request
is a bound parameter; only names from fixed tables become SQL text.
"""
# ruff: noqa: S608 - the SQL is made of names from fixed tables, never of a request's values

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from kubedossier.analytics.serve.parameters import SORT_KEYS, Asked

# What an event answers under attackTechniques: the Console's own records answer as they came.
_TECHNIQUES = "case when source_format = 'console-json' then techniques_native else techniques end"
_COLUMNS = (
    'time, verb, "user", uid, groups, "authorization", message, source_ips, resources, request_uri, '
    f"{_TECHNIQUES} as techniques, cluster, account, provider, collections, source_format, raw, event_id"
)
_FIRST_ROWS = 1000
_KEPT_ORDERS = 4
_BLOCK_ROWS = 500
_KEPT_BLOCKS = 32
_KEPT_BYTES = 64 * 1024 * 1024
_DOWNLOAD_ROWS = 2000
_EPOCH = datetime(1970, 1, 1)


Row = dict[str, Any]
"""One event: ``_COLUMNS`` by name."""


class Source(Protocol):
    """What is asked of an opened archive."""

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of its newest ledger entry."""
        ...

    def select(self, sql: str, parameters: Mapping[str, object]) -> pa.Table:
        """Run the package's own SQL."""
        ...


@dataclass(frozen=True, slots=True)
class ServedPage:
    """Events of one page, and how many match in all.

    Attributes:
        rows: of ``_COLUMNS``, in order.
        total: events that match, whatever the page.
    """

    rows: list[Row]
    total: int


class Pages:
    """Answers requests from an archive, and sees what is added to it meanwhile. Thread-safe."""

    def __init__(self, archive: Path) -> None:
        self._path = archive
        self._lock = threading.Lock()
        self._orders: OrderedDict[object, pa.Table] = OrderedDict()
        self._blocks: OrderedDict[object, list[Row]] = OrderedDict()
        self._source, self._stamp = self._open()

    def page(self, asked: Asked) -> ServedPage:
        """The page a request asks for.

        Raises:
            StorageError: the archive cannot be read.
        """
        source = self._current()
        end = asked.offset + asked.page_size
        population, keys, total = self._keys(source, asked, end)
        rows: list[Row] = []
        for number in range(asked.offset // _BLOCK_ROWS, -(-min(end, total) // _BLOCK_ROWS)):
            start = number * _BLOCK_ROWS
            block = self._block(source, population, keys, number)
            rows += block[max(0, asked.offset - start) : end - start]
        return ServedPage(rows, total)

    def all(self, asked: Asked) -> Iterator[Row]:
        """Every event a request asks for; its limit counts as it stands, without the pages' cap.

        Raises:
            StorageError: the archive cannot be read; at once, before the first event is taken.
        """
        source = self._current()
        _, keys, total = self._keys(source, asked, None)
        end = total if not asked.limit else min(total, asked.offset + asked.limit)
        return (
            row
            for offset in range(asked.offset, end, _DOWNLOAD_ROWS)
            for row in _rows(source, keys.slice(offset, min(_DOWNLOAD_ROWS, end - offset)))
        )

    def _keys(self, source: Source, asked: Asked, reach: int | None) -> tuple[object, pa.Table, int]:
        """A name for the population, time and id of its events in order, and how many they are.

        The order may hold the first ``_FIRST_ROWS`` only, where ``reach`` lies within them.
        """
        where, values = _where(asked)
        identity = (source.head, where, str(values), asked.sort, asked.reverse)
        with self._lock:
            if (kept := self._orders.get(identity)) is not None:
                self._orders.move_to_end(identity)
                return identity, kept, kept.num_rows
        order = _order(asked)
        if reach is not None and reach <= _FIRST_ROWS:
            total = source.select(f"select count(*) as n from events {where}", values).column("n")[0].as_py()
            if total > _FIRST_ROWS:
                sql = f"select time, event_id from events {where} {order} limit {_FIRST_ROWS}"
                return identity, source.select(sql, values), total
        keys = source.select(f"select time, event_id from events {where} {order}", values)
        with self._lock:
            self._orders[identity] = keys
            while len(self._orders) > _KEPT_ORDERS:
                self._orders.popitem(last=False)
        return identity, keys, keys.num_rows

    def _block(self, source: Source, population: object, keys: pa.Table, number: int) -> list[Row]:
        """The rows of one stretch of an order; clients walk on, so the next page mostly lies in it, too."""
        name = (population, number)
        with self._lock:
            if (kept := self._blocks.get(name)) is not None:
                self._blocks.move_to_end(name)
                return kept
        rows = _rows(source, keys.slice(number * _BLOCK_ROWS, _BLOCK_ROWS))
        with self._lock:
            self._blocks[name] = rows
            while len(self._blocks) > _KEPT_BLOCKS or (
                len(self._blocks) > 1 and sum(map(_size, self._blocks.values())) > _KEPT_BYTES
            ):
                self._blocks.popitem(last=False)
        return rows

    def _current(self) -> Source:
        """The archive as of now: opened again when its ledger has changed."""
        with self._lock:
            if self._ledger_stamp() != self._stamp:
                self._source, self._stamp = self._open()
                self._orders.clear()
                self._blocks.clear()
            return self._source

    def _open(self) -> tuple[Source, int]:
        from kubedossier.analytics.archive import Archive

        stamp = self._ledger_stamp()
        return Archive(self._path), stamp

    def _ledger_stamp(self) -> int:
        try:
            return (self._path / "ledger").stat().st_mtime_ns
        except OSError:
            return 0


def _where(asked: Asked) -> tuple[str, dict[str, object]]:
    conditions: list[str] = []
    values: dict[str, object] = {}
    if asked.start_ms is not None:
        conditions.append("time >= $start")
        values["start"] = _moment(asked.start_ms)
    if asked.end_ms is not None:
        conditions.append("time < $end")  # of the next millisecond
        values["end"] = _moment(asked.end_ms + 1)
    if asked.users:
        conditions.append('"user" in (select unnest($users))')
        values["users"] = list(asked.users)
    if asked.clusters:
        conditions.append("cluster in (select unnest($clusters))")
        values["clusters"] = list(asked.clusters)
    if asked.techniques:
        conditions.append(f"list_has_any({_TECHNIQUES}, $techniques)")
        values["techniques"] = list(asked.techniques)
    return ("where " + " and ".join(conditions) if conditions else ""), values


def _order(asked: Asked) -> str:
    direction = "desc" if asked.reverse else "asc"
    key = _TECHNIQUES if asked.sort == "attackTechniques" else SORT_KEYS[asked.sort]
    return f"order by {key} {direction} nulls last, time nulls last, event_id"


def _rows(source: Source, keys: pa.Table) -> list[Row]:
    """The whole rows of some keys, in the keys' order."""
    if not keys.num_rows:
        return []
    ids = keys.column("event_id").to_pylist()
    times = [time for time in keys.column("time").to_pylist() if time is not None]
    values: dict[str, object] = {"ids": ids}
    parts = []
    if len(times) < len(ids):
        parts.append("time is null")
    if times:
        parts.append("time between $first and $last")
        values |= {"first": min(times), "last": max(times)}
    sql = f"select {_COLUMNS} from records where ({' or '.join(parts)}) and event_id in (select unnest($ids))"
    found = {row["event_id"]: row for row in source.select(sql, values).to_pylist()}
    return [found[one] for one in ids if one in found]


def _size(rows: list[Row]) -> int:
    return sum(len(row["raw"]) for row in rows)


def _moment(milliseconds: int) -> datetime:
    """A moment as the archive's columns hold it, cut to what a timestamp can be."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return datetime.min if milliseconds < 0 else datetime.max
