"""Leaves and digests: how a set of raw events is named by one number.

leaf = SHA-256 of the raw text's bytes. digest = SHA-256 over the lower-case hex leaves, sorted bytewise, repeats
kept, each followed by LF; of the empty set, SHA-256 of no bytes. ``LC_ALL=C sort | sha256sum`` computes the same.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

LEAF_BYTES = 32
_EACH = struct.Struct(f"{LEAF_BYTES}s").iter_unpack
EMPTY = hashlib.sha256(b"").hexdigest()


def leaf(raw: bytes) -> bytes:
    """The 32 bytes of an event's leaf."""
    return hashlib.sha256(raw).digest()


def digest(leaves: Iterable[bytes]) -> str:
    """The digest of a set of leaves (32 bytes each), as lower-case hex."""
    ordered = sorted(leaves)
    return _digest_of_sorted(b"".join(ordered), len(ordered[0])) if ordered else EMPTY


def _digest_of(leaves: bytearray) -> str:
    """The digest of leaves that stand one after another.

    Arrow sorts them in half the time, and meanwhile Python goes on with the files of the commit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(LEAF_BYTES), len(leaves) // LEAF_BYTES, [None, pa.py_buffer(leaves)]
    )
    return _digest_of_sorted(memoryview(column.take(pc.sort_indices(column)).buffers()[1]), LEAF_BYTES)


def _digest_of_sorted(leaves: bytes | memoryview, each: int) -> str:
    hasher = hashlib.sha256()
    for start in range(0, len(leaves), 1024 * each):
        hasher.update((leaves[start : start + 1024 * each].hex("\n", each) + "\n").encode())
    return hasher.hexdigest()


def split(leaves: bytes | bytearray) -> list[bytes]:
    """Leaves that stand one after another, one by one."""
    return [one for (one,) in _EACH(leaves)]


class Tally:
    """A growing multiset of leaves by month; an event costs 32 bytes."""

    def __init__(self) -> None:
        self._leaves: dict[str, bytearray] = {}

    def month(self, month: str) -> bytearray:
        """The leaves of a month one after another, to add to."""
        return self._leaves.setdefault(month, bytearray())

    def facts(self) -> dict[str, dict[str, object]]:
        """``{month: {"n": events, "digest": hex}}`` as the ledger holds it."""
        return {
            month: {"n": len(leaves) // LEAF_BYTES, "digest": _digest_of(leaves)}
            for month, leaves in sorted(self._leaves.items())
            if leaves
        }

    def counts(self) -> dict[str, int]:
        """Events by month."""
        return {month: len(leaves) // LEAF_BYTES for month, leaves in sorted(self._leaves.items()) if leaves}
