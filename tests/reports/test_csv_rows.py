"""Answers as CSV: what each cell is, whether written one by one or a column at once."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from kubedossier.reports import csv_rows

TEXTS = [
    "",
    None,
    'a"b',
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\tx",
    "\rx",
    "a\nb",
    "a=b",
    "\u202e\U0001f600",
    "\x00",
    "back\\slash",
]
LISTS = [["a", "b"], [], None, ["=x"], ['q"', "b"], [None], ["\n"]]
COLUMNS = {
    "text": pa.array(TEXTS),
    "number": pa.array([1, -2, None]),
    "share": pa.array([0.1, 1e22, None, -0.5]),
    "truth": pa.array([True, False, None]),
    "moment": pa.array([datetime(2026, 10, 1, 2), None, datetime(1, 1, 1, 0, 0, 0, 7)], pa.timestamp("us")),
    "zoned": pa.array([datetime(2026, 10, 1, 2, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
    "day": pa.array([date(2026, 10, 1), None, date(1, 1, 1), date(9999, 12, 31)]),
    "list": pa.array(LISTS),
    "plain list": pa.array([["=x", "b"], [], None, [""]]),
    "numbers": pa.array([[1, 2], None], pa.list_(pa.int64())),
    "bytes": pa.array([b"\x00\xff", None]),
    "nothing": pa.array([None, None]),
    "none": pa.array([], pa.string()),
}


def text(table: pa.Table) -> str:
    return (csv_rows.csv_head(table.column_names) + b"".join(csv_rows.csv_rows(table))).decode()


def test_csv_tells_null_from_empty_and_writes_times_in_utc():
    table = pa.table(
        {
            "text": ["", None, 'a"b'],
            "number": [1, -2, None],
            "at": pa.array([datetime(2026, 10, 1, 2), None, None], pa.timestamp("us")),
            "list": [["=x"], [], None],
        }
    )
    assert text(table) == (
        '"text","number","at","list"\n"",1,2026-10-01T02:00:00.000000Z,"[""=x""]"\n,-2,,"[]"\n"a""b",,,\n'
    )


@pytest.mark.parametrize("batch", [2, 4096])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_at_once_gives_what_its_values_give_alone(name, batch, monkeypatch):
    monkeypatch.setattr(csv_rows, "_BATCH", batch)
    column = COLUMNS[name]
    for part in (column, column[1:], pa.concat_arrays([column, column])):
        alone = [f"{number},{csv_rows._cell(one) or ''}\n" for number, one in enumerate(part.to_pylist())]
        table = pa.table({"n": list(range(len(part))), "x": part}, schema=pa.schema({"n": pa.int64(), "x": part.type}))
        assert text(table) == '"n","x"\n' + "".join(alone)


def test_a_reader_of_csv_gets_the_texts_back_and_no_formula():
    lines = text(pa.table({"x": [one or "" for one in TEXTS]})).split("\n", 1)[1]
    found = [row[0] for row in csv.reader(lines.splitlines(keepends=True), strict=True)]
    formulas = ("=", "+", "-", "@", "\t", "\r")
    assert found == [f"'{one}" if (one or "").startswith(formulas) else one or "" for one in TEXTS]
