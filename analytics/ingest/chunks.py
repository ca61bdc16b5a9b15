"""What is derived at a time, and what became of it.

A chunk is a list of records, or whole lines that nobody has cut yet: cutting a file into its lines is work, too, and
belongs where the rows are derived. Nothing here sees the archive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pyarrow as pa

from kubedossier.analytics.ingest.parsing import RejectedRecord
from kubedossier.analytics.ingest.row import Record, Row, build_batch
from kubedossier.analytics.ingest.sources import SkippedRecord, derive, expand, read_ordinary
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

    def cut(self) -> tuple[list[Record], int]:
        """The records, whose positions count from the first of these lines; and how many lines there are."""
        lines, count = cut_lines(self.text)
        kind, context, source = self.source_format, self.context, self.source
        return [Record(line, kind, context, number, None, source) for line, number in lines], count


Chunk = Lines | Sequence[Record]


class Derived(NamedTuple):
    """What became of one chunk.

    Attributes:
        batch: the rows, columns of ``EVENT_SCHEMA``; ``snapshot`` is empty.
        leaves: their leaves, 32 bytes each, one after another.
        rejects: records that are no events, with the reason.
        look_alikes: how often each kind of look-alike came up.
        lines: how many lines the chunk was cut into; 0 where it was records.
    """

    batch: pa.RecordBatch
    leaves: bytes
    rejects: list[tuple[Record, str]]
    look_alikes: dict[str, int]
    lines: int = 0


def derive_chunk(chunk: Chunk) -> Derived:
    """Derive the rows of a chunk."""
    records, lines = chunk.cut() if isinstance(chunk, Lines) else (chunk, 0)
    rows: list[Row] = []
    sources: list[Record] = []
    rejects: list[tuple[Record, str]] = []
    look_alikes: Counter[str] = Counter()
    for record in records:
        if (ordinary := read_ordinary(record)) is not None:
            rows.append(ordinary)
            sources.append(record)
            continue
        for one in expand(record):
            try:
                row = derive(one)
            except RejectedRecord as error:
                rejects.append((one, error.reason))
            except SkippedRecord as error:
                look_alikes[str(error)] += 1
            else:
                rows.append(row)
                sources.append(one)
    batch = build_batch(rows, sources, "") if rows else pa.RecordBatch.from_pylist([], schema=EVENT_SCHEMA)
    return Derived(batch, b"".join([leaf(row.raw) for row in rows]), rejects, dict(look_alikes), lines)
