"""What the numbers rest on: each answer as an attached CSV, and the manifest whose SHA-256 is the seal.

The manifest describes the evidence and never the rendering: the same answers of the same ledger entry give the same
seal on every paper and in every format. Text cells that a spreadsheet would run as a formula get a leading
apostrophe, and the manifest says so.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from kubedossier import __version__
from kubedossier.reports.model import Attachment, Evidence

if TYPE_CHECKING:
    import polars as pl

ATTACHED_ROWS = 50_000
"""Rows of one answer that are attached; what is beyond is in the archive, and counted in the digest of the rows."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MANIFEST_NAME = "manifest.json"
_LIBRARIES = ("duckdb", "polars", "pyarrow")


class Answer(Protocol):
    """An answer of the archive, as far as a report needs it."""

    @property
    def name(self) -> str:
        """Name of the query in the catalogue."""

    @property
    def title(self) -> str:
        """Its title."""

    @property
    def question(self) -> str:
        """What it asks."""

    @property
    def sql(self) -> str:
        """The statement."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Versions of the technique rules behind it."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """The values it was run with."""

    @property
    def frame(self) -> pl.DataFrame:
        """Its rows."""

    @property
    def digest(self) -> str:
        """SHA-256 of the rows in canonical form, lower-case hex."""

    @property
    def source(self) -> str:
        """``native``, ``raw`` or ``all``: the kind of records that counts."""

    @property
    def mixed(self) -> bool:
        """Whether the period holds the other kind as well."""

    @property
    def notes(self) -> str:
        """How to read it and what it misses."""


class Collection:
    """The answers of one report in the order they were asked; gives each its mark."""

    def __init__(self) -> None:
        self.items: list[tuple[Evidence, Attachment]] = []

    def add(self, answer: Answer, *, about: str = "") -> str:
        """Keep an answer and return its mark; ``about`` tells two runs of one query apart."""
        mark = f"E{len(self.items) + 1}"
        name = f"e{len(self.items) + 1:02d}-{answer.name.replace('_', '-')}{about}.csv"
        data = csv_bytes(answer.frame.head(ATTACHED_ROWS))
        parameters = tuple((key, shown_parameter(value)) for key, value in answer.parameters.items())
        evidence = Evidence(
            mark=mark,
            name=answer.name,
            title=answer.title,
            question=answer.question,
            sql=answer.sql.strip(),
            parameters=parameters,
            rows=answer.frame.height,
            attached=min(answer.frame.height, ATTACHED_ROWS),
            digest=answer.digest,
            notes=answer.notes,
            file=name,
            sha256=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            repeats=next((one.mark for one, _ in self.items if one.name == answer.name), ""),
        )
        self.items.append((evidence, Attachment(name, f"Rows of {mark}: {answer.title}", "Data", data)))
        return mark

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """All that was asked, in order."""
        return tuple(evidence for evidence, _ in self.items)


def csv_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as CSV: UTF-8, LF, text quoted, null an empty cell without quotes, times in UTC with ``Z``."""
    import polars as pl

    head = ",".join(_quoted(name) for name in frame.columns)
    lines = frame.select(pl.concat_str([_csv_column(frame[name]) for name in frame.columns], separator=","))
    return ("\n".join([head, *lines.to_series()]) + "\n").encode("utf-8", "surrogatepass")


def _csv_column(column: pl.Series) -> pl.Series:
    """The cells of a column: text and numbers all at once, what is rare one by one."""
    import polars as pl

    if column.dtype == pl.String:
        starts = column.str.starts_with(FORMULA_STARTS[0])
        for start in FORMULA_STARTS[1:]:
            starts |= column.str.starts_with(start)
        sign = pl.select(pl.when(starts).then(pl.lit("'")).otherwise(pl.lit(""))).to_series()
        return ('"' + sign + column.str.replace_all('"', '""', literal=True) + '"').fill_null("")
    if column.dtype.is_integer():
        return column.cast(pl.String).fill_null("")
    if column.dtype == pl.Datetime("us", "UTC"):
        return column.dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ").fill_null("")
    return pl.Series(column.name, [_csv_cell(value) for value in column.to_list()], pl.String)


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime | date):
        return _time(value)
    if isinstance(value, bytes):
        return value.hex()
    text = value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    return _quoted("'" + text if text.startswith(FORMULA_STARTS) else text)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _time(value: datetime | date) -> str:
    if not isinstance(value, datetime):
        return value.isoformat()
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _plain(value: object) -> Any:
    """A parameter or a nested cell as JSON knows it."""
    if isinstance(value, datetime | date):
        return _time(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


def shown_parameter(value: object) -> str:
    """A parameter's value as one line of text."""
    if isinstance(value, datetime | date):
        return _time(value).replace(".000000Z", "Z")
    return json.dumps(_plain(value), ensure_ascii=False)


def tool_versions() -> tuple[tuple[str, str], ...]:
    """The program and the libraries that counted, with their versions."""
    libraries = [(name, metadata.version(name)) for name in _LIBRARIES]
    return (("kubedossier", __version__), ("Python", platform.python_version()), *libraries)


def manifest(head: Mapping[str, object], collection: Collection) -> Attachment:
    """The evidence manifest; the SHA-256 of its bytes is the seal."""
    content = {
        **head,
        "format": 1,
        "csv": "UTF-8, LF; null is an empty cell; text that starts with = + - @ TAB or CR has an apostrophe before it",
        "tools": dict(tool_versions()),
        "queries": [
            {
                "mark": one.mark,
                "name": one.name,
                "title": one.title,
                "sql": one.sql,
                "parameters": dict(one.parameters),
                "rows": one.rows,
                "rows_attached": one.attached,
                "rows_sha256": one.digest,
                "file": one.file,
                "file_sha256": one.sha256,
                "file_bytes": one.size_bytes,
            }
            for one in collection.evidence
        ],
    }
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    return Attachment(MANIFEST_NAME, "Evidence manifest: what was asked and the digests", "Source", text.encode())
