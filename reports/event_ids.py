"""The events that a finding cites: there may be half a million, so each takes the 32 bytes that it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES = 32
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class EventIds(Sequence[str]):
    """Ids of events, in hex, ascending, each once; ``packed`` are their bytes, one after another."""

    packed: bytes = b""

    @classmethod
    def of(cls, ids: pa.ChunkedArray) -> EventIds:
        """Those of a column of ``binary(32)``, in any order."""
        import pyarrow.compute as pc

        each = pc.unique(ids)
        ordered = each.take(pc.array_sort_indices(each))
        return cls(memoryview(ordered.buffers()[1])[: _BYTES * len(ordered)].tobytes() if len(ordered) else b"")

    @classmethod
    def joined(cls, several: Iterable[EventIds]) -> EventIds:
        """Those that any of several has."""
        import pyarrow as pa

        return cls.of(pa.chunked_array([one.array() for one in several], pa.binary(_BYTES)))

    def array(self) -> pa.FixedSizeBinaryArray:
        """As a column of ``binary(32)``, without a copy."""
        import pyarrow as pa

        kind = pa.binary(_BYTES)
        return pa.FixedSizeBinaryArray.from_buffers(kind, len(self), [None, pa.py_buffer(self.packed)])

    def as_items(self) -> Iterator[str]:
        """What stands between the brackets of a compact JSON array of them, many at once."""
        block = _BYTES * _AT_ONCE
        for at in range(0, len(self.packed), block):
            texts = self.packed[at : at + block].hex("|", _BYTES).replace("|", '","')
            yield f',"{texts}"' if at else f'"{texts}"'

    def __len__(self) -> int:
        return len(self.packed) // _BYTES

    def __iter__(self) -> Iterator[str]:
        return (self.packed[at : at + _BYTES].hex() for at in range(0, len(self.packed), _BYTES))

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return list(self)[index]
        at = _BYTES * range(len(self))[index]
        return self.packed[at : at + _BYTES].hex()


NO_EVENTS = EventIds()
