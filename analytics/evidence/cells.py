"""Rows as CSV: UTF-8, LF, text quoted, null an empty cell without quotes, times in UTC with ``Z``.

A text cell that a spreadsheet would run as a formula gets a leading apostrophe; numbers, times and hashes stay as they
are. The exact text of an event is in events.ndjson. This is part of the bundle's format 1: a check makes the cells
again and compares them byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kubedossier.analytics.schema import EVENT_SCHEMA

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = tuple(name for name in EVENT_SCHEMA.names if name != "raw")


def header(names: Iterable[str] = COLUMNS) -> bytes:
    """The first line."""
    return (",".join(_quoted(name) for name in names) + "\n").encode()


def lines(batch: pa.RecordBatch) -> bytes:
    """Events as lines, one a row, unless a cell has line breaks of its own."""
    columns = [_cells(batch.column(name)) for name in COLUMNS]
    return "".join(",".join(row) + "\n" for row in zip(*columns, strict=True)).encode()


def text_line(values: Iterable[str]) -> bytes:
    """A line of text cells."""
    return (",".join(text_cell(value) for value in values) + "\n").encode()


def text_cell(text: str) -> str:
    """A cell of text, quoted, harmless in a spreadsheet."""
    return _quoted("'" + text if text.startswith(FORMULA_STARTS) else text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _cells(column: pa.Array) -> list[str]:
    kind = column.type
    if pa.types.is_string(kind):
        return _text_cells(column)
    if pa.types.is_map(kind):
        return _nested_cells(column, dict)
    if pa.types.is_list(kind):
        return _nested_cells(column, list)
    if pa.types.is_fixed_size_binary(kind):
        return ["" if value is None else value.hex() for value in column.to_pylist()]
    texts = column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        texts = pc.binary_join_element_wise(pc.replace_substring(texts, " ", "T"), "Z", "")
    return [value or "" for value in texts.to_pylist()]


def _text_cells(column: pa.Array) -> list[str]:
    distinct = column.dictionary_encode()
    cells = [text_cell(value) for value in distinct.dictionary.to_pylist()]
    return ["" if index is None else cells[index] for index in distinct.indices.to_pylist()]


def _nested_cells(column: pa.Array, shape: Callable[[Any], Any]) -> list[str]:
    """Lists and maps as JSON; their text starts with a bracket, never as a formula."""
    known: dict[Any, str] = {}
    cells = []
    for value in column.to_pylist():
        if value is None:
            cells.append("")
            continue
        key = tuple(value)
        if key not in known:
            known[key] = _quoted(json.dumps(shape(value), ensure_ascii=False, separators=(",", ":")))
        cells.append(known[key])
    return cells
