"""``kubedossier query``: asks the archive a question, by name or in SQL."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedossier.analytics.errors import UsageError
from kubedossier.cli import PERIODS, Settings, example
from kubedossier.cli.diagnostics import say, warn

if TYPE_CHECKING:
    import pyarrow as pa

    from kubedossier.analytics.answers import Answer
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.catalogue import Query
    from kubedossier.cli.formats import Rows
    from kubedossier.cli.tables import Table

FORMATS = ("table", "csv", "json", "ndjson", "parquet", "markdown")
_EXAMPLES = """
kubedossier query --list
kubedossier query top_users --period 2026-10
kubedossier query top_users --describe
kubedossier query privileged_actions --period last-month -o actions.csv
kubedossier query --sql "select cluster, count(*) from events group by all"
"""


@click.command(epilog=example(_EXAMPLES))
@click.argument("name", required=False)
@click.option("--sql", metavar="TEXT", help="A select of your own over the view events; - reads it from stdin.")
@click.option("--list", "listing", is_flag=True, help="List the questions.")
@click.option("--describe", is_flag=True, help="Say what the question takes, gives and misses, and show its SQL.")
@click.option("-f", "--format", "form", type=click.Choice(FORMATS), help="How to write it.  [default: table]")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file instead.")
@click.option("--period", help=PERIODS + "  [default: all of it]")
@click.option("--from", "start", metavar="TIME", help="First moment, UTC, instead of a period.")
@click.option("--to", "end", metavar="TIME", help="First moment that no longer counts.")
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster; repeatable, as all below.")
@click.option("--account", "accounts", multiple=True, help="Only this cloud account.")
@click.option("--provider", "providers", multiple=True, help="Only this cloud provider.")
@click.option("--user", "users", multiple=True, help="Only this user.")
@click.option("--namespace", "namespaces", multiple=True, help="Only this namespace.")
@click.option("--technique", "techniques", multiple=True, help="Only events with this technique.")
@click.option("--source", type=click.Choice(["native", "raw", "all"]), help="The Console's records or raw logs.")
@click.option("--limit", type=click.IntRange(min=0), help="At most so many rows; 0 is all.")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Another parameter.")
@click.pass_obj
def command(
    settings: Settings, /, name: str | None, sql: str | None, listing: bool, describe: bool, **asked: Any
) -> None:
    """Ask the archive a question, by NAME or in SQL.

    The answer goes to stdout; what it is about goes to stderr. Times are UTC. SQL of your own sees the views events,
    records, snapshots, windows, gaps, collected, rejects and attack_techniques, and can touch nothing else.
    """
    if sum((name is not None, sql is not None, listing)) != 1:
        raise UsageError("Give the NAME of a question, --sql, or --list", hint="'kubedossier query --list' lists them.")
    form, output = _form(asked.pop("form"), asked["output"]), asked.pop("output")
    given = dict(_pair(one) for one in asked.pop("parameters"))
    if listing:
        _list(_catalogue(settings))
    elif name is not None:
        from kubedossier.analytics.library import find

        query = find(name, _catalogue(settings))
        if describe:
            _describe(query)
        else:
            _answer(settings, query, form, output, asked, given)
    elif sql is not None:
        _own_sql(settings, sys.stdin.read() if sql == "-" else sql, form, output, asked, given)


def _form(form: str | None, output: Path | None) -> str:
    from kubedossier.cli.formats import SUFFIXES

    if form is None and output is not None:
        return SUFFIXES.get(output.suffix.lower(), "table")
    return form or "table"


def _archive(settings: Settings) -> Archive:
    from kubedossier.analytics.archive import Archive

    return Archive(settings.archive_path())


def _catalogue(settings: Settings) -> Mapping[str, Query]:
    from kubedossier.analytics.library import library

    return library(settings.config.queries)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"'{text}' is not NAME=VALUE")
    return name, value


def _answer(
    settings: Settings, query: Query, form: str, output: Path | None, asked: Mapping[str, Any], given: dict[str, str]
) -> None:
    from kubedossier.analytics.catalogue import read_value
    from kubedossier.analytics.store.damage import settled
    from kubedossier.cli.formats import Rows
    from kubedossier.cli.sparklines import Trend

    types = {one.name: one.type for one in query.parameters}
    typed: dict[str, Any] = {}
    for name, text in given.items():
        try:
            typed[name] = read_value(text, types.get(name, "varchar"))
        except ValueError as error:
            raise UsageError(f"Parameter '{name}': {error}") from error
    if clash := typed.keys() & asked.keys():
        raise UsageError(f"'{min(clash)}' has an option of its own", hint=f"Write --{min(clash)}.")

    def made() -> tuple[Answer, tuple[Trend, ...]]:
        archive = _archive(settings)
        answer = archive.ask(query, **asked, **typed, lean=form in ("table", "markdown"))
        return answer, tuple(Trend(days) for days in archive.trends(query, answer)) if form == "table" else ()

    answer, trends = settled(made)
    kinds = {"native": "Console records", "raw": "raw audit logs", "all": "Console records and raw audit logs"}
    about = f"{answer.title}, {answer.period.title()} (UTC), {kinds[answer.source]}"
    if answer.mixed and answer.source != "all":
        about += "; there are others: --source all"
    say(about + ".")
    if answer.undated and asked["period"] is None:
        say(f"{answer.undated:,} records without a usable time belong to no period and are not counted.")
    if answer.rules:
        _tell_rules(settings, answer.rules)
    _write(Rows(answer.fetched, answer.columns, query.spare, trends), form, output)


def _tell_rules(settings: Settings, versions: tuple[str, ...]) -> None:
    """Say which technique rules judged the raw audit logs behind an answer, and what to do where it is not one set."""
    from kubedossier.analytics.own_rules import amended

    now = amended(settings.config.techniques).version
    if versions == (now,):
        say(f"Techniques of raw audit logs: rules version {now}.")
        return
    which = f"versions {', '.join(versions)}" if len(versions) > 1 else f"version {versions[0]}"
    warn(f"Techniques of raw audit logs: rules {which}; 'kubedossier techniques --rederive' judges all by {now}")


def _own_sql(
    settings: Settings, sql: str, form: str, output: Path | None, asked: Mapping[str, Any], given: dict[str, str]
) -> None:
    from kubedossier.analytics.answers import Fetched
    from kubedossier.analytics.store.damage import settled
    from kubedossier.cli.formats import Rows

    limit, parameters = asked["limit"], {name: _guessed(text) for name, text in given.items()}
    narrowing = {name: value for name, value in asked.items() if name != "limit"}

    def made() -> tuple[pa.Table, tuple[str, ...]]:
        archive = _archive(settings)
        return archive.table(sql, parameters, **narrowing), archive.rules(sql, **narrowing)

    table, rules = settled(made)
    fetched = Fetched(tuple(table.column_names), table)
    if rules:
        _tell_rules(settings, rules)
    _write(Rows(fetched.head(limit) if limit else fetched), form, output)


def _guessed(text: str) -> object:
    """A parameter of somebody's own SQL: a number where it reads as one, else text."""
    for reader in (int, float):
        try:
            return reader(text)
        except ValueError:
            continue
    return text


