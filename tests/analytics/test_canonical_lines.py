"""The canonical lines of an Arrow table are those of its rows, whatever the rows hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from kubedossier.analytics import canonical
from kubedossier.analytics.answers import _text, canonical_lines

TEXTS = [
    "plain",
    "",
    None,
    'quo"te',
    "back\\slash",
    "tab\t",
    "nul\x00",
    "\x1f",
    "\x7f",
    "ünïcode \u202e \U0001f600",
    "a/b",
]
TIMES = [datetime(2026, 10, 1), datetime(2026, 10, 1, 12, 30, 1, 5), None, datetime(1, 1, 1), datetime(9999, 12, 31)]
COLUMNS = {
    "text": pa.array(TEXTS),
    "plain text": pa.array(["a", None, "", "b c"]),
    "large": pa.array(["a", None, 'b"'], pa.large_string()),
    "dictionary": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "number": pa.array([0, -1, None, 2**62]),
    "truth": pa.array([True, False, None]),
    "double": pa.array([0.1, 1e-9, 1e22, 3.0, None, -0.0]),
    "time": pa.array(TIMES, pa.timestamp("us")),
    "zoned": pa.array([one and one.replace(tzinfo=UTC) for one in TIMES], pa.timestamp("us", "UTC")),
    "seconds": pa.array([datetime(2026, 10, 1)], pa.timestamp("s")),
    "day": pa.array([date(2026, 10, 1), None, date(1, 1, 1), date(9999, 12, 31)]),
    "list": pa.array([["a", "b"], [], None, ["c"]]),
    "list with more": pa.array([["a", None], ['q"'], []]),
    "bytes": pa.array([b"\x00\xff", None]),
    "decimal": pa.array([Decimal("1.50"), None]),
    "nothing": pa.array([None, None]),
    "none": pa.array([], pa.string()),
}


def both(table: pa.Table) -> tuple[bytes, bytes]:
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    slow = b"".join(list(canonical_lines(table.column_names, rows))[1:])
    return b"".join(canonical.arrow_lines(table, _text)), slow


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_gives_the_lines_of_its_rows(name):
    fast, slow = both(pa.table({"x": COLUMNS[name]}))
    assert fast == slow


@pytest.mark.parametrize("name", COLUMNS)
def test_so_do_columns_together_and_parts_of_a_table(name, monkeypatch):
    monkeypatch.setattr(canonical, "_BATCH", 2)
    column = COLUMNS[name]
    table = pa.table({"a": column, "n": pa.array(range(len(column))), "b": column})
    for part in (table, table.slice(1), table.slice(1, 2), pa.concat_tables([table, table])):
        fast, slow = both(part)
        assert fast == slow
