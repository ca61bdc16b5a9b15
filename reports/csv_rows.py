"""Rows as CSV, column by column: UTF-8, LF, text quoted, null an empty cell without quotes, times in UTC with ``Z``.

Text cells that a spreadsheet would run as a formula get a leading apostrophe. What is rare is written value by value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.canonical import is_plain, text_of

if TYPE_CHECKING:
    import pyarrow as pa

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_FORMULA = r"\A[=+\-@\t\r]"
_BATCH = 4096


def csv_head(names: Iterable[str]) -> bytes:
    """The line with the names of the columns."""
    return (",".join(_quoted(name) for name in names) + "\n").encode("utf-8", "surrogatepass")


def csv_rows(table: pa.Table) -> Iterator[bytes]:
    """The lines of the rows, many at once."""
    import pyarrow.compute as pc

    for batch in table.to_batches(max_chunksize=_BATCH):
        cells = [_cells(column) for column in batch.columns]
        cells[-1] = pc.binary_join_element_wise(cells[-1], "\n", "", null_handling="replace")
        lines = text_of(pc.binary_join_element_wise(*cells, ",", null_handling="replace"))
        if lines is not None:
            yield bytes(lines)


def time_text(value: datetime | date) -> str:
    """A moment of UTC to the microsecond, or a day."""
    if not isinstance(value, datetime):
        return value.isoformat()
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def plain(value: object) -> Any:
    """A parameter or a nested cell as JSON knows it."""
    if isinstance(value, datetime | date):
        return time_text(value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


def _cells(column: pa.Array) -> pa.Array:
    """The cells of a column; null for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(kind):
        sign = pc.if_else(pc.match_substring_regex(column, _FORMULA), "\"'", '"')
        return pc.binary_join_element_wise(sign, pc.replace_substring(column, '"', '""'), '"', "")
    if pa.types.is_integer(kind) or pa.types.is_date32(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind) and kind.unit == "us":
        moments = column.cast(pa.timestamp("us")).cast(pa.string())
        return pc.binary_join_element_wise(pc.replace_substring(moments, " ", "T"), "Z", "")
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        values = column.flatten()
        if not values.null_count and is_plain(values):
            lists = pc.binary_join_element_wise('"[""', pc.binary_join(column, '"",""'), '""]"', "")
            return pc.if_else(pc.equal(pc.list_value_length(column), 0), '"[]"', lists)
    return pa.array([_cell(value) for value in column.to_pylist()], pa.string())


def _cell(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime | date):
        return time_text(value)
    if isinstance(value, bytes):
        return value.hex()
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    return _quoted("'" + text if text.startswith(FORMULA_STARTS) else text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
