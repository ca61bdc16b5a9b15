"""What is derived at a time, and what became of it.

A chunk is a list of records, or whole lines that nobody has cut yet: cutting a file into its lines is work, too, and
belongs where the rows are derived. Nothing here sees the archive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import pyarrow as pa

from kubedossier.analytics.ingest.columns import column, same
from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record, Row, build_batch
from kubedossier.analytics.ingest.sources import SkippedRecord, derive, expand, read_ordinary
from kubedossier.analytics.ingest.sources.console_columns import NONE_ORDINARY, Ordinary, read_columns
from kubedossier.analytics.ingest.sources.console_json import FORMAT as CONSOLE_JSON
from kubedossier.analytics.ingest.sources.framing import cut_lines
from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.digests import leaf


class Lines(msgspec.Struct, frozen=True, gc=False):
    """Whole lines of a source, a record each.

    Attributes:
        text: their bytes.
        source_format, context, source: as each record has them.
        begin: whether they are the first of their source.
    """

    text: bytes
    source_format: str | None = None
    context: str = "{}"
    source: str = ""
    begin: bool = False

    def cut(self) -> tuple[list[bytes], Sequence[int], int]:
        """The lines that are not blank, their numbers, counted from the first of these; how many lines there are."""
        return cut_lines(self.text)

    def records(self) -> list[Record]:
        """The lines as records, whose positions count from the first of these."""
        raws, numbers, _ = self.cut()
        return list(map(self.record, raws, numbers))

    def record(self, raw: bytes, number: int) -> Record:
        """One of the lines as a record."""
        return Record(raw, self.source_format, self.context, number, None, self.source)


Chunk = Lines | Sequence[Record]
_OF_THE_CONSOLE = frozenset((None, CONSOLE_JSON))


class Derived(NamedTuple):
    """What became of one chunk.

    Attributes:
        batch: the rows, columns of ``EVENT_SCHEMA``; ``snapshot`` is empty.
        leaves: their leaves, 32 bytes each, one after another.
        repeats: of each further record of one of these events, its leaf and the number of the event's row.
        rejects: records that are no events, with the reason.
        look_alikes: how often each kind of look-alike came up.
        lines: how many lines the chunk was cut into; 0 where it was records.
    """

    batch: pa.RecordBatch
    leaves: bytes
    repeats: list[tuple[bytes, int]]
    rejects: list[tuple[Record, str]]
    look_alikes: dict[str, int]
    lines: int = 0


class _Rest(NamedTuple):
    """What became of the records of a chunk that are not ordinary ones of the Console.

    Attributes:
        rows: the rows.
        records: of each row; what stood in an envelope is a record by itself.
        places: of each row, which record of the chunk it came from.
        rejects, look_alikes: as in ``Derived``.
    """

    rows: list[Row]
    records: list[Record]
    places: list[int]
    rejects: list[tuple[Record, str]]
    look_alikes: Counter[str]


def derive_chunk(chunk: Chunk) -> Derived:
    """Derive the rows of a chunk."""
    numbers: Sequence[int] = ()
    lines = 0
    if isinstance(chunk, Lines):
        raws, numbers, lines = chunk.cut()
        formats = {chunk.source_format}
    else:
        raws = [record.raw for record in chunk]
        formats = {record.source_format for record in chunk}
    ordinary = read_columns(raws) if formats <= _OF_THE_CONSOLE else NONE_ORDINARY
    others = _others(ordinary, len(raws))
    if isinstance(chunk, Lines):
        rest = _derive((number, chunk.record(raws[number], numbers[number])) for number in others)
    else:
        rest = _derive((number, chunk[number]) for number in others)
    repeats = [(leaf(raws[number]), row) for number, row in ordinary.repeats.items()]
    batches: list[pa.RecordBatch] = []
    leaves: list[bytes] = []
    if ordinary.kept:
        kept = raws if len(ordinary.kept) == len(raws) else [raws[number] for number in ordinary.kept]
        batches.append(_batch(ordinary, kept, chunk))
        leaves += ordinary.leaves
    if rest.rows:
        batches.append(build_batch(rest.rows, rest.records, ""))
        leaves += [leaf(row.raw) for row in rest.rows]
    if len(batches) == 2:
        places = [*ordinary.kept, *rest.places]
        order = sorted(range(len(places)), key=places.__getitem__)
        batches = [pa.concat_batches(batches).take(pa.array(order, pa.int32()))]
        leaves = [leaves[number] for number in order]
        moved = {row: number for number, row in enumerate(order)}
        repeats = [(one, moved[row]) for one, row in repeats]
    batch = batches[0] if batches else build_batch([], [], "")
    return Derived(batch, b"".join(leaves), repeats, rest.rejects, dict(rest.look_alikes), lines)


def _others(ordinary: Ordinary, count: int) -> Sequence[int]:
    if not ordinary.kept:
        return range(count)
    read = len(ordinary.kept) + len(ordinary.repeats)
    return sorted(set(range(count)).difference(ordinary.kept, ordinary.repeats)) if read < count else ()


def _batch(ordinary: Ordinary, raws: list[bytes], chunk: Chunk) -> pa.RecordBatch:
    """Ordinary records with what they do not say themselves, their context and where they came from."""
    columns = dict(ordinary.columns, raw=column("raw", raws), snapshot=same("", len(raws), "snapshot"))
    if isinstance(chunk, Lines):
        columns |= {name: same(one, len(raws), name) for name, one in (("context", chunk.context), ("console", None))}
    else:
        records = [chunk[number] for number in ordinary.kept]
        columns["context"] = column("context", [record.context for record in records])
        columns["console"] = column("console", [record.console for record in records])
    return pa.RecordBatch.from_arrays([columns[name] for name in EVENT_SCHEMA.names], schema=EVENT_SCHEMA)


def _derive(records: Iterable[tuple[int, Record]]) -> _Rest:
    rest = _Rest([], [], [], [], Counter())
    for place, record in records:
        if (ordinary := read_ordinary(record)) is not None:
            rest.rows.append(ordinary)
            rest.records.append(record)
            rest.places.append(place)
            continue
        for one in expand(record):
            try:
                row = derive(one)
            except RejectedRecord as error:
                rest.rejects.append((one, error.reason))
            except SkippedRecord as error:
                rest.look_alikes[str(error)] += 1
            else:
                rest.rows.append(row)
                rest.records.append(one)
                rest.places.append(place)
    return rest
