"""The one owner of stderr and of exit codes.

Narration (``say``, ``warn``) goes to stderr as text or JSON lines; ``run`` is the single place that turns an
exception into a message and an exit code. Nothing here may write to stdout.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from kubedossier.analytics.errors import INTERRUPTED_EXIT_CODE, KubedossierError

_LEADS = {"error": "red", "warning": "yellow"}
_state: dict[str, Any] = {"format": "text", "verbose": 0}


def configure(log_format: str, verbose: int) -> None:
    """Set how to narrate: ``text`` or ``json``, and how much."""
    _state.update(format=log_format, verbose=verbose)


def say(text: str, **fields: object) -> None:
    """Tell the user what happens, on stderr."""
    _write("info", text, fields)


def detail(text: str, **fields: object) -> None:
    """Tell it only when ``-v`` was given."""
    if _state["verbose"]:
        _write("debug", text, fields)


def warn(text: str, **fields: object) -> None:
    """Tell the user about something that needs attention, on stderr."""
    _write("warning", text, fields)


def already_rejected(count: int) -> str:
    """What to say about duplicates that are no events."""
    records, they = ("record", "it is") if count == 1 else ("records", "they are")
    return f"Of the duplicates, {count:,} unreadable {records} came before; {they} among the rejects already."


class Progress:
    """A progress bar on stderr; it shows nothing where stderr is no terminal or the narration is JSON."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and _state["format"] == "text":
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self._title, total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, what: str, done: int, total: int | None) -> None:
        """Show how far the work is."""
        if self._bar is not None:
            from kubedossier.cli.output import visible

            text = f"{self._title} {visible(what)}"[:40]
            self._bar.update(self._task, description=text, completed=done, total=total)


def progress(title: str) -> Progress:
    """A progress bar for long work, as a context manager."""
    return Progress(title)


def run(command: click.Command) -> int:
    """Run the command line and return the exit code; no traceback reaches the user."""
    from kubedossier.cli.output import fill_standard_streams

    fill_standard_streams()
    with _ended_by_sigterm():
        return _run(command)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end the command as Ctrl-C does, so that it clears up behind it."""
    plain = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not plain or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(command: click.Command) -> int:
    try:
        result = command.main(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.Abort:
        _write("error", "Interrupted; everything that was acknowledged is kept.", {})
        return INTERRUPTED_EXIT_CODE
    except KeyboardInterrupt:
        _write("error", "Interrupted; everything that was acknowledged is kept.", {})
        return INTERRUPTED_EXIT_CODE
    except click.exceptions.NoArgsIsHelpError as error:
        _help(error)
        return error.exit_code
    except click.UsageError as error:
        if error.ctx and _state["format"] == "text":
            _echo(error.ctx.get_usage() + "\n")
        _error(error.format_message(), _help_hint(error), error.exit_code)
        return error.exit_code
    except click.ClickException as error:
        _error(error.format_message(), "", error.exit_code)
        return error.exit_code
    except KubedossierError as error:
        _error(error.message, error.hint, error.exit_code)
        _traceback_when_asked()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug must still end in one plain sentence
        _error(
            f"Unexpected {type(error).__name__}: {error}",
            "This is a fault in kubedossier. Run again with -vv and send the output to its developers.",
            1,
        )
        _traceback_when_asked()
        return 1


def _help(error: click.UsageError) -> None:
    """A command without anything after it is told what there is; that is no mistake to be named."""
    if _state["format"] == "json":
        _error("A command is missing", _help_hint(error), error.exit_code)
    else:
        _echo(error.format_message())


def _help_hint(error: click.UsageError) -> str:
    return f"'{error.ctx.command_path} --help' lists what it takes." if error.ctx else ""


def _traceback_when_asked() -> None:
    if int(_state["verbose"]) >= 2:
        import traceback

        _echo(traceback.format_exc())


def _error(message: str, hint: str, exit_code: int) -> None:
    fields: dict[str, object] = {"exit_code": exit_code}
    if _state["format"] == "json":
        _write("error", message, fields | ({"hint": hint} if hint else {}))
    else:
        _write("error", message + (f"\n{hint}" if hint else ""), {})


def _write(level: str, text: str, fields: dict[str, object]) -> None:
    if _state["format"] == "json":
        import json
        from datetime import UTC, datetime

        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"at": at, "level": level, "message": text} | fields, default=str)
        _echo(line)
        return
    from kubedossier.cli.output import visible

    lead = f"{level}: " if level in _LEADS else ""
    safe = [visible(line) for line in (lead + text).split("\n")]
    if sys.stderr is not None and sys.stderr.isatty():
        safe = [part for line in safe for part in _fitted(line)]
    told = "\n".join(safe)
    _echo(click.style(lead, fg=_LEADS.get(level), bold=bool(lead)) + told[len(lead) :] if lead else told)


def _echo(text: str) -> None:
    """A line on stderr; that nobody can read it changes neither what is done nor the exit code."""
    from kubedossier.cli.output import nobody_reads

    try:
        click.echo(text, err=True)
    except OSError:
        nobody_reads(sys.stderr)


def _fitted(line: str) -> Iterable[str]:
    """A line as the terminal has room for it; what is set by blanks, such as SQL with a mark below, stays as it is."""
    from kubedossier.cli.output import terminal_width, wrapped

    is_set = line.startswith(" ") or "  " in line
    return [line] if is_set or len(line) <= terminal_width() else wrapped(line, terminal_width())
