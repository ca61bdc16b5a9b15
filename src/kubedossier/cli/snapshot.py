"""``kubedossier snapshot``: pulls events from the Console into the archive."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kubedossier.analytics.errors import IncompleteError, UsageError
from kubedossier.cli import Settings, example
from kubedossier.cli.consoles import named_console, open_console
from kubedossier.cli.diagnostics import already_rejected, detail, progress, say, warn
from kubedossier.cli.every_console import for_every_console
from kubedossier.cli.output import visible, write_line
from kubedossier.cli.snapshot_range import check_range, wanted_of

if TYPE_CHECKING:
    from kubedossier.analytics.config import ConsoleConfig
    from kubedossier.analytics.ingest.console import Console
    from kubedossier.analytics.ingest.console_plan import Wanted
    from kubedossier.analytics.ingest.console_progress import Outcome, Progress
    from kubedossier.analytics.ingest.console_survey import Survey
    from kubedossier.analytics.ingest.console_window import Window
    from kubedossier.analytics.ingest.pull import Pull

_FILE = click.Path(path_type=Path, dir_okay=False)
_REASONS = {
    "dropped": "may have been dropped by the Console",
    "unwindowed": "events without a time could not be fetched",
    "unstable": "changed while it was read",
    "interrupted": "not read: interrupted",
    "failed": "not read: the Console failed",
}


@click.command(
    epilog=example(
        """
