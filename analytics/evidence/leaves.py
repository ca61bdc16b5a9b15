"""The leaves of a month, sorted by snapshot in bounded memory.

What does not fit goes to a spool file as sorted runs, which are merged at the end. See ``store.digests`` for what leaf
and digest are.
"""

from __future__ import annotations

import heapq
import os
from collections import defaultdict
from collections.abc import Iterator
from typing import IO

LEAF_BYTES = 32
HELD_LEAVES = 262_144
_RUN_BLOCK = 2048 * LEAF_BYTES


class LeafRuns:
    """A growing multiset of leaves by snapshot.

    Args:
        spool: an empty file to put what does not fit in memory; it belongs to this object from now on.
        held: how many leaves may be held in memory.
    """

    def __init__(self, spool: IO[bytes], *, held: int = HELD_LEAVES) -> None:
        self._spool = spool
        self._limit = held
        self._count = 0
        self._held: dict[str, list[bytes]] = defaultdict(list)
        self._runs: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def add(self, snapshot: str, leaf: bytes) -> None:
        """Count one event's leaf."""
        self._held[snapshot].append(leaf)
        self._count += 1
        if self._count >= self._limit:
            self._spill()

    def snapshots(self) -> list[str]:
        """All snapshots that have leaves, sorted."""
        return sorted(self._held.keys() | self._runs.keys())

    def sorted(self, snapshot: str) -> Iterator[bytes]:
        """The leaves of one snapshot, sorted bytewise, repeats kept."""
        runs = [self._read(offset, size) for offset, size in self._runs.get(snapshot, ())]
        return heapq.merge(*runs, sorted(self._held.get(snapshot, ())))

    def lines(self, snapshot: str) -> Iterator[bytes]:
        """The text whose SHA-256 is the digest: a leaf a line in lower-case hex; in blocks."""
        block: list[str] = []
        for leaf in self.sorted(snapshot):
            block.append(leaf.hex())
            if len(block) == 4096:
                yield ("\n".join(block) + "\n").encode("ascii")
                block = []
        if block:
            yield ("\n".join(block) + "\n").encode("ascii")

    def _spill(self) -> None:
        offset = self._spool.seek(0, os.SEEK_END)
        for snapshot, leaves in self._held.items():
            data = b"".join(sorted(leaves))
            self._spool.write(data)
            self._runs[snapshot].append((offset, len(data)))
            offset += len(data)
        self._spool.flush()
        self._held.clear()
        self._count = 0

    def _read(self, offset: int, size: int) -> Iterator[bytes]:
        end = offset + size
        while offset < end:
            block = os.pread(self._spool.fileno(), min(_RUN_BLOCK, end - offset), offset)
            if not block:
                raise OSError("the spool file ended early")
            yield from (block[at : at + LEAF_BYTES] for at in range(0, len(block), LEAF_BYTES))
            offset += len(block)
