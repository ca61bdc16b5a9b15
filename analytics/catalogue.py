"""The catalogue of questions: ``.sql`` files whose header says what they take, what they give and what they miss.

A header that is parsed cannot rot: every file is checked when it is loaded, and an error names the file and the
line. The package's own questions and a user's folder go through the same function. This module must never run SQL.

A file is a header of comment lines, then one ``select``::

    -- title: Top users
    -- question: Which users caused the most events?
    -- parameters:
    --   period_start timestamp: first moment of the period
    --   limit bigint = 20: at most so many rows
    -- columns:
    --   user varchar: as the Console received it
    --   events bigint [events]: in the period
    -- order: events desc, user
    -- reads: period
    -- trend: user
    -- spare: first_time
    -- notes: what the answer does not see
    select ...

``trend`` names the columns that tell apart what each row counts, so that a table for people can draw its events by
day; ``spare`` the columns that a narrow table leaves out first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from kubedossier.analytics.catalogue_tables import spare, trend
from kubedossier.analytics.errors import UsageError

Reads = Literal["period", "period+previous", "history"]
TYPES = ("varchar", "varchar[]", "bigint", "double", "boolean", "timestamp", "date")
GIVEN = ("period_start", "period_end", "previous_start")
"""Parameters that come from the period and never from the user."""

_KEYS = ("title", "question", "parameters", "columns", "order", "reads", "trend", "spare", "notes")
_OPTIONAL = ("parameters", "trend", "spare")
_PARAMETER = re.compile(r"([a-z][a-z0-9_]*) ([a-z\[\]]+)(?: = (.+?))?: (.+)")
_COLUMN = re.compile(r"([a-z][a-z0-9_]*) ([a-z\[\]]+)(?: \[(.+?)\])?: (.+)")
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named parameter of a query.

    Attributes:
        name: as in the SQL, without ``$``.
        type: one of TYPES.
        default: the value when none is given; None also stands for SQL's null.
        required: whether the user must give it.
        text: what it means.
    """

    name: str
    type: str
    default: object
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a query's answer: its name, type (one of TYPES), unit (may be empty) and meaning."""

    name: str
    type: str
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question of the catalogue.

    Attributes:
        name: the file's name without ``.sql``.
        reads: how much of the archive it looks at: the period, also the one before, or all of it up to the period.
        order: the total order of the rows, in words of SQL.
        notes: how to read the answer and what it misses.
        sql: the statement without the header.
        trusted: whether it belongs to the package.
        place: the file, as an error names it.
        line: of the file, on which the statement begins.
        trend: columns that tell the rows' subjects apart, each with what it is of an event, in SQL; empty where the
            rows have no trend.
        spare: columns that a narrow table leaves out, the first of them first.
    """

    name: str
    title: str
    question: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    order: str
    reads: Reads
    notes: str
    sql: str
    trusted: bool
    place: str
    line: int
    trend: tuple[tuple[str, str], ...] = ()
    spare: tuple[str, ...] = ()


@cache
def packaged() -> Mapping[str, Query]:
    """The package's own queries by name, sorted."""
    return load(resources.files("kubedossier").joinpath("queries"), trusted=True)


def load(folder: Traversable | Path, *, trusted: bool = False) -> dict[str, Query]:
    """Read every ``.sql`` file of a folder, sorted by name.

    Raises:
        UsageError: the folder or a file cannot be read, or a header is wrong; names file and line.
    """
    try:
        files = sorted((one for one in folder.iterdir() if one.name.endswith(".sql")), key=lambda one: one.name)
        texts = [(one.name, one.read_text("utf-8")) for one in files]
    except OSError as error:
        raise UsageError(f"Cannot read the queries in '{folder}': {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"Cannot read the queries in '{folder}': a file is not UTF-8 text") from error
    return {
        name.removesuffix(".sql"): parse(text, name if trusted else f"{folder}/{name}", trusted=trusted)
        for name, text in texts
    }


def parse(text: str, file: str, *, trusted: bool = False) -> Query:
    """Read one query file.

    Raises:
        UsageError: something is missing, unknown or contradicts the SQL; names file and line.
    """
    name = file.rpartition("/")[2].removesuffix(".sql")
    if not _NAME.fullmatch(name):
        raise _wrong(file, 1, "a query's name is lower case letters, digits and '_'")
    header, sql, first_line = _split(text, file)
    for key in _KEYS:
        if key not in header and key not in _OPTIONAL:
            raise _wrong(file, 1, f"the header lacks '{key}'")
    parameters = tuple(_parameter(line, text, file) for line, text in _items(header, "parameters"))
    columns = tuple(_column(line, text, file) for line, text in _items(header, "columns"))
    reads = _reads(header, file)
    for kind, names in (("parameter", [p.name for p in parameters]), ("column", [c.name for c in columns])):
        if len(set(names)) != len(names):
            raise _wrong(file, 1, f"a {kind} is declared twice")
    if not columns:
        raise _wrong(file, header["columns"][0][0], "no column is declared")
    _check_sql(sql, {one.name for one in parameters}, file, first_line)
    words = {key: _text(header, key) for key in ("title", "question", "order", "notes")}
    more = _of_tables(header, columns, file)
    return Query(
        name, parameters=parameters, columns=columns, reads=reads, sql=sql, trusted=trusted, place=file,
        line=first_line, trend=more[0], spare=more[1], **words,
    )  # fmt: skip


def nearest(name: str, names: Mapping[str, Query]) -> str | None:
    """The known name most like a misspelt one, or None."""
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return found[0] if found else None


def bare(sql: str) -> str:
    """The SQL without comments, its strings and quoted names emptied: what is left may be searched for words."""
    return _TOKEN.sub(lambda match: match[0][0] * 2 if match[0][0] in "'\"" else " ", sql)


Header = dict[str, list[tuple[int, str]]]


def _split(text: str, file: str) -> tuple[Header, str, int]:
    header: Header = {}
    key = ""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.startswith("--"):
            sql = "\n".join(lines[number - 1 :])
            blank = sql[: len(sql) - len(sql.lstrip())].count("\n")
            return header, sql.strip() + "\n", number + blank
        if match := re.fullmatch(r"-- ([a-z]+):(?: (.*))?", line.rstrip()):
            key = match[1]
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, n=1)
                raise _wrong(file, number, f"unknown '{key}'" + (f"; did you mean '{near[0]}'?" if near else ""))
            if key in header:
                raise _wrong(file, number, f"'{key}' appears twice")
            header[key] = [(number, (match[2] or "").strip())]
        elif line.startswith("--   ") and key:
            header[key].append((number, line[5:].rstrip()))
        else:
            raise _wrong(file, number, "a header line is '-- key: text', or continues with three blanks")
    return header, "", len(lines)


