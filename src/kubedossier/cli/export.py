"""``kubedossier export``: hands the archive's events to other tools, in their own form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedossier.cli import PERIODS, Settings, example
from kubedossier.cli.diagnostics import say

if TYPE_CHECKING:
    from kubedossier.analytics.archive import Archive


@click.group(
    epilog=example(
        """
kubedossier export navigator --period 2026-10 -o october.json
kubedossier export ocsf --period last-month -o events.ndjson
kubedossier export duckdb -o dossier.sql && duckdb -init dossier.sql
"""
    )
)
def command() -> None:
    """Hand events to other tools: ATT&CK Navigator, OCSF, DuckDB."""


def _output(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file instead of stdout."
    )(function)


def _narrowing(function: Callable[..., None]) -> Callable[..., None]:
    """The options that every question has."""
    for option in reversed(
        (
            click.option("--period", help=PERIODS + "  [default: all of it]"),
            click.option("--from", "start", metavar="TIME", help="First moment, UTC, instead of a period."),
            click.option("--to", "end", metavar="TIME", help="First moment that no longer counts."),
            click.option("--cluster", "clusters", multiple=True, help="Only this cluster; repeatable, as all below."),
            click.option("--account", "accounts", multiple=True, help="Only this cloud account."),
            click.option("--provider", "providers", multiple=True, help="Only this cloud provider."),
            click.option("--user", "users", multiple=True, help="Only this user."),
            click.option("--namespace", "namespaces", multiple=True, help="Only this namespace."),
            click.option("--technique", "techniques", multiple=True, help="Only events with this technique."),
            click.option("--source", type=click.Choice(["native", "raw", "all"]), help="The Console's or raw logs."),
        )
    ):
        function = option(function)
    return function


@command.command(
    "navigator",
    epilog=example(
        """
kubedossier export navigator --period 2026-10 -o october.json
kubedossier export navigator --period 2026-Q3 --cluster prod-eu
"""
    ),
)
@_narrowing
@_output
@click.pass_obj
def navigator(settings: Settings, /, output: Path | None, **asked: Any) -> None:
    """Write a layer for ATT&CK Navigator.

    The score of a technique is its number of events in the period. Open the file in the Navigator with "Open Existing
    Layer".
    """
    from kubedossier.analytics.export.navigator import layer
    from kubedossier.analytics.store.damage import settled

    made = settled(lambda: layer(_archive(settings), **asked))
    _write([json.dumps(made, indent=2, ensure_ascii=False)], output)
    say(f"{len(made['techniques'])} techniques.")


@command.command(
    "ocsf",
    short_help="Write events as OCSF, one JSON object a line.",
    epilog=example(
        """
kubedossier export ocsf --period last-month -o events.ndjson
kubedossier export ocsf --period 30d --technique execIntoContainer | head -1
"""
    ),
)
@_narrowing
@_output
@click.pass_obj
def ocsf(settings: Settings, /, output: Path | None, **asked: Any) -> None:
    """Write events as OCSF, class API Activity, one JSON object a line.

    Raw records and request bodies are left out, for they may hold secrets; metadata.uid names the event in the archive.
    Records without a usable time belong to no period and are not written.
    """
    from kubedossier.analytics.export.ocsf import events
    from kubedossier.analytics.store.damage import settled

    def made() -> int:
        found = events(_archive(settings), **asked)
        return _write((json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in found), output)

    # What went to stdout cannot be taken back: there, files that are replaced meanwhile are an error.
    say(f"{settled(made) if output else made():,} events.")


@command.command(
    "duckdb",
    epilog=example(
        """
kubedossier export duckdb -o dossier.sql
duckdb -init dossier.sql
"""
    ),
)
@_output
@click.pass_obj
def duckdb(settings: Settings, /, output: Path | None) -> None:
    """Write a script that opens the archive in DuckDB itself.

    It makes temporary views over the archive's files, for DuckDB's command line, DBeaver or a notebook. DuckDB then
    may do all that you may; 'kubedossier query --sql' is locked down instead.
    """
    from kubedossier.analytics.export.duckdb_script import script

    _write(script(_archive(settings)).rstrip("\n").split("\n"), output)


def _archive(settings: Settings) -> Archive:
    from kubedossier.analytics.archive import Archive

    return Archive(settings.archive_path())


def _write(lines: Iterable[str], output: Path | None) -> int:
    """Write lines as UTF-8 to a file, complete or not at all, or to stdout; their number."""
    from kubedossier.cli.output import complete_file, write_text

    count = 0
    with complete_file(output) if output else nullcontext() as file:
        for line in lines:
            data = line.encode("utf-8", "backslashreplace") + b"\n"
            if file:
                file.write(data)
            else:
                write_text(data.decode())
            count += 1
    return count
