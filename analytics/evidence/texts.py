"""The events of a month as texts: NDJSON, CSV and leaves, made from the archive's Parquet in one pass.

The one way they are made, for a bundle and for its check. Memory does not grow with the month. Rows of retracted
snapshots, which a file of several snapshots may still hold, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Protocol
from zipfile import BadZipFile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.evidence import cells
from kubedossier.analytics.evidence.leaves import LeafRuns
from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.digests import leaf

_BATCH_ROWS = 2048
_READ_BYTES = 64 * 1024  # a column's pages are then read one by one, not a whole row group of them
_BREAK = re.compile(rb"[\r\n]")
_MARKS = {b"\n": "n", b"\r": "r"}
_AS_BLANKS = bytes.maketrans(b"\r\n", b"  ")


class Sink(Protocol):
    """Where a text goes."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""


Source = tuple[str, AbstractContextManager[IO[bytes]]]
"""A name for errors, and the open Parquet file."""


def write_texts(
    sources: Iterable[Source],
    *,
    retracted: Collection[str],
    ndjson: Sink,
    csv: Sink,
    reflowed: Sink,
    leaves: LeafRuns,
) -> int:
    """Write the events of Parquet files as texts, in the order of the files and their rows.

    Args:
        sources: the files.
        retracted: ids of snapshots whose rows are left out.
        ndjson: gets the raw texts, one a line.
        csv: gets the typed columns.
        reflowed: gets a line for each raw text whose line breaks became blanks.
        leaves: gets the leaves of the exact raw texts.

    Returns:
        The number of events.

    Raises:
        IntegrityError: a file cannot be read, or is no event file of this format.
    """
    csv.write(cells.header())
    total = 0
    for name, source in sources:
        for batch in _batches(name, source):
            shown = _without(batch, retracted)
            if shown.num_rows:
                csv.write(cells.lines(shown))
                _write_raws(shown, total + 1, ndjson, reflowed, leaves)
                total += shown.num_rows
    return total


def _batches(name: str, source: AbstractContextManager[IO[bytes]]) -> Iterator[pa.RecordBatch]:
    try:
        with (
            source as file,
            pq.ParquetFile(file, page_checksum_verification=True, buffer_size=_READ_BYTES) as parquet,
        ):
            if not parquet.schema_arrow.equals(EVENT_SCHEMA):
                raise IntegrityError(f"'{name}' has not the columns of format 1")
            yield from parquet.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)
    except (pa.ArrowException, OSError, BadZipFile) as error:
        raise IntegrityError(f"'{name}' cannot be read: {str(error).splitlines()[0]}") from error


def _without(batch: pa.RecordBatch, retracted: Collection[str]) -> pa.RecordBatch:
    if not retracted:
        return batch
    return batch.filter(pc.invert(pc.is_in(batch.column("snapshot"), pa.array(sorted(retracted), pa.string()))))


def _write_raws(batch: pa.RecordBatch, first: int, ndjson: Sink, reflowed: Sink, leaves: LeafRuns) -> None:
    raws: list[bytes] = batch.column("raw").cast(pa.binary()).to_pylist()
    snapshots: list[str] = batch.column("snapshot").to_pylist()
    shown = []
    for number, (raw, snapshot) in enumerate(zip(raws, snapshots, strict=True), first):
        one = leaf(raw)
        leaves.add(snapshot, one)
        if b"\n" in raw or b"\r" in raw:
            reflowed.write(_mark(number, one, raw))
            raw = raw.translate(_AS_BLANKS)
        shown.append(raw)
    ndjson.write(b"\n".join(shown) + b"\n")


def _mark(number: int, one: bytes, raw: bytes) -> bytes:
    """``LINE LEAF BREAKS``; breaks are where blanks stand for LF (``n``) and CR (``r``), in bytes, from 1."""
    breaks = ",".join(f"{_MARKS[match[0]]}{match.start() + 1}" for match in _BREAK.finditer(raw))
    return f"{number} {one.hex()} {breaks}\n".encode("ascii")
