"""Pages of events out of the archive: which events match, in which order, and how the API writes them.

The order of a population is worked out once and kept while clients page through it, as long as the archive stays as
it is; what is kept is bounded in bytes.
"""
# ruff: noqa: S608 - the SQL is made of names from fixed tables, never of a request's values

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from kubedossier.analytics.serve.field_orders import FieldOrder
from kubedossier.analytics.serve.orders import TECHNIQUES, Order, Source, TimeOrder, conditions
from kubedossier.analytics.serve.parameters import Asked
from kubedossier.analytics.store.damage import settled

_COLUMNS = (
    'time, verb, "user", uid, groups, "authorization", message, source_ips, resources, request_uri, '
    f"{TECHNIQUES} as techniques, cluster, account, provider, collections, source_format, raw, context, event_id"
)
_KEPT_ORDERS = 64
_ORDER_BYTES = 512 * 1024 * 1024
_KEPT_BLOCKS = 32
_KEPT_BYTES = 64 * 1024 * 1024
_DOWNLOAD_ROWS = 2000


Row = dict[str, Any]
"""One event: ``_COLUMNS`` by name."""


@dataclass(frozen=True, slots=True)
class ServedPage:
    """Events of one page, and how many match in all.

    Attributes:
        rows: of ``_COLUMNS``, in order.
        total: events that match, whatever the page.
    """

    rows: list[Row]
    total: int


@dataclass
class _Kept:
    """An order, or the place for one that somebody is working out: the others wait for it."""

    making: threading.Lock = field(default_factory=threading.Lock)
    order: Order | None = None


class Pages:
    """Answers requests from an archive, and sees what is added to it meanwhile. Thread-safe."""

    def __init__(self, archive: Path) -> None:
        self._path = archive
        self._lock = threading.Lock()
        self._orders: OrderedDict[object, _Kept] = OrderedDict()
        self._blocks: OrderedDict[object, list[Row]] = OrderedDict()
        self._source, self._stamp = self._open()

    def page(self, asked: Asked) -> ServedPage:
        """The page a request asks for.

        Raises:
            StorageError: the archive cannot be read.
        """
        return settled(lambda: self._page(asked))

    def _page(self, asked: Asked) -> ServedPage:
        source = self._current()
        end = asked.offset + asked.page_size
        population, order = self._order(source, asked)
        rows: list[Row] = []
        size = order.block_rows
        for number in range(asked.offset // size, -(-min(end, order.total) // size)):
            start = number * size
            block = self._block(source, population, order, number)
            rows += block[max(0, asked.offset - start) : end - start]
        return ServedPage(rows, order.total)

    def all(self, asked: Asked) -> Iterator[Row]:
        """Every event a request asks for; its limit counts as it stands, without the pages' cap.

        Raises:
            StorageError: the archive cannot be read; at once, before the first event is taken.
        """

        def ordered() -> tuple[Source, Order]:
            source = self._current()
            return source, self._order(source, asked)[1]

        source, order = settled(ordered)
        end = order.total if not asked.limit else min(order.total, asked.offset + asked.limit)
        return (
            row
            for offset in range(asked.offset, end, _DOWNLOAD_ROWS)
            for row in _rows(source, order.keys(offset, min(offset + _DOWNLOAD_ROWS, end)))
        )

    def _order(self, source: Source, asked: Asked) -> tuple[object, Order]:
        """A name for the population in its order, and the order."""
        filters = (asked.start_ms, asked.end_ms, asked.users, asked.techniques, asked.clusters)
        identity = (source.head, filters, asked.sort, asked.reverse)
        with self._lock:
            kept = self._orders.setdefault(identity, _Kept())
            self._orders.move_to_end(identity)
        with kept.making:
            if kept.order is None:
                if asked.sort == "time":
                    kept.order = TimeOrder(source, *conditions(asked), reverse=asked.reverse)
                else:
                    kept.order = FieldOrder(source, asked)
        with self._lock:
            while len(self._orders) > _KEPT_ORDERS or (
                len(self._orders) > 1
                and sum(one.order.size_bytes for one in self._orders.values() if one.order) > _ORDER_BYTES
            ):
                self._orders.popitem(last=False)
        return identity, kept.order

    def _block(self, source: Source, population: object, order: Order, number: int) -> list[Row]:
        """The rows of one stretch of an order; clients walk on, so the next page mostly lies in it, too."""
        name = (population, number)
        with self._lock:
            if (kept := self._blocks.get(name)) is not None:
                self._blocks.move_to_end(name)
                return kept
        start = number * order.block_rows
        rows = _rows(source, order.keys(start, min(start + order.block_rows, order.total)))
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
        # The range spares files, the times spare what stands between them.
        parts.append("time between $first and $last and time in (select unnest($times))")
        values |= {"first": min(times), "last": max(times), "times": times}
    sql = f"select {_COLUMNS} from records where ({' or '.join(parts)}) and event_id in (select unnest($ids))"
    found = {row["event_id"]: row for row in source.select(sql, values).to_pylist()}
    return [found[one] for one in ids if one in found]


def _size(rows: list[Row]) -> int:
    return sum(len(row["raw"]) for row in rows)
