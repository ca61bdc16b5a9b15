"""Every Console of the configuration, one after another: what ``--all`` means.

One that fails must not keep the others from being archived, and must not be forgotten in the exit code. The
login of one Console must not be sent to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kubedossier.analytics.errors import (
    BusyError,
    IncompleteError,
    IntegrityError,
    KubedossierError,
    SourceError,
    StorageError,
    UsageError,
)
from kubedossier.cli import Settings
from kubedossier.cli.diagnostics import say, warn
from kubedossier.cli.output import visible, write_line

if TYPE_CHECKING:
    from kubedossier.analytics.config import ConsoleConfig

_WORST_FIRST = (
    IntegrityError,
    StorageError,
    BusyError,
    KubedossierError,
    UsageError,
    SourceError,
    IncompleteError,
)
"""The archive's own troubles before those of the way to it, and a gap, which the next run may close, last."""


def for_every_console(settings: Settings, task: Callable[[ConsoleConfig], None]) -> None:
    """Do something for each [console.NAME] of the configuration, and sum up.

    Raises:
        UsageError: the configuration names no Console.
        KubedossierError: one or more failed; of the class of the worst failure.
    """
    consoles = settings.config.consoles
    if not consoles:
        raise UsageError("--all: the configuration names no Console", hint="Write a [console.NAME] with its url.")
    failed: dict[str, KubedossierError] = {}
    for number, (name, named) in enumerate(consoles.items(), 1):
        say(f"Console {name}, {number} of {len(consoles)}: {named.url}")
        try:
            task(named)
        except KubedossierError as error:
            failed[name] = error
            warn(f"{name}: {error.message}" + (f"\n{error.hint}" if error.hint else ""))
    width = max(map(len, consoles))
    for name in consoles:
        write_line(f"{visible(name):<{width}}  {_ended(failed.get(name))}")
    if failed:
        worst = worst_of(failed.values())
        raise type(worst)(
            f"{len(failed)} of {len(consoles)} Consoles did not end well: {', '.join(failed)}", hint=worst.hint
        )


def worst_of(errors: Iterable[KubedossierError]) -> KubedossierError:
    """The first error of the worst class; as exit codes the order is 5, 7, 8, 1, 2, 6, 4."""
    order = [one.exit_code for one in _WORST_FIRST]
    return min(errors, key=lambda error: order.index(error.exit_code) if error.exit_code in order else 0)


def _ended(error: KubedossierError | None) -> str:
    return "ok" if error is None else f"exit code {error.exit_code}: {error.meaning}"
