"""``kubedossier compact``: merges small files."""

from __future__ import annotations

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.output import counted, write_line
from kubedossier.cli.witnessed import warn_unless_witnessed


@click.command(
    epilog=example(
        """
kubedossier compact --dry-run
kubedossier compact
"""
    )
)
@click.option("--dry-run", is_flag=True, help="Say what would be merged.")
@click.option("--wait", is_flag=True, help="Wait for another writer instead of failing.")
@click.pass_obj
def command(settings: Settings, dry_run: bool, wait: bool) -> None:
    """Merge small files, by day in the open month and by month once it is closed.

    Queries become faster and the archive smaller; no event and no digest changes, which is checked from disk before
    anything is committed. The old files stay until 'kubedossier gc'.
    """
    from datetime import UTC, datetime

    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.store.compact import compact, plan

    root = settings.archive_path()
    ledger = Archive(root).ledger
    now = datetime.now(UTC)
    if dry_run:
        for merge in plan(ledger, now):
            how = "a file a day" if merge.by_day else "one file"
            write_line(f"{merge.month:<8}  {counted(len(merge.files), 'file'):>12} to {how}")
        return
    done = 0
    for one in compact(root, now, wait=wait):
        done += 1
        write_line(
            f"{one.month:<8}  {counted(one.files_before, 'file'):>12} {one.bytes_before:>14,} B"
            f"  ->  {counted(one.files_after, 'file'):>8} {one.bytes_after:>14,} B"
        )
    if done:
        warn_unless_witnessed(root)
    else:
        write_line("Nothing to merge.")
