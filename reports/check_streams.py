"""The rule that comes before all others: no stream of the file unpacks to more than a report can hold.

A few kilobytes can unpack to terabytes. So each stream is unpacked here piece by piece, counted and thrown away, and
only what passed may be unpacked whole by the other rules. A report knows one way of packing, once.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from kubedossier.analytics.store.verify import Finding
from kubedossier.reports.check_document import Document

LARGEST_STREAM_BYTES = 128 * 1024 * 1024
LARGEST_TOGETHER_BYTES = 256 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024


def bounded_streams(document: Document) -> Iterator[Finding]:
    """No stream, and not all of them together, unpack to more than a report can hold."""
    import pikepdf

    together = 0
    for one in document.pdf.objects:
        if not isinstance(one, pikepdf.Stream):
            continue
        where = f"object {one.objgen[0]}"
        packed = _filters(one)
        if packed not in ([], ["/FlateDecode"]):
            yield Finding("bounded-streams", where, "/FlateDecode once, or nothing", " ".join(packed)[:80])
            continue
        room = min(LARGEST_STREAM_BYTES, LARGEST_TOGETHER_BYTES - together)
        size = _size(one.read_raw_bytes(), room) if packed else len(one.read_raw_bytes())
        together += size
        if size > room:
            whole = f"{LARGEST_STREAM_BYTES:,} bytes, all {LARGEST_TOGETHER_BYTES:,}"
            yield Finding("bounded-streams", where, f"at most {whole}", f"more than {size:,} bytes")
            return


def _filters(stream: Any) -> list[str]:
    """How a stream is packed, in order; abbreviated names are those of inline images and not of a stream."""
    import pikepdf

    found = stream.get("/Filter", [])
    return [str(one) for one in found] if isinstance(found, pikepdf.Array) else [str(found)] if found else []


def _size(packed: bytes, room: int) -> int:
    """The size of a deflated stream, or the first one beyond the room there is; a broken one ends where it breaks."""
    unpacking, size, rest = zlib.decompressobj(), 0, packed
    try:
        while rest and size <= room and not unpacking.eof:
            size += len(unpacking.decompress(rest, _PIECE_BYTES))
            rest = unpacking.unconsumed_tail
    except zlib.error:
        pass  # which the rule about the syntax tells
    return size