def _write(rows: Rows, form: str, output: Path | None) -> None:
    import io

    from kubedossier.cli import formats
    from kubedossier.cli.output import complete_file, may_colour, write_bytes, write_text

    width = _columns()
    if output is not None:
        with complete_file(output) as file:
            formats.write(rows, form, file, width=width)
        say(f"{len(rows.fetched):,} rows in '{output}'.")
    elif form == "table":
        table = formats.for_people(rows, width, colour=may_colour())
        write_text("".join(f"{line}\n" for line in table.lines))
        _say_what_is_missing(len(rows.fetched), table)
    else:
        buffer = io.BytesIO()
        formats.write(rows, form, buffer, width=width)
        if form == "parquet":
            write_bytes(buffer.getvalue())
        else:
            write_text(buffer.getvalue().decode())


def _columns() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def _say_what_is_missing(rows: int, table: Table) -> None:
    if not rows:
        say("No rows.")
    if table.days_a_cell:
        each = "a day" if table.days_a_cell == 1 else f"{table.days_a_cell} days"
        say(f"Trend: events by day, each row on its own scale; one sign is {each}.")
    if table.empty:
        say(f"Columns without any value: {', '.join(table.empty)}.")
    if table.hidden:
        say(f"Too wide for this terminal: {', '.join(table.hidden)}. A wider one, or -f csv, shows all.")


def _list(queries: Mapping[str, Query]) -> None:
    import textwrap

    from kubedossier.cli.output import visible, write_line

    width = max(len(name) for name in queries) + 2
    for name, query in queries.items():
        mark = "" if query.trusted else " (your own)"
        line = f"{name:<{width}}{visible(query.question)}{mark}"
        for part in textwrap.wrap(line, _columns() - 1, subsequent_indent=" " * width):
            write_line(part)


def _describe(query: Query) -> None:
    from kubedossier.analytics.catalogue_pages import described
    from kubedossier.cli.output import write_text

    if not query.trusted:
        say(f"Your own, in '{query.place}'.")
    write_text(described(query))
