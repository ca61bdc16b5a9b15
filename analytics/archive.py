"""The archive as notebooks, reports and commands ask it: ``Archive`` is the public API.

It opens an archive at one entry of its ledger and only reads. It prints nothing and never writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubedossier.analytics import catalogue
from kubedossier.analytics.answers import Answer, Fetched, frame, in_utc
from kubedossier.analytics.coverage import collected, naive, runs
from kubedossier.analytics.engine import Engine
from kubedossier.analytics.errors import StorageError, UsageError
from kubedossier.analytics.figures import MAKERS
from kubedossier.analytics.library import check_columns, find, library, placed
from kubedossier.analytics.periods import Period, parse_period
from kubedossier.analytics.questions import (
    Moment,
    between,
    bound,
    filters_of,
    is_about_techniques,
    midnight,
    moment,
    parted,
    range_read,
    source_of,
)
from kubedossier.analytics.schema import UNDATED
from kubedossier.analytics.store.ledger import Ledger, read_time
from kubedossier.analytics.trends import by_day, days_of, subjects, trend_query
from kubedossier.analytics.views import Scope, is_native

if TYPE_CHECKING:
    import altair as alt
    import duckdb
    import polars as pl
    import pyarrow as pa


class Archive:
    """An archive, opened for reading at one entry of its ledger.

    Args:
        path: the archive's folder.
        as_of: number of the ledger entry to read it at; None is the newest.
        queries: a folder of your own ``.sql`` files, which can then be asked by name.

    Attributes:
        path: the archive's folder.
        ledger: the entries up to that point.
        queries: all questions that can be asked, by name.

    Raises:
        StorageError: there is no archive, or no such entry.
        IntegrityError: the ledger is broken.
        UsageError: one of your own files is wrong; names it and the line.
    """

    def __init__(self, path: str | Path, *, as_of: int | None = None, queries: str | Path | None = None) -> None:
        self.path = Path(path)
        ledger = Ledger.read(self.path)
        if not ledger.entries:
            raise StorageError(
                f"There is no archive at '{self.path}'",
                hint="'kubedossier snapshot' or 'kubedossier import' makes one; --archive names another place.",
            )
        self.ledger = ledger if as_of is None else ledger.up_to(as_of)
        self.queries: Mapping[str, catalogue.Query] = library(queries)
        self._engine = Engine(self.ledger)

    @property
    def head(self) -> tuple[int, str]:
        """Number and SHA-256 (hex) of the ledger entry this archive is read at."""
        return self.ledger.head

    def query(self, name: str, /, *, limit: int | None = None, **asked: Any) -> pl.DataFrame:
        """Ask a question of the catalogue and get its rows.

        Takes what ``answer`` takes. Timestamps are ``Datetime("us", "UTC")``.
        """
        return self.answer(name, limit=limit, **asked).frame

    def answer(self, name: str, /, *, limit: int | None = None, **asked: Any) -> Answer:
        """Ask a question of the catalogue and get the rows with all that is needed to check them.

        Args:
            name: of a query, such as ``top_users``.
            limit: number of rows; None is the query's own default, 0 all of them.
            asked: what narrows the question (see ``Narrowing``), and the query's own parameters by name.

        Raises:
            UsageError: there is no such query, parameter or period.
            StorageError: a file that the ledger names cannot be read.
        """
        return self.ask(find(name, self.queries), limit=limit, **asked)

    def ask(
        self,
        query: catalogue.Query,
        /,
        *,
        limit: int | None = None,
        lean: bool = False,
        seconds: float | None = None,
        **asked: Any,
    ) -> Answer:
        """Ask a question that was found before; otherwise as ``answer``.

        ``lean`` spares a short-lived process the loading of Arrow; it is for few rows. ``seconds`` is what the
        question may take, beyond which it is a ``UsageError``; None is as long as it takes.
        """
        narrowing, own = parted(asked)
        period = self.period(narrowing.get("period"), narrowing.get("start"), narrowing.get("end"))
        reads = range_read(query, period)
        kinds = self._kinds(period)
        source = source_of(narrowing.get("source"), kinds)
        scope = Scope(filters=filters_of(narrowing), source=source)
        parameters = bound(query, period, limit, own)
        if query.trusted:
            fetched = self._engine.run(
                query.sql, parameters, scope, reads=reads, lean=lean, chosen=bool(own), seconds=seconds
            )
        else:
            table = self._own(query, parameters, scope, seconds)
            fetched = Fetched(tuple(table.column_names), table)
        if limit and "limit" not in parameters:
            fetched = fetched.head(limit)
        return Answer(
            name=query.name,
            title=query.title,
            question=query.question,
            sql=query.sql,
            parameters=parameters,
            columns=query.columns,
            fetched=fetched,
            notes=query.notes,
            period=period,
            filters=dict(scope.filters),
            source=source,
            mixed=len(kinds) > 1,
            undated=self.undated,
            rules=self._rules(query.sql, reads) if source != "native" and "raw" in kinds else (),
        )

    def check_anew(self, start: datetime, end: datetime) -> int:
        """Compare every file that may hold events of a range with its SHA-256, whatever was found before.

        Returns:
            How many files were compared.

        Raises:
            IntegrityError: a file is not what the ledger says, or is gone.
            ReplacedError: a file is gone, since a later entry replaced it.
            StorageError: a file cannot be read.
        """
        return self._engine.check_anew(Scope(start, end))

    def release(self) -> None:
        """Give back the memory that answers took to make; the next one takes what it needs."""
        self._engine.release()

    def trends(self, query: catalogue.Query, answer: Answer) -> list[tuple[int, ...]]:
        """Events by day of the answer's period for each of its rows, in order; none where its header names no trend.

        Raises:
            StorageError: the archive cannot be read.
            UsageError: a trend of somebody's own question does not work.
        """
        rows = subjects(query, answer.fetched.names, answer.fetched.values()) if query.trend else []
        if not rows:
            return []
        first = sorted({str(one[0]) for one in rows if one[0] is not None})
        asked: dict[str, Any] = {"period": answer.period, "source": answer.source, "subjects": first, **answer.filters}
        found = self.ask(trend_query(query), limit=0, lean=True, **asked).fetched
        return by_day(found.values(), rows, days_of(answer.period))

    def figure(self, name: str, /, **asked: Any) -> alt.TopLevelMixin:
        """A figure as an Altair chart: the twin of the report's, with the same rows and an alternative text.

        Names are ``activity_by_day``, ``cluster_calendar``, ``day_strip``, ``tactics_by_day`` and
        ``techniques_by_day``. Altair's own drawing in a page fetches scripts; ``altair.renderers.enable("svg")`` draws
        without a network.

        Args:
            name: of the figure.
            asked: what narrows the question behind it (see ``Narrowing``).

        Raises:
            UsageError: there is no such figure or period, or Altair is not installed.
        """
        from kubedossier.analytics.charts import chart

        if name not in MAKERS:
            raise UsageError(f"There is no figure '{name}'", hint=f"Figures are {', '.join(MAKERS)}.")
        query, make = MAKERS[name]
        answer = self.answer(query, limit=0, **asked)
        return chart(make(answer, answer.period))

    def sql(self, text: str, **parameters: Any) -> pl.DataFrame:
        """Run one select of your own over the views, with nothing else in reach.

        Args:
            text: the select; ``$name`` stands for a parameter.
            parameters: values by name.

        Raises:
            UsageError: it is not one select, does not parse, or reaches for files or settings.
        """
        return frame(self.table(text, parameters))

    def table(self, text: str, parameters: Mapping[str, Any] | None = None, **narrowing: Any) -> pa.Table:
        """As ``sql``, over a narrowed archive (see ``Narrowing``); an Arrow table whose timestamps carry the zone UTC.

        Without a source, records of both kinds are seen.
        """
        known, own = parted(narrowing)
        if own:
            raise UsageError(f"A select of your own cannot be narrowed by '{next(iter(own))}'")
        given = (known.get("period"), known.get("start"), known.get("end"))
        period = None if given == (None, None, None) else self.period(*given)
        start, end = (period.start, period.end) if period else (None, None)
        scope = Scope(start, end, filters_of(known), source_of(known.get("source") or "all", frozenset()))
        return in_utc(self._engine.run_foreign(text, parameters or {}, scope))

    def select(self, sql: str, parameters: Mapping[str, Any]) -> pa.Table:
        """Run SQL of the package's own over the whole archive; never hand it a user's text.

        Timestamps in the table have no zone and mean UTC.
        """
        return self._engine.run(sql, parameters, Scope()).held

    def events(self, *, period: str | Period | None = None) -> pl.LazyFrame:
        """The view ``events`` as a polars LazyFrame over the ledger's files; ``time`` is in UTC.

        Without a period, events without a usable time are in it, too.
        """
        from kubedossier.analytics.frames import scan_events

        span = None if period is None else self.period(period)
        self._engine.check(Scope(span.start, span.end) if span else Scope())
        return scan_events(self.ledger, span)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with all views, locked down: it reads the archive and nothing else, and writes nothing.

        Timestamps have no zone and mean UTC. Close it when done.

        Raises:
            IntegrityError: a file is not what the ledger says.
        """
        self._engine.check(Scope())
        return self._engine.foreign(Scope())

    def period(
        self, period: str | Period | None = None, start: Moment | None = None, end: Moment | None = None
    ) -> Period:
        """The period a question is about: as given, or from the archive's first to its last day.

        Raises:
            UsageError: it cannot be read, is empty, or ``period`` is given together with ``start`` or ``end``.
        """
        if period is not None:
            if start is not None or end is not None:
                raise UsageError("A period and its start or end are given at once", hint="Give the one or the others.")
            return period if isinstance(period, Period) else parse_period(period, now=datetime.now(UTC))
        whole = self._whole
        if start is None and end is None:
            return whole
        first = whole.start if start is None else moment(start)
        last = max(whole.end, first) if end is None else moment(end)
        if first > last or (first == last and end is not None):
            raise UsageError(f"The period from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} is empty")
        return between(first, last)

    def _own(
        self, query: catalogue.Query, parameters: Mapping[str, Any], scope: Scope, seconds: float | None
    ) -> pa.Table:
        try:
            table = self._engine.run_foreign(query.sql, parameters, scope, seconds=seconds)
        except UsageError as error:
            raise placed(error, query) from error
        check_columns(table, query)
        return table

    def rules(self, sql: str, **narrowing: Any) -> tuple[str, ...]:
        """Versions of the technique rules behind an answer to ``table``; empty where it is about no techniques.

        Takes what ``table`` takes. An ``Answer`` has them in its own ``rules``.
        """
        known, _ = parted(narrowing)
        period = self.period(known.get("period"), known.get("start"), known.get("end"))
        native = known.get("source") == "native"
        return () if native else self._rules(sql, Scope(period.start, period.end))

    def _rules(self, sql: str, reads: Scope) -> tuple[str, ...]:
        """Versions of the rules that judged the raw audit logs of a range, where a select is about techniques."""
        if not is_about_techniques(sql):
            return ()
        asked = "select distinct rules_version from records where rules_version is not null order by rules_version"
        rows = self._engine.run(asked, {}, Scope(reads.start, reads.end), reads=reads, lean=True)
        return tuple(str(one) for (one,) in rows.values())

    @cached_property
    def undated(self) -> int:
        """Records without a usable time; they belong to no period."""
        return sum(one.rows for one in self.ledger.live() if one.month == UNDATED)

    @cached_property
    def _whole(self) -> Period:
        files = self.ledger.live()
        spans = collected(self.ledger)
        first = [one.min_time for one in files if one.min_time] + [one.start for one in spans]
        last = [one.max_time + timedelta(microseconds=1) for one in files if one.max_time] + [one.end for one in spans]
        if not first:
            day = midnight(read_time(self.ledger.entries[0]["at"]))
            return Period(day, day, f"{day:%Y-%m-%d}")
        end = midnight(max(last))
        return between(midnight(min(first)), end if end == max(last) else end + timedelta(days=1))

    def _kinds(self, period: Period) -> frozenset[str]:
        """The kinds of records in a period; the files are asked only where the archive holds both."""
        formats = {one for entry in runs(self.ledger) for one in entry.get("formats", ())}
        kinds = frozenset("native" if is_native(one) else "raw" for one in formats)
        if len(kinds) < 2:
            return kinds
        sql = "select distinct source_format from records where time >= $start and time < $end"
        bounds = {"start": naive(period.start), "end": naive(period.end)}
        rows = self._engine.run(sql, bounds, Scope(), reads=Scope(period.start, period.end), lean=True)
        return frozenset("native" if is_native(one) else "raw" for (one,) in rows.values())
