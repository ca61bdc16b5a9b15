"""All the questions that can be asked: those of the package, and those a user keeps in a folder.

A user's file may not take a name of the package's: two people who ask ``top_users`` must get the same answer. What a
user's file gives is held against what its header declares; every error names the file and the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedossier.analytics.catalogue import Query, load, nearest, packaged
from kubedossier.analytics.errors import KubedossierError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def library(folder: str | Path | None = None) -> Mapping[str, Query]:
    """The package's queries by name, sorted, then those of a folder, sorted.

    Raises:
        UsageError: the folder cannot be read, or a file in it is wrong or has the name of a built-in query.
    """
    own = load(Path(folder)) if folder is not None else {}
    for name, query in own.items():
        if name in packaged():
            raise UsageError(
                f"{query.place}, line 1: there is a built-in query of that name", hint="Give the file another name."
            )
    return {**packaged(), **own}


def find(name: str, queries: Mapping[str, Query]) -> Query:
    """A query by name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    if name in queries:
        return queries[name]
    near = nearest(name, queries)
    raise UsageError(
        f"There is no query '{name}'" + (f"; did you mean '{near}'?" if near else ""),
        hint="'kubedossier query --list' lists them.",
    )


def placed(error: KubedossierError, query: Query) -> UsageError:
    """An error of a user's SQL with its file and the line there, not the line of the statement."""
    match = re.search(r"\bLINE (\d+):", error.message)
    line = query.line + int(match[1]) - 1 if match else query.line
    first, *further = error.message.splitlines()
    near = [text for text in further if text.startswith(("Candidate bindings:", "Did you mean"))]
    return UsageError(f"{query.place}, line {line}: {' '.join([first, *near])}", hint=error.hint)


def check_columns(table: pa.Table, query: Query) -> None:
    """Hold what a user's SQL gave against the columns its header declares.

    Raises:
        UsageError: a name, the order or a type differs; names the file.
    """
    where = f"{query.place}, line {query.line}"
    declared = [one.name for one in query.columns]
    if table.column_names != declared:
        raise UsageError(
            f"{where}: the SQL gives the columns {', '.join(table.column_names)}; declared are {', '.join(declared)}",
            hint="Names and order are those of the header.",
        )
    for column, given in zip(query.columns, table.schema.types, strict=True):
        if _named(given) != column.type:
            raise UsageError(
                f"{where}: '{column.name}' is declared as {column.type}, and the SQL gives {_named(given)}",
                hint=f"Write cast(... as {column.type}) as {column.name}.",
            )


def _named(kind: Any) -> str:
    """An Arrow type by its name in a header; its own name where no header can say it."""
    import pyarrow as pa

    names = {
        pa.string(): "varchar",
        pa.int64(): "bigint",
        pa.float64(): "double",
        pa.bool_(): "boolean",
        pa.timestamp("us"): "timestamp",
        pa.date32(): "date",
    }
    if pa.types.is_list(kind) and kind.value_type == pa.string():
        return "varchar[]"
    return names.get(kind, str(kind))
