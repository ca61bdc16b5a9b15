"""Finds where one CSV record ends and the next begins, without changing or losing a byte.

A record may go on over line breaks inside quotes. A quote that never closes swallows the rest of the file into one
record, which is then a reject: nothing is lost, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubedossier.analytics.ingest.sources import console_csv
from kubedossier.analytics.ingest.sources.csv_cells import kind_of
from kubedossier.analytics.ingest.sources.framing import Framed, check_size

_HEADER_BYTES = 16_384


def find_header(start: bytes) -> str | None:
    """The header of a known CSV at the start of a file; None where the file is something else."""
    line = start[:_HEADER_BYTES].partition(b"\n")[0].rstrip(b"\r")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if kind_of(text) or console_csv.is_header(text) else None


def frame_csv(blocks: Iterable[bytes], header: str) -> Iterator[Framed]:
    """The records after the header, each with its exact text and the line it begins on."""
    number, first, rest, record = 0, 0, b"", b""
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            record, first = (record + b"\n" + line, first) if record else (line, number)
            if record.count(b'"') % 2 == 0:
                if first > 1 and (bare := record.rstrip(b"\r")):
                    yield Framed(bare, first, header)
                record = b""
        check_size(record + rest, f"line {first or number + 1}")
    record, first = (record + b"\n" + rest, first) if record else (rest, number + 1)
    if first > 1 and (bare := record.rstrip(b"\r\n")):
        yield Framed(bare, first, header)
