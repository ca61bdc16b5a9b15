"""The command line: wiring only. One file a command, loaded when it is called.

``kubedossier --help`` must stay fast, so the short help of each command stands here and nothing heavy is
imported.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from kubedossier import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from kubedossier.analytics.config import Config

# name -> (module under kubedossier.cli, short help); the function in the module is called `command`.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Show the whole way on this machine: events in, report out."),
    "snapshot": ("snapshot", "Pull events from the Console into the archive."),
    "import": ("import_", "Archive events from files or standard input."),
    "query": ("query", "Ask the archive a question, by name or in SQL."),
    "report": ("report", "Print a compliance report as PDF."),
    "finding": ("finding", "List findings, and record decisions about them."),
    "schedule": ("schedule", "Do the configuration's jobs when they are due."),
    "status": ("status", "Show what was collected, what is missing, and the head."),
    "doctor": ("doctor", "Check that this machine and its Consoles are fit for work."),
    "rejects": ("rejects", "Show what could not be read as an event."),
    "bundle": ("bundle", "Put a month into one file for auditors."),
    "export": ("export", "Hand events to ATT&CK Navigator, OCSF or DuckDB."),
    "techniques": ("techniques", "List attack techniques, their ids, and the rules for raw logs."),
    "verify": ("verify", "Check that nothing in the archive was changed."),
    "compact": ("compact", "Merge small files; no event changes."),
    "gc": ("gc", "Delete files that a compaction replaced."),
    "retract": ("retract", "Hide a snapshot from all views; deletes nothing."),
    "serve": ("serve", "Serve the archive through the Console's API."),
}


PERIODS = "2026-10, 2026-Q3, 2026, last-month (-week, -quarter, -year), this-month, 30d ..."


class LazyGroup(click.Group):
    """A click group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kubedossier.cli.{COMMANDS[cmd_name][0]}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and name the nearest one where it is misspelt."""
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(f"No such command '{args[0]}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])


class Settings:
    """What the global options, the environment and the configuration say; every command gets it."""

    def __init__(self, archive: str | None, config: str | None, verbose: int, log_format: str) -> None:
        self.archive_option = archive
        self.config_path = config
        self.verbose = verbose
        self.log_format = log_format

    @cached_property
    def config(self) -> Config:
        """The configuration, read when a command first asks for it; empty where there is no file.

        Raises:
            UsageError: the file has a mistake, or the one that was named is not there.
        """
        from pathlib import Path

        from kubedossier.analytics.config import find_config, read_config

        return read_config(Path(self.config_path) if self.config_path else find_config())

    def archive_path(self) -> Path:
        """The archive's folder: option, else environment, else configuration, else ``./dossier``.

        Raises:
            UsageError: its name is not UTF-8, and neither DuckDB nor Arrow could open what lies in it.
        """
        from pathlib import Path

        if not self.archive_option:
            return self.config.archive or Path("dossier")
        path = Path(self.archive_option).expanduser()
        if not str(path).isprintable() and any("\ud800" <= char <= "\udfff" for char in str(path)):
            from kubedossier.analytics.errors import UsageError

            raise UsageError(f"The name '{path}' is not UTF-8", hint="Name another folder with --archive.")
        return path

    def apply_rules(self) -> None:
        """Judge raw audit logs by the technique rules as the configuration changes them."""
        from kubedossier.analytics.ingest.techniques import put_in_force

        put_in_force(self.config.techniques)


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 96,
        "auto_envvar_prefix": "KUBEDOSSIER",
    },
)
@click.option(
    "--archive",
    metavar="PATH",
    envvar="KUBEDOSSIER_ARCHIVE",
    allow_from_autoenv=False,
    help="The archive's folder.  [default: ./dossier]",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    envvar="KUBEDOSSIER_CONFIG",
    allow_from_autoenv=False,
    help="The configuration file.  [default: ./kubedossier.toml, else the user's own]",
)
@click.option("-v", "--verbose", count=True, allow_from_autoenv=False, help="Say more; -vv for everything.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    allow_from_autoenv=False,
    help="How to narrate on standard error.  [default: text]",
)
@click.version_option(__version__, prog_name="kubedossier", allow_from_autoenv=False)
@click.pass_context
def cli(ctx: click.Context, archive: str | None, config: str | None, verbose: int, log_format: str) -> None:
    """Keep the Kubernetes audit events that Prisma Cloud Compute forgets.

    kubedossier snapshots them to Parquet that nobody can change unseen, answers questions about them in SQL,
    and prints compliance reports as PDF.

    New here? Run 'kubedossier demo'.
    """
    from kubedossier.cli import diagnostics

    diagnostics.configure(log_format, verbose)
    ctx.obj = Settings(archive, config, verbose, log_format)


def example(text: str) -> Any:
    """Give a command's help its example lines (click epilog, kept as written)."""
    return "\b\nExamples:\n" + "\n".join("  " + line for line in text.strip().splitlines())
