"""``kubedossier doctor``: whether this machine, its archive and its Consoles are fit for work, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubedossier.analytics.errors import FindingsError, KubedossierError, UsageError
from kubedossier.cli import Settings, example
from kubedossier.cli.consoles import named_console, open_console
from kubedossier.cli.output import visible, wrapped, write_line

if TYPE_CHECKING:
    from kubedossier.analytics.checks import Check
    from kubedossier.analytics.config import ConsoleConfig

_FILE = click.Path(path_type=Path, dir_okay=False)
_PATIENCE_S = 20
_WIDEST = 100
_SIGNS = {"ok": "\u2713 ok", "warning": "! warning", "failed": "\u2717 failed"}
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command(
    epilog=example(
        """
kubedossier doctor
kubedossier doctor --offline
kubedossier doctor --console https://10.0.0.9:8083 --ca-bundle corp-ca.pem
kubedossier doctor -f json | jq '.checks[] | select(.state != "ok")'
"""
    )
)
@click.option(
    "--console",
    "console_option",
    metavar="URL",
    envvar="KUBEDOSSIER_CONSOLE",
    help="Base URL of a Console, or the name of one.  [default: every one of the configuration]",
)
@click.option("--offline", is_flag=True, help="Ask no Console.")
@click.option("--ca-bundle", type=_FILE, help="PEM file of the authorities to trust, and no others.")
@click.option("--client-cert", type=_FILE, help="PEM file with a client certificate and its key.")
@click.option("--insecure", is_flag=True, help="Take any certificate.")
@click.option(
    "--auth",
    type=click.Choice(["bearer", "basic"]),
    default="bearer",
    help="How to use name and password, as with snapshot.  [default: bearer]",
)
@click.option(
    "-f",
    "--format",
    "shape",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How to write it.  [default: text]",
)
@click.pass_obj
def command(settings: Settings, /, console_option: str | None, offline: bool, shape: str, **given: Any) -> None:
    """Check that this machine, its archive and its Consoles are fit for work.

    It looks at configuration, libraries, fonts, disk, clock, archive and witness, and at what could make the same
    report have other bytes here. A Console that is configured, or named, is asked whether it answers, whom it lets in,
    and whether events may be read. Nothing is changed, nothing is kept, and no secret is shown.

    Each check is ok, a warning (it works, and should not stay so) or failed, with what to do next. The exit code is 3
    where a check failed, else 0.
    """
    now = datetime.now(UTC)
    checks: list[Check] = []
    for one in _checks(settings, console_option, offline, given, now):
        if shape == "text":
            _show(one, is_first=bool(one.about) and (not checks or checks[-1].about != one.about))
        checks.append(one)
    failed = [one.name for one in checks if one.state == "failed"]
    if shape == "json":
        lines = [
            {"about": one.about, "check": one.topic, "state": one.state, "found": one.found, "next": one.next}
            for one in checks
        ]
        write_line(json.dumps({"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "failed": len(failed), "checks": lines}, indent=2))
    if failed:
        raise FindingsError(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")


def _checks(
    settings: Settings, console_option: str | None, offline: bool, given: dict[str, Any], now: datetime
) -> Iterator[Check]:
    from kubedossier.analytics import machine
    from kubedossier.analytics.checks import Check
    from kubedossier.reports import readiness

    try:
        config = settings.config
    except UsageError as error:
        yield Check("configuration", "failed", error.message, error.hint)
        return
    yield Check("configuration", "ok", f"'{config.path}'" if config.path else "no kubedossier.toml: defaults hold")
    yield from machine.examine(settings.archive_path(), now=now)
    yield from readiness.examine(settings.archive_path())
    if offline:
        return
    named = [named_console(settings, console_option)] if console_option else list(config.consoles.values())
    for one in named:
        for check in _console(one, given, several=len(named) > 1):
            yield replace(check, about=f"Console {one.name}".strip())


def _console(named: ConsoleConfig, given: dict[str, Any], *, several: bool) -> Iterator[Check]:
    from kubedossier.analytics.checks import Check
    from kubedossier.analytics.ingest.console_health import examine

    for path in (named.password_file, named.token_file):
        if path and _others_may_read(path):
            found = f"'{path}' may be read by other users of this machine"
            yield Check("secret", "warning", found, f"chmod 600 '{path}'")
    options = given | {"api_version": None, "project": None, "connections": 1, "give_up_after": _PATIENCE_S}
    try:
        console = open_console(named, options, own_login=several)
    except KubedossierError as error:
        yield Check("login", "failed", error.message, error.hint)
        return
    with console:
        yield from examine(console, now=datetime.now(UTC))


def _others_may_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def _show(check: Check, *, is_first: bool) -> None:
    """One check: its state, its topic, what was found, and what to do next on lines of their own."""
    import shutil

    if is_first:
        write_line()
        write_line(click.style(visible(check.about), bold=True))

    width = max(40, min(_WIDEST, shutil.get_terminal_size().columns))
    sign = f"{_SIGNS[check.state]:<10}"
    head = f"{visible(check.topic):<16}  "
    lines = list(_wrapped((check.found, *((f"-> {check.next}",) if check.next else ())), width - 28))
    write_line(click.style(sign, fg=_COLOURS[check.state]) + head + (lines[0] if lines else ""))
    for line in lines[1:]:
        write_line(" " * 28 + line)


def _wrapped(texts: Iterable[str], width: int) -> Iterator[str]:
    for text in texts:
        yield from wrapped(visible(text), max(20, width), breaking=True)
