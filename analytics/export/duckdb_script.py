"""A script that opens the archive in DuckDB itself: its command line, DBeaver, or a notebook without this package.

The script makes temporary views over the files that the ledger names, so that nothing is written into the database it
is run in. It cannot stop whoever runs it from writing elsewhere: it is for people who may read the archive anyway.
"""
# ruff: noqa: S608 - this module writes SQL from names of the project's own and paths of the ledger

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kubedossier import __version__
from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.views import (
    Scope,
    events_sql,
    kept,
    literal_path,
    quoted,
    records_sql,
    techniques_sql,
)

_HEAD = """\
-- The archive {path} as of ledger entry {number},
-- SHA-256 {digest}.
-- Made by kubedossier {version}. Usage: duckdb -init THIS_FILE, or run it in any DuckDB client (1.3 or later).
--
-- Temporary views: records (all that was archived), events (records without those that a later stage of the same
-- request replaces) and attack_techniques. Times are UTC without a zone. Files that were added or merged later are
-- not seen: make the script anew after a snapshot, an import or 'kubedossier compact'.
"""


def script(archive: Archive) -> str:
    """The statements that make the views, with the absolute paths of the archive's files.

    Raises:
        UsageError: the archive holds no events yet.
    """
    root, ledger = archive.path.resolve(), archive.ledger
    files = ledger.live()
    if not files:
        raise UsageError(f"The archive at '{archive.path}' holds no events yet")
    parts = {
        "complete_files": [root / one.path for one in files if not one.incomplete],
        "incomplete_files": [root / one.path for one in files if one.incomplete],
    }
    found = {name: paths for name, paths in parts.items() if paths}
    relations = {name: kept(name, ledger.retracted) for name in found}
    number, digest = ledger.head
    statements = [
        *(_view(name, f"select * from {_read(paths)}") for name, paths in found.items()),
        _view("records", records_sql(tuple(relations.values()), Scope())),
        _view("events", events_sql(relations.get("complete_files"), relations.get("incomplete_files"), Scope())),
        _view("attack_techniques", techniques_sql()),
    ]
    shown = "".join(char if char.isprintable() else "?" for char in str(root))
    head = _HEAD.format(path=shown, number=number, digest=digest, version=__version__)
    return "\n".join([head, "set TimeZone = 'UTC';\n", *statements])


def _view(name: str, sql: str) -> str:
    return f"create or replace temporary view {name} as\n{sql};\n"


def _read(paths: Iterable[Path]) -> str:
    listed = ",\n  ".join(quoted(literal_path(str(path))) for path in paths)
    return f"read_parquet([\n  {listed}\n], hive_partitioning = true, hive_types = {{{quoted('month')}: varchar}})"
