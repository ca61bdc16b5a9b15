"""Questions to DuckDB: the only module that knows it.

Two kinds of SQL are run. The package's own reads the Parquet files that the ledger names. Foreign SQL (a user's text,
file or notebook) gets the same views over registered datasets, with the file system closed and the configuration
locked: DuckDB's ``allowed_directories`` would still permit ``COPY`` over an archived file. This module must never
list folders, never put a user's value into SQL text, and never let foreign SQL near a file.
"""

from __future__ import annotations

import re
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

import duckdb

from kubedossier.analytics import coverage
from kubedossier.analytics.answers import Fetched
from kubedossier.analytics.catalogue import bare
from kubedossier.analytics.errors import IntegrityError, KubedossierError, StorageError, UsageError
from kubedossier.analytics.schema import UNDATED, FileRef
from kubedossier.analytics.store.damage import replaced
from kubedossier.analytics.store.intact import Intact
from kubedossier.analytics.views import ADDED_COLUMNS, Scope, events_sql, kept, literal_path, records_sql

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset

    from kubedossier.analytics.store.ledger import Ledger

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
    # Intermediate results hold audited data: they stay in memory and never go to a file.
    "temp_directory": "",
}
_READ = "read_parquet(getvariable('{}'), hive_partitioning = true, hive_types = {{'month': varchar}})"


