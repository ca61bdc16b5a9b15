"""What is derived at a time, and what became of it.

A chunk is a list of records, or whole lines that nobody has cut yet: cutting a file into its lines is work, too, and
belongs where the rows are derived. Nothing here sees the archive.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
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
_RAW = EVENT_SCHEMA.get_field_index("raw")


class Derived(NamedTuple):
    """What became of one chunk.

    Attributes:
        batch: the rows, columns of ``EVENT_SCHEMA``; ``snapshot`` is empty.
        leaves: their leaves, 32 bytes each, one after another.
        repeats: of each further record of one of these events, its leaf and the number of the event's row.
        rejects: records that are no events, with the reason.
        look_alikes: how often each kind of look-alike came up.
        lines: how many lines the chunk was cut into; 0 where it was records.
        spans: where the raw text of each row begins and ends in ``text``, two 32-bit integers of the machine each, and
            the batch's ``raw`` is null; empty where the batch has the texts.
        text: of the chunk, for ``spans``.
    """

    batch: pa.RecordBatch
    leaves: bytes
    repeats: list[tuple[bytes, int]]
    rejects: list[tuple[Record, str]]
    look_alikes: dict[str, int]
    lines: int = 0
    spans: bytes = b""
    text: bytes = b""

    def rows(self, numbers: Sequence[int]) -> pa.RecordBatch:
        """Some of the rows, ascending, with their raw texts."""
        few = len(numbers) < self.batch.num_rows
        batch = self.batch.take(pa.array(numbers, pa.int32())) if few else self.batch
        if not self.spans:
            return batch
        # Between two texts is what is not asked for; a column of both is only offsets, and every second one is taken.
        count = len(self.spans) // 4 - 1
        both = pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(self.spans), pa.py_buffer(self.text)])
        raw = both.take(pa.array([2 * number for number in numbers], pa.int32()))
        return batch.set_column(_RAW, EVENT_SCHEMA.field(_RAW), raw)


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


def derive_chunk(chunk: Chunk, *, refer: bool = False) -> Derived:
    """Derive the rows of a chunk.

    Args:
        chunk: what to derive.
        refer: say where raw texts stand in the chunk's text in place of a copy of them, where they stand there.
    """
    if isinstance(chunk, Lines):
        raws, numbers, lines = chunk.cut()
        formats = {chunk.source_format}
    else:
        raws, numbers, lines = [record.raw for record in chunk], (), 0
        formats = {record.source_format for record in chunk}
    ordinary = read_columns(raws) if formats <= _OF_THE_CONSOLE else NONE_ORDINARY
    others = _others(ordinary, len(raws))
    if isinstance(chunk, Lines):
        rest = _derive((number, chunk.record(raws[number], numbers[number])) for number in others)
    else:
        rest = _derive((number, chunk[number]) for number in others)
    starts = _starts(chunk.text, raws, rest) if refer and isinstance(chunk, Lines) else []
    batch, leaves, moved = _together(chunk, raws, ordinary, rest, with_raw=not starts)
    repeats = [(leaf(raws[number]), moved[row]) for number, row in ordinary.repeats.items()]
    spans = _spans(starts, ordinary, rest) if starts else b""
    return Derived(batch, b"".join(leaves), repeats, rest.rejects, dict(rest.look_alikes), lines, spans)


def _others(ordinary: Ordinary, count: int) -> Sequence[int]:
    if not ordinary.kept:
        return range(count)
    read = len(ordinary.kept) + len(ordinary.repeats)
    return sorted(set(range(count)).difference(ordinary.kept, ordinary.repeats)) if read < count else ()


def _together(
    chunk: Chunk, raws: list[bytes], ordinary: Ordinary, rest: _Rest, *, with_raw: bool
) -> tuple[pa.RecordBatch, list[bytes], Sequence[int]]:
    """All rows, in the order of their records, their leaves, and at which row each of them is now."""
    batches: list[pa.RecordBatch] = []
    leaves: list[bytes] = []
    if ordinary.kept:
        batches.append(_batch(chunk, raws, ordinary, with_raw=with_raw))
        leaves += ordinary.leaves
    if rest.rows:
        one = build_batch(rest.rows, rest.records, "")
        batches.append(one if with_raw else one.set_column(_RAW, EVENT_SCHEMA.field(_RAW), _nothing(len(rest.rows))))
        leaves += [leaf(row.raw) for row in rest.rows]
    if len(batches) < 2:
        return batches[0] if batches else build_batch([], [], ""), leaves, range(len(leaves))
    places = [*ordinary.kept, *rest.places]
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = sorted(range(len(order)), key=order.__getitem__)
    batch = pa.concat_batches(batches).take(pa.array(order, pa.int32()))
    return batch, [leaves[number] for number in order], moved


def _batch(chunk: Chunk, raws: list[bytes], ordinary: Ordinary, *, with_raw: bool) -> pa.RecordBatch:
    """Ordinary records with what they do not say themselves, their context and where they came from."""
    count = len(ordinary.kept)
    columns = dict(ordinary.columns, snapshot=same("", count, "snapshot"))
    if with_raw:
        columns["raw"] = column("raw", raws if count == len(raws) else [raws[number] for number in ordinary.kept])
    else:
        columns["raw"] = _nothing(count)
    if isinstance(chunk, Lines):
        columns |= {name: same(one, count, name) for name, one in (("context", chunk.context), ("console", None))}
    else:
        records = [chunk[number] for number in ordinary.kept]
        columns["context"] = column("context", [record.context for record in records])
        columns["console"] = column("console", [record.console for record in records])
    return pa.RecordBatch.from_arrays([columns[name] for name in EVENT_SCHEMA.names], schema=EVENT_SCHEMA)


def _nothing(count: int) -> pa.Array:
    """The column ``raw`` of a batch whose raw texts are referred to."""
    return pa.nulls(count, pa.string())


def _starts(text: bytes, raws: list[bytes], rest: _Rest) -> list[int]:
    """Where each line begins in a text, and where a next one would; empty unless each raw text is a line as it is."""
    ends = len(text) + (not text.endswith(b"\n"))
    starts = list(accumulate((len(raw) + 1 for raw in raws), initial=0))
    whole = starts[-1] == ends and all(
        row.raw is raws[place] for row, place in zip(rest.rows, rest.places, strict=True)
    )
    return starts if whole else []


def _spans(starts: list[int], ordinary: Ordinary, rest: _Rest) -> bytes:
    places = ordinary.kept if not rest.places else sorted([*ordinary.kept, *rest.places])
    return array("i", [at for place in places for at in (starts[place], starts[place + 1] - 1)]).tobytes()


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
