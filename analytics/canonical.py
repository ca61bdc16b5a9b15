"""The canonical lines of an Arrow table, column by column: what ``answers.canonical_lines`` gives row by row, faster.

A report hashes every row behind its numbers, and a month may have a million of them. Whatever is not plain (text with
a quote or a control character, a type that is rare) is written by the slow and simple way, so both always agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 20_000
_ESCAPED = '["\\\\\\x00-\\x1f]'


def arrow_lines(table: pa.Table, slow: Callable[[object], str]) -> Iterator[memoryview]:
    """The rows of a table as canonical lines, many at once; ``slow`` writes one value as JSON."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not table.num_columns:
        return
    for batch in table.to_batches(max_chunksize=_BATCH):
        columns = [_texts(column, slow) for column in batch.columns]
        inner = pc.binary_join_element_wise(*columns, ",") if len(columns) > 1 else columns[0]
        lines = pc.binary_join_element_wise("[", inner, "]\n", "")
        if isinstance(lines, pa.Scalar):
            continue
        _, offsets, data = lines.buffers()
        if data is None:
            continue
        bounds = memoryview(offsets).cast("i")
        start, end = bounds[lines.offset], bounds[lines.offset + len(lines)]
        yield memoryview(data)[start:end]


def _texts(column: pa.Array, slow: Callable[[object], str]) -> pa.Array:
    """Each value of a column as JSON."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    made: Any = None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if _is_plain(column):
            made = pc.binary_join_element_wise('"', column.cast(pa.string()), '"', "")
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        made = column.cast(pa.string())
    elif pa.types.is_timestamp(kind) and kind.unit == "us":
        moments = column.cast(pa.timestamp("us")).cast(pa.string())
        made = pc.binary_join_element_wise('"', pc.replace_substring(moments, " ", "T"), 'Z"', "")
    elif pa.types.is_list(kind) and pa.types.is_string(kind.value_type) and _is_plain(column.flatten(), nulls=False):
        inner = pc.binary_join(column, '","')
        made = pc.if_else(
            pc.equal(pc.list_value_length(column), 0), "[]", pc.binary_join_element_wise('["', inner, '"]', "")
        )
    if made is None:
        return pa.array([slow(value) for value in column.to_pylist()], pa.string())
    return pc.fill_null(made, "null")


def _is_plain(column: pa.Array, *, nulls: bool = True) -> bool:
    import pyarrow.compute as pc

    if not nulls and column.null_count:
        return False
    return not pc.any(pc.match_substring_regex(column, _ESCAPED)).as_py()