class Engine:
    """Runs SQL over the archive as one ledger describes it; safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._streams = coverage.tables(ledger)
        self._lock = threading.Lock()
        self._intact = Intact(ledger)
        self._base: list[duckdb.DuckDBPyConnection] = []
        # DuckDB complains on stderr about a connection that outlives the interpreter's orderly end.
        weakref.finalize(self, self._base.clear)

    def run(
        self,
        sql: str,
        parameters: Mapping[str, object],
        scope: Scope,
        *,
        reads: Scope | None = None,
        lean: bool = False,
        chosen: bool = False,
        seconds: float | None = None,
    ) -> Fetched:
        """Run SQL of the package's own.

        Args:
            sql: one select over the views.
            parameters: by name; all that the SQL uses and no other.
            scope: what the views show.
            reads: the range of time whose files are enough; None is all files.
            lean: fetch the rows as tuples, without loading Arrow: for few rows in a short-lived process.
            chosen: whether somebody chose some of the values, so that it may be one of them that DuckDB refuses.
            seconds: what it may take at most; None is as long as it takes.

        Returns:
            The rows; timestamps without a zone mean UTC.

        Raises:
            IntegrityError: a file is not what the ledger says.
            StorageError: a file that the ledger names cannot be read.
            UsageError: a value that was chosen is none that the SQL can work with, or it takes longer.
        """
        with self._lock:
            if not self._base:
                self._base.append(_open())
                self._base[0].execute("set lock_configuration = true")
            connection = self._base[0].cursor()
        try:
            self._lay_trusted(connection, bare(sql), scope, reads or Scope())
            with _at_most(seconds, connection):
                answer = connection.sql(sql, params=dict(parameters))
                return Fetched(tuple(answer.columns), answer.fetchall() if lean else answer.to_arrow_table())
        except duckdb.Error as error:
            known = self._replaced(reads or Scope()) or self._damage(reads or Scope(), error) or _known(error)
            if known is None and chosen and isinstance(error, _REFUSALS):
                known = UsageError(f"A parameter has a value that does not work: {_first_line(error)}")
            if known is None:
                raise
            raise known from error
        finally:
            connection.close()

    def release(self) -> None:
        """Close the database: DuckDB keeps what a large answer took until then, and Arrow keeps it for the next.

        Whoever is at a question ends it undisturbed.
        """
        with self._lock:
            self._base.clear()
        if arrow := sys.modules.get("pyarrow"):
            arrow.default_memory_pool().release_unused()

    def foreign(self, scope: Scope) -> duckdb.DuckDBPyConnection:
        """A connection of its own with all views, on which nothing but these can be read and no file written."""
        connection = _open()
        try:
            parts = _split(self._ledger.live(), scope)
            for name, files in parts.items():
                connection.register(name, _dataset(self._ledger, files))
            for name, stream in self._streams.items():
                connection.register(f"{name}_of_ledger", stream)
                connection.execute(f"create view {name} as from {name}_of_ledger")
            relations = {name: kept(name, self._ledger.retracted) for name in parts}
            _lay_events(connection, relations, scope, frozenset({"events", "records", *ADDED_COLUMNS}))
            connection.execute("set enable_external_access = false")
            connection.execute("set lock_configuration = true")
        except BaseException:
            connection.close()
            raise
        return connection

    def run_foreign(
        self, sql: str, parameters: Mapping[str, object], scope: Scope, *, seconds: float | None = None
    ) -> pa.Table:
        """Run one select that somebody else wrote, for so many seconds at most; None is as long as it takes.

        Raises:
            IntegrityError: a file is not what the ledger says.
            UsageError: it is not one select, does not parse, reaches for anything but the views, or takes longer.
        """
        if {"events", "records"}.intersection(re.findall(r"[a-z_]+", sql.lower())):
            self._parts(scope)
        connection = self.foreign(scope)
        try:
            with _at_most(seconds, connection):
                statements = connection.extract_statements(sql)
                kinds = [one.type for one in statements]
                if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
                    raise UsageError("The SQL is not one single select", hint=_VIEWS_HINT)
                return connection.sql(sql, params=dict(parameters)).to_arrow_table()
        except duckdb.PermissionException as error:
            raise UsageError(f"The SQL may read the views only: {_first_line(error)}", hint=_VIEWS_HINT) from error
        except duckdb.Error as error:
            told = _with_line(connection, sql, parameters, error)
            late = None if isinstance(error, _NOT_OF_FILES) else self._replaced(scope)
            damage = late or self._damage(scope, error)
            raise damage or _known(error) or UsageError(f"The SQL does not work: {told}", hint=_VIEWS_HINT) from error
        finally:
            connection.close()

    def check(self, reads: Scope) -> None:
        """Refuse files that may hold rows of a range and are not what the ledger says; each is hashed once.

        Raises:
            IntegrityError: one is not.
            StorageError: one cannot be read.
        """
        self._parts(reads)

    def check_anew(self, reads: Scope) -> int:
        """As ``check``, whatever was found before; the number of files. One that is gone is an error, too."""
        files = [one for one in self._ledger.live() if _touches(one, reads)]
        self._intact.check_anew(files)
        return len(files)

    def _parts(self, reads: Scope) -> dict[str, tuple[FileRef, ...]]:
        """The files that may hold rows of the range, each found to be what the ledger says."""
        parts = _split(self._ledger.live(), reads)
        self._intact.check(chain(*parts.values()))
        return parts

    def _replaced(self, reads: Scope) -> StorageError | None:
        """What to say where a file of the range is gone because a writer merged it into another meanwhile."""
        return replaced(self._ledger, chain(*_split(self._ledger.live(), reads).values()))

    def _damage(self, reads: Scope, error: duckdb.Error) -> IntegrityError | None:
        """The first file of the range whose bytes are not those of the ledger, where that may explain an error."""
        if isinstance(error, _NOT_OF_FILES):
            return None
        return self._intact.damage(chain(*_split(self._ledger.live(), reads).values()))

    def _lay_trusted(self, connection: duckdb.DuckDBPyConnection, words: str, scope: Scope, reads: Scope) -> None:
        asked = frozenset(re.findall(r"[a-z_]+", words))
        if words.startswith("select *"):
            asked |= {*ADDED_COLUMNS}
        for name, stream in self._streams.items():
            if name in asked:
                # Raw audit logs come from files, whose completeness nobody attests.
                unattested = scope.source == "raw" and name in ("collected", "gaps")
                connection.register(name, coverage.Stream(name, list) if unattested else stream)
        if not asked & {"events", "records"}:
            return
        relations = {}
        for name, files in self._parts(reads).items():
            if files:
                paths = [literal_path(str(self._ledger.root / one.path)) for one in files]
                connection.execute(f"set variable {name} = $paths", {"paths": paths})
                relations[name] = kept(_READ.format(name), self._ledger.retracted)
            else:
                connection.register(name, _file_schema().empty_table())
                relations[name] = name
        _lay_events(connection, relations, scope, asked)


_VIEWS_HINT = (
    "Views: events, records, snapshots, windows, gaps, collected, rejects, attack_techniques. "
    "'kubedossier query --list' names ready questions."
)


@contextmanager
def _at_most(seconds: float | None, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """So long a connection may be at its work; then it is interrupted, and that is a ``UsageError``."""
    clock = threading.Timer(seconds or 0, connection.interrupt)
    try:
        if seconds is not None:
            clock.start()
        yield
    except duckdb.InterruptException as error:
        raise UsageError(f"The SQL took more than {seconds or 0:,g} seconds", hint=_SLOW_HINT) from error
    finally:
        clock.cancel()


_SLOW_HINT = "Let it look at the period alone ($period_start, $period_end), or at fewer columns of the views."


_NOT_OF_FILES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
)
"""Errors that no damaged file explains."""
_REFUSALS = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.NotImplementedException,
    duckdb.OutOfRangeException,
)


def _open() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=_CONFIG)
    connection.execute("set TimeZone = 'UTC'")
    # A report asks the same files some forty times; whether they are what the ledger says is looked at each time.
    connection.execute("set global parquet_metadata_cache = true")
    # In a notebook without ipywidgets the bar is off, and DuckDB refuses even to be told so.
    if connection.execute("select current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("set enable_progress_bar = false")
    return connection


def _lay_events(
    connection: duckdb.DuckDBPyConnection, relations: Mapping[str, str], scope: Scope, asked: frozenset[str]
) -> None:
    if rows := scope.rows():
        connection.execute("create temp table filter_values (filter varchar, value varchar)")
        connection.executemany("insert into filter_values values (?, ?)", rows)
    if "events" in asked:
        sql = events_sql(relations.get("complete_files"), relations.get("incomplete_files"), scope, asked)
        connection.execute(f"create temp view events as {sql}")
    if "records" in asked:
        connection.execute(f"create temp view records as {records_sql(tuple(relations.values()), scope, asked)}")


def _split(files: tuple[FileRef, ...], reads: Scope) -> dict[str, tuple[FileRef, ...]]:
    """The files that may hold rows of the range, apart by whether a row of theirs may be hidden."""
    chosen = [one for one in files if _touches(one, reads)]
    incomplete = tuple(one for one in chosen if one.incomplete)
    complete = tuple(one for one in chosen if not one.incomplete)
    parts = {"complete_files": complete} if complete or not incomplete else {}
    return parts | ({"incomplete_files": incomplete} if incomplete else {})


def _touches(file: FileRef, reads: Scope) -> bool:
    if reads.start is None and reads.end is None:
        return True
    if file.min_time is None or file.max_time is None:
        return False
    return (reads.end is None or file.min_time < reads.end) and (reads.start is None or file.max_time >= reads.start)


def _file_schema() -> pa.Schema:
    """A Parquet file's columns and the partition it stands in."""
    import pyarrow as pa

    from kubedossier.analytics.schema import EVENT_SCHEMA

    return EVENT_SCHEMA.append(pa.field("month", pa.string()))