def _items(header: Header, key: str) -> Iterator[tuple[int, str]]:
    """The entries of a list; a deeper indented line continues the one before."""
    pending: tuple[int, str] | None = None
    for line, text in header.get(key, [])[1:]:
        if text.startswith("  ") and pending:
            pending = (pending[0], f"{pending[1]} {text.strip()}")
            continue
        if pending:
            yield pending
        pending = (line, text.strip())
    if pending:
        yield pending


def _text(header: Header, key: str) -> str:
    return " ".join(text.strip() for _, text in header[key]).strip()


def _reads(header: Header, file: str) -> Reads:
    text = _text(header, "reads")
    known: tuple[Reads, ...] = ("period", "period+previous", "history")
    for one in known:
        if text == one:
            return one
    raise _wrong(file, header["reads"][0][0], f"'reads' is period, period+previous or history, not '{text}'")


def _of_tables(
    header: Header, columns: tuple[Column, ...], file: str
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The entries ``trend`` and ``spare``."""
    names = [one.name for one in columns]
    key = "trend"
    try:
        traced = trend(_text(header, key), names) if key in header else ()
        key = "spare"
        return traced, spare(_text(header, key), names) if key in header else ()
    except ValueError as error:
        raise _wrong(file, header[key][0][0], str(error)) from error


def _parameter(line: int, text: str, file: str) -> Parameter:
    match = _PARAMETER.fullmatch(text)
    if not match:
        raise _wrong(file, line, f"a parameter is 'name type = default: meaning', not '{text}'")
    name, kind, default, meaning = match.groups()
    _known_type(kind, line, file)
    if default is None or default == "none":
        return Parameter(name, kind, None, default is None and name not in GIVEN, meaning)
    try:
        return Parameter(name, kind, read_value(default.strip("'"), kind), False, meaning)
    except ValueError as error:
        raise _wrong(file, line, f"the default of '{name}': {error}") from error


def _column(line: int, text: str, file: str) -> Column:
    match = _COLUMN.fullmatch(text)
    if not match:
        raise _wrong(file, line, f"a column is 'name type [unit]: meaning', not '{text}'")
    _known_type(match[2], line, file)
    if match[2] in ("bigint", "double") and not match[3]:
        raise _wrong(file, line, f"the number '{match[1]}' needs a unit in brackets")
    return Column(match[1], match[2], match[3] or "", match[4])


def _known_type(kind: str, line: int, file: str) -> None:
    if kind not in TYPES:
        raise _wrong(file, line, f"unknown type '{kind}'; known are {', '.join(TYPES)}")


def read_value(text: str, kind: str) -> object:
    """A parameter's value from its text.

    Raises:
        ValueError: the text is no value of that type; says what was expected.
    """
    if kind in ("varchar", "varchar[]"):
        return text if kind == "varchar" else [part.strip() for part in text.split(",") if part.strip()]
    if kind == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"'{text}' is not true or false")
        return text == "true"
    try:
        return _READERS[kind](text)
    except ValueError:
        raise ValueError(f"'{text}' is not a {kind}") from None


_READERS: dict[str, Callable[[str], object]] = {
    "bigint": int,
    "double": float,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
}


def _check_sql(sql: str, declared: set[str], file: str, line: int) -> None:
    plain = bare(sql)
    if not re.match(r"\s*(select|with)\b", plain, re.IGNORECASE):
        raise _wrong(file, line, "after the header comes one select")
    if ";" in plain.rstrip().rstrip(";"):
        raise _wrong(file, line, "a file holds one statement")
    if re.search(r"\?|\$\d", plain):
        raise _wrong(file, line, "parameters have names, as in $limit")
    used = set(re.findall(r"\$([A-Za-z_]\w*)", plain))
    if missing := sorted(used - declared):
        raise _wrong(file, line, f"the SQL uses ${missing[0]}, which the header does not declare")
    if spare := sorted(declared - used):
        raise _wrong(file, line, f"the header declares '{spare[0]}', which the SQL does not use")


def _wrong(file: str, line: int, what: str) -> UsageError:
    return UsageError(f"{file}, line {line}: {what}", hint="See queries/README.md for the form of a query file.")
