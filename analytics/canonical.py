"""The canonical lines of an Arrow table, column by column: what ``answers.canonical_lines`` gives row by row, faster.

A report hashes every row behind its numbers, and a month may have a million of them. Whatever is not plain (text with
a quote or a control character, a type that is rare) is written by the slow and simple way, so both always agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 4096
"""Rows written at once: few enough that their text stays in the processor's cache."""
_FIRST_PLAIN = 0x20


def arrow_lines(table: pa.Table, slow: Callable[[object], str]) -> Iterator[memoryview]:
    """The rows of a table as canonical lines, many at once; ``slow`` writes one value as JSON."""
    if not table.num_columns:
        return
    for batch in table.to_batches(max_chunksize=_BATCH):
        texts = [_texts(column, slow) for column in batch.columns]
        texts[0] = _joined("[", texts[0], "")
        texts[-1] = _joined(texts[-1], "]\n", "")
        data = text_of(_joined(*texts, ","))
        if data is not None:
            yield data


def text_of(column: pa.Array) -> memoryview | None:
    """The UTF-8 of all values of a column of strings, one after another; None where there is none."""
    _, offsets, data = column.buffers()
    if data is None or not len(column):
        return None
    bounds = memoryview(offsets).cast("i")
    return memoryview(data)[bounds[column.offset] : bounds[column.offset + len(column)]]


def is_plain(column: pa.Array) -> bool:
    """Whether no value of a column of strings has a quote, a backslash or a control character."""
    import pyarrow as pa
    import pyarrow.compute as pc

    data = text_of(column)
    if not data:
        return True
    least = pc.min(pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])).as_py()
    text = data.tobytes()
    return bool(least >= _FIRST_PLAIN) and b'"' not in text and b"\\" not in text


def _joined(*parts: Any) -> pa.Array:
    """Columns and constants joined by the last of them; JSON's null for what is missing."""
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*parts, null_handling="replace", null_replacement="null")


def _texts(column: pa.Array, slow: Callable[[object], str]) -> pa.Array:
    """Each value of a column as JSON; null for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_large_string(kind):
        column, kind = column.cast(pa.string()), pa.string()
    if pa.types.is_string(kind) and is_plain(column):
        return pc.binary_join_element_wise('"', column, '"', "")
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.string())
    if pa.types.is_date32(kind):
        return pc.binary_join_element_wise('"', column.cast(pa.string()), '"', "")
    if pa.types.is_timestamp(kind) and kind.unit == "us":
        moments = column.cast(pa.timestamp("us")).cast(pa.string())
        return pc.binary_join_element_wise('"', pc.replace_substring(moments, " ", "T"), 'Z"', "")
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        values = column.flatten()
        if not values.null_count and is_plain(values):
            lists = pc.binary_join_element_wise('["', pc.binary_join(column, '","'), '"]', "")
            return pc.if_else(pc.equal(pc.list_value_length(column), 0), "[]", lists)
    return pa.array([slow(value) for value in column.to_pylist()], pa.string())
