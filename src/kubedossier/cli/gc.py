"""``kubedossier gc``: deletes files that no view reads any more."""

from __future__ import annotations

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import say
from kubedossier.cli.output import counted, write_line
from kubedossier.cli.witnessed import warn_unless_witnessed


@click.command(
    epilog=example(
        """
kubedossier gc
kubedossier gc --yes
"""
    )
)
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would be deleted.")
@click.option("--wait", is_flag=True, help="Wait for another writer instead of failing.")
@click.pass_obj
def command(settings: Settings, yes: bool, wait: bool) -> None:
    """Delete files that 'compact' or 'techniques --rederive' replaced, after a clean verification.

    No event is deleted: each of them lies in the file that replaced the old one.
    """
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.store.retention import collect_garbage, garbage

    root = settings.archive_path()
    found = collect_garbage(root, wait=wait) if yes else garbage(Archive(root).ledger)
    for one in found:
        write_line(f"{one.path}  {one.bytes:,} B")
    amount = f"{counted(len(found), 'file')}, {sum(one.bytes for one in found):,} B"
    if not found:
        say("Nothing to delete.")
    elif not yes:
        say(f"{amount} would be deleted; add --yes to do it.")
    else:
        warn_unless_witnessed(root)
        say(f"{amount} deleted.")
