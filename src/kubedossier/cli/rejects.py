"""``kubedossier rejects``: what could not be read as an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import say
from kubedossier.cli.output import visible, write_line

if TYPE_CHECKING:
    from kubedossier.analytics.ingest.importer import Labels

_BLANKS = str.maketrans("\n\r\t", "   ")


@click.command(
    epilog=example(
        """
kubedossier rejects
kubedossier rejects -f ndjson --limit 0 > rejects.ndjson
kubedossier rejects --retry
"""
    )
)
@click.option(
    "-f",
    "--format",
    "shape",
    type=click.Choice(["table", "ndjson"]),
    default="table",
    help="How to write it.  [default: table]",
)
@click.option("--limit", default=20, show_default=True, help="How many to show; 0 shows all.")
@click.option("--retry", is_flag=True, help="Read them all again, after an upgrade.")
@click.option("--cluster", help="With --retry: cluster of raw audit logs.")
@click.option("--account", help="With --retry: account of raw audit logs.")
@click.option("--provider", help="With --retry: provider of raw audit logs.")
@click.option("--wait", is_flag=True, help="With --retry: wait for another writer.")
@click.pass_obj
def command(
    settings: Settings,
    shape: str,
    limit: int,
    retry: bool,
    cluster: str | None,
    account: str | None,
    provider: str | None,
    wait: bool,
) -> None:
    """Show what could not be read as an event.

    Each reject is kept verbatim with its reason, its source and its position there; -f ndjson gives it whole.
    """
    from kubedossier.analytics.archive import Archive
    from kubedossier.analytics.store.rejects import read_rejects

    root = settings.archive_path()
    if retry:
        from kubedossier.analytics.ingest.importer import Labels

        _retry(settings, Labels(cluster, account, provider), wait)
        return
    files = Archive(root).ledger.live("rejects")
    total = sum(file.rows for file in files)
    shown = 0
    for file in files:
        for one in read_rejects(root, file):
            if limit and shown >= limit:
                break
            shown += 1
            if shape == "ndjson":
                write_line(one.line().decode("ascii").rstrip("\n"))
            else:
                write_line(f"{one.reason:<20} {visible(one.source)}, {visible(one.position)}")
                write_line(f"    {_start(one.raw)}")
    if shown < total:
        say(f"Shown are {shown} of {total:,} rejects; --limit 0 shows all.")
    elif not total:
        say("No rejects.")


def _retry(settings: Settings, labels: Labels, wait: bool) -> None:
    from kubedossier.analytics.ingest.retry import retry_rejects
    from kubedossier.cli.import_ import tell

    settings.apply_rules()
    receipt = retry_rejects(settings.archive_path(), labels=labels, wait=wait)
    if receipt is None:
        say("No rejects.")
    else:
        tell([receipt])


def _start(raw: bytes) -> str:
    """The beginning of a raw record, on one line of a terminal: line breaks and tabs as blanks, else as it is."""
    text = raw[:200].decode("utf-8", "backslashreplace").translate(_BLANKS)
    return visible(text if len(text) <= 72 and len(raw) <= 200 else text[:70] + " …")
