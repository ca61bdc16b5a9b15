"""``kubedossier retract``: hides a snapshot from all views."""

from __future__ import annotations

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import say
from kubedossier.cli.output import visible, write_line
from kubedossier.cli.witnessed import warn_unless_witnessed


@click.command(
    epilog=example(
        """
kubedossier retract 20261101T061500Z-1f2e3d4c --reason "test data"
kubedossier retract 20261101T061500Z-1f2e3d4c --reason "test data" --yes
"""
    )
)
@click.argument("snapshot")
@click.option("--reason", required=True, help="Why; it stands in the ledger and is printed in reports.")
@click.option("--yes", is_flag=True, help="Retract; without it, only say what would be hidden.")
@click.option("--wait", is_flag=True, help="Wait for another writer instead of failing.")
@click.pass_obj
def command(settings: Settings, snapshot: str, reason: str, yes: bool, wait: bool) -> None:
    """Hide a snapshot or an import from all views.

    Nothing is deleted, and the retraction itself stands in the ledger for ever. The events no longer count as known:
    a later import brings them in again.
    """
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.store.retention import find_snapshot, retract

    root = settings.archive_path()
    entry = find_snapshot(Archive(root).ledger, snapshot)
    if yes:
        retract(root, entry["id"], reason, wait=wait)
    write_line(f"{entry['id']}  {entry['counts']['new']:,} records, {entry['type']} of {entry['at'][:19]}Z")
    if yes:
        warn_unless_witnessed(root)
    say("Retracted: " + visible(reason) if yes else "It would be hidden from all views; add --yes to do it.")
