"""Leaves and digests: how a set of raw events is named by one number.

leaf = SHA-256 of the raw text's bytes. digest = SHA-256 over the lower-case hex leaves, sorted bytewise, repeats
kept, each followed by LF; of the empty set, SHA-256 of no bytes. ``LC_ALL=C sort | sha256sum`` computes the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

EMPTY = hashlib.sha256(b"").hexdigest()


def leaf(raw: bytes) -> bytes:
    """The 32 bytes of an event's leaf."""
    return hashlib.sha256(raw).digest()


def digest(leaves: Iterable[bytes]) -> str:
    """The digest of a set of leaves (32 bytes each), as lower-case hex."""
    hasher = hashlib.sha256()
    ordered = sorted(leaves)
    for start in range(0, len(ordered), 1024):
        hasher.update("".join([one.hex() + "\n" for one in ordered[start : start + 1024]]).encode())
    return hasher.hexdigest()


class Tally:
    """A growing multiset of leaves by month, with a bounded cost of 32 bytes and a pointer an event."""

    def __init__(self) -> None:
        self._leaves: dict[str, list[bytes]] = {}

    def month(self, month: str) -> list[bytes]:
        """The leaves of a month, to append to."""
        return self._leaves.setdefault(month, [])

    def facts(self) -> dict[str, dict[str, object]]:
        """``{month: {"n": events, "digest": hex}}`` as the ledger holds it."""
        return {
            month: {"n": len(leaves), "digest": digest(leaves)}
            for month, leaves in sorted(self._leaves.items())
            if leaves
        }

    def counts(self) -> dict[str, int]:
        """Events by month."""
        return {month: len(leaves) for month, leaves in sorted(self._leaves.items()) if leaves}