def _dataset(ledger: Ledger, files: tuple[FileRef, ...]) -> pyarrow.dataset.Dataset | pa.Table:
    if not files:
        return _file_schema().empty_table()
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow.fs import LocalFileSystem

    form, system = ds.ParquetFileFormat(), LocalFileSystem()
    fragments = []
    for one in files:
        holds = ds.field("month") == one.month
        if one.month != UNDATED and one.min_time and one.max_time:
            low, high = coverage.naive(one.min_time), coverage.naive(one.max_time)
            holds &= (ds.field("time") >= pa.scalar(low, pa.timestamp("us"))) & (
                ds.field("time") <= pa.scalar(high, pa.timestamp("us"))
            )
        path = str((ledger.root / one.path).resolve())
        fragments.append(form.make_fragment(path, filesystem=system, partition_expression=holds))
    return ds.FileSystemDataset(fragments, _file_schema(), form, system)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _with_line(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object], error: duckdb.Error
) -> duckdb.Error:
    """The same error from where DuckDB tells the line of an unknown name, too; nothing is run for it."""
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
        try:
            connection.execute(f"explain {sql}", dict(parameters))
        except duckdb.Error as again:
            return again if type(again) is type(error) else error
    return error


def _known(error: duckdb.Error) -> KubedossierError | None:
    """What a user can act on: a file that cannot be read, or too little memory; None for everything else."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return KubedossierError(
            "The answer does not fit into memory", hint="Ask for a shorter period, fewer columns, or set a limit."
        )
    if isinstance(error, duckdb.IOException) or ".parquet" in _first_line(error):
        return StorageError(
            f"A file of the archive cannot be read: {_first_line(error)}",
            hint="Run 'kubedossier verify' to see what is wrong.",
        )
    return None