export KUBEDOSSIER_USERNAME=auditor
export KUBEDOSSIER_PASSWORD_FILE=~/.console-password
kubedossier snapshot --console https://console.example:8083
kubedossier snapshot --console https://10.0.0.9:8083 --ca-bundle corp-ca.pem
kubedossier snapshot --console prod --from 2026-10-01 --to 2026-11-01
kubedossier snapshot --console prod --technique execIntoContainer
kubedossier snapshot --all
"""
    )
)
@click.option(
    "--console",
    "console_option",
    metavar="URL",
    envvar="KUBEDOSSIER_CONSOLE",
    help="Base URL of the Console, or the name of a [console.NAME] in the configuration.",
)
@click.option("--all", "every", is_flag=True, help="Every [console.NAME] of the configuration, one after another.")
@click.option("--from", "start", metavar="TIME", help="First moment, UTC.  [default: where the last run ended]")
@click.option("--to", "end", metavar="TIME", help="First moment that no longer counts.  [default: now]")
@click.option("--overlap", metavar="DURATION", help="Go back so far, for late events.  [default: 24h]")
@click.option(
    "--from-start", "everything", is_flag=True, help="Read all that the Console has, from its first event on."
)
@click.option("--user", "users", multiple=True, help="Only this user's events; repeatable.")
@click.option("--technique", "techniques", multiple=True, help="Only events with this technique; repeatable.")
@click.option("--cluster", "clusters", multiple=True, help="Only this cluster's events; repeatable.")
@click.option("--project", help="Tenant project to name on every call.")
@click.option("--api-version", metavar="VERSION", help="v33.01, or v1 for the newest.  [default: v33.01]")
@click.option("--page-size", type=click.IntRange(1, 250), help="Events to ask for at once.  [default: 50]")
@click.option("--connections", type=click.IntRange(1, 16), help="Requests under way at once.  [default: 4]")
@click.option(
    "--auth",
    type=click.Choice(["bearer", "basic"]),
    default="bearer",
    help="How to use name and password: get a token, or send them with each call.  [default: bearer]",
)
@click.option("--ca-bundle", type=_FILE, help="PEM file of the authorities to trust, and no others.")
@click.option("--client-cert", type=_FILE, help="PEM file with a client certificate and its key.")
@click.option("--insecure", is_flag=True, help="Take any certificate. It is recorded in the ledger.")
@click.option(
    "--give-up-after",
    type=click.IntRange(1, 86400),
    default=600,
    metavar="SECONDS",
    help="Try one request so long before failing.  [default: 600]",
)
@click.option("--dry-run", is_flag=True, help="Log in and say what would be read; write nothing.")
@click.option("--wait", is_flag=True, help="Wait for another writer instead of failing.")
@click.pass_context
def command(ctx: click.Context, /, console_option: str | None, every: bool, **given: Any) -> None:
    """Pull events from the Console into the archive.

    Without --from it goes on where the last run ended, less an overlap for events that arrive late; the first
    run reads everything. What was archived before is counted and not stored again.

    The login comes from the environment: KUBEDOSSIER_USERNAME with KUBEDOSSIER_PASSWORD or
    KUBEDOSSIER_PASSWORD_FILE, or a ready KUBEDOSSIER_TOKEN. It needs the permission monitorAccessKubernetes. Without
    a password, the system's keyring is asked where the package keyring is installed: keyring set "kubedossier URL"
    NAME puts it there.

    A run limited to users, techniques or clusters says nothing about completeness. Interrupted runs keep what
    arrived; the next run goes on there. The exit code is 4 where a gap or a new unreadable record remains.

    With --all, one Console that fails does not stop the others, and the exit code is the worst of theirs: 5, 7, 8,
    1, 2, 6, 4, in this order. A password_file or token_file of a [console.NAME] then goes before the environment,
    whose login is used for the Consoles without one.
    """
    settings: Settings = ctx.obj
    check_range(given)
    if not every:
        _snapshot(settings, named_console(settings, console_option), given)
        return
    if ctx.get_parameter_source("console_option") is ParameterSource.COMMANDLINE:
        raise UsageError("--all and --console contradict each other")
    for_every_console(settings, lambda named: _snapshot(settings, named, given, own_login=True))


def _snapshot(settings: Settings, named: ConsoleConfig, given: dict[str, Any], *, own_login: bool = False) -> None:
    from kubedossier.analytics.ingest.console_survey import survey

    wanted = wanted_of(named, given)
    with open_console(named, given, own_login=own_login) as console:
        found = survey(console)
        detail(f"{console.address.base} is a Console {found.version or 'of unknown version'}")
        if given["dry_run"]:
            _forecast(settings.archive_path(), console, wanted, found)
        else:
            _pull(settings.archive_path(), console, wanted, found, wait=given["wait"])


def _pull(archive: Path, console: Console, wanted: Wanted, found: Survey, *, wait: bool) -> None:
    from kubedossier.analytics.ingest.intake import Intake
    from kubedossier.analytics.ingest.pull import Pull

    with Intake(archive, kind="snapshot", wait=wait) as intake:
        pull = Pull(console, intake, wanted, found)
        _warn_of_clocks(pull)
        try:
            with _interrupts(pull), progress("Reading") as bar, closing(pull.run()) as steps:
                _follow(steps, bar)
        finally:
            _tell(console.address.name, pull.outcome)
        if intake.unwitnessed:
            warn(f"The archive's head could not be witnessed: {intake.unwitnessed}")
    _judge(pull.outcome)


def _warn_of_clocks(pull: Pull) -> None:
    """Say where coverage rests on a clock that cannot be right."""
    if pull.ahead is not None:
        seconds = f"{round(pull.ahead.total_seconds()):,} s"
        warn(f"This machine's clock is {seconds} ahead of the Console's: nothing is claimed beyond the Console's time")
    if pull.collected_later is not None:
        moment = f"{pull.collected_later:%Y-%m-%d %H:%M:%S} UTC"
        warn(
            f"An earlier run claims to have collected up to {moment}, which is later than this machine's clock. "
            "If it was ahead then, 'kubedossier retract' takes the claim back"
        )


def _follow(steps: Iterator[Progress], bar: Any) -> None:
    """Show what a run tells."""
    from kubedossier.analytics.ingest import console_progress as told

    rows, expected = 0, None
    for step in steps:
        if isinstance(step, told.Started):
            expected = step.expected
            resumed = " (going on where the last run ended)" if step.resumed else ""
            events = "events" if expected is None else f"{expected:,} events"
            say(f"Reading {events} {_shown(step.window)}{resumed}")
        elif isinstance(step, told.PageRead):
            rows += step.rows
        elif isinstance(step, told.Waiting):
            detail(f"Waiting {step.wait_s:.1f} s after try {step.tries}: {step.reason}")
        elif isinstance(step, told.WindowRead):
            if not step.stable:
                warn(f"Events {_shown(step.window)} changed while they were read; recorded as a gap")
        else:
            detail(f"Committed {step.receipt.new:,} new events as entry {step.receipt.seq}")
        bar.show(f"{rows:,}", rows if expected is None else min(rows, expected), expected)


def _tell(name: str, outcome: Outcome) -> None:
    """Print what a run did: one line of counts, then the ranges."""
    write_line(
        f"{visible(name)}: {outcome.received:,} received, {outcome.new:,} new, {outcome.duplicate:,} duplicate, "
        f"{outcome.rejected:,} rejected"
    )
    if outcome.known_rejects:
        say(already_rejected(outcome.known_rejects))
    if outcome.filtered:
        write_line("  filtered: nothing is claimed about completeness")
    for window in outcome.collected:
        write_line(f"  collected  {_shown(window)}")
    for gap in outcome.gaps:
        write_line(f"  gap        {_shown(gap.window)}: {_REASONS[gap.reason]}")


def _judge(outcome: Outcome) -> None:
    if outcome.complete:
        return
    parts = []
    if outcome.gaps:
        parts.append(f"{len(outcome.gaps)} gap{'s' * (len(outcome.gaps) > 1)}")
    if outcome.rejected:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in sorted(outcome.reasons.items()))
        parts.append(f"{outcome.rejected:,} unreadable records ({listed})")
    raise IncompleteError(
        f"Incomplete: {' and '.join(parts)}; everything that arrived is archived",
        hint="'kubedossier status' shows gaps, 'kubedossier rejects' what could not be read.",
    )


def _forecast(archive: Path, console: Console, wanted: Wanted, found: Survey) -> None:
    from kubedossier.analytics.ingest.console_plan import plan_range
    from kubedossier.analytics.ingest.console_survey import count
    from kubedossier.analytics.ingest.console_window import Window
    from kubedossier.analytics.store.ledger import Ledger

    name = console.address.name
    asked, resumed = plan_range(wanted, found, Ledger.read(archive), name, now=datetime.now(UTC))
    expected = count(console, wanted.filters, asked.start, asked.end)
    total = "an unknown number of" if found.total is None else f"{found.total:,}"
    write_line(f"{visible(name)}: version {found.version or 'unknown'}, {total} events")
    if found.oldest is not None:
        write_line(f"  oldest event  {_shown(Window(found.oldest, found.oldest)).partition(' to ')[0]} UTC")
    where = ", going on where the last run ended" if resumed else ""
    events = "events" if expected is None else f"{expected:,} events"
    write_line(f"  would read    {events} {_shown(asked)}{where}")
    say("Nothing was written.")


@contextmanager
def _interrupts(pull: Pull) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a run between commits, never within one."""

    def interrupted(_number: int, _frame: object) -> None:
        if pull.committing:
            waiting.append(True)
        else:
            raise KeyboardInterrupt

    waiting: list[bool] = []
    pull.after_commit = lambda: interrupted(0, None) if waiting else None
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, interrupted) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shown(window: Window) -> str:
    """A range as people read it, to the second."""
    from kubedossier.analytics.ingest.console_coverage import USABLE
    from kubedossier.analytics.ingest.times import from_micros

    start, end = (f"{from_micros(one):%Y-%m-%d %H:%M:%S}" for one in (window.start, window.end))
    if window.start <= USABLE.start:
        return f"up to {end} UTC"
    return f"from {start} on" if window.end >= USABLE.end else f"{start} to {end} UTC"
