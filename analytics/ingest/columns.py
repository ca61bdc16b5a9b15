"""Values become Arrow columns, of the types of ``EVENT_SCHEMA``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute

from kubedossier.analytics.schema import EVENT_SCHEMA

_Value = TypeVar("_Value", bound=Hashable)


def column(name: str, values: Sequence[Any]) -> pa.Array:
    """A column of values; lists are lists or tuples, times count microseconds and dates days since the epoch."""
    kind = EVENT_SCHEMA.field(name).type
    if name == "raw":
        return _text_from_bytes(values)
    if pa.types.is_date32(kind) or pa.types.is_timestamp(kind):
        return pa.array(values, pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(kind)
    return pa.array(values, kind)


def spread(values: Sequence[_Value], **columns: Callable[[_Value], Any]) -> dict[str, pa.Array]:
    """Columns of values that repeat a lot: made of the few distinct ones, and spread by index.

    Args:
        values: what the columns are made of.
        columns: for each column, what it has of a value.
    """
    distinct = dict.fromkeys(values)
    places = dict(zip(distinct, range(len(distinct)), strict=True))
    indices = pa.array(list(map(places.__getitem__, values)), pa.int32())
    return {
        name: pa.array([read(one) for one in distinct], EVENT_SCHEMA.field(name).type).take(indices)
        for name, read in columns.items()
    }


def same(value: Any, count: int, name: str) -> pa.Array:
    """A column of one value."""
    return pa.repeat(pa.scalar(value, EVENT_SCHEMA.field(name).type), count)


def _text_from_bytes(values: Sequence[bytes]) -> pa.Array:
    """Raw texts (already known to be UTF-8) as a string array, without decoding and encoding them."""
    lengths = pa.array([0, *map(len, values)], pa.int32())
    offsets = pa.compute.cumulative_sum_checked(lengths).cast(pa.int32())
    return pa.Array.from_buffers(pa.string(), len(values), [None, offsets.buffers()[1], pa.py_buffer(b"".join(values))])
