"""``kubedossier bundle``: puts a month into one file for auditors."""

from __future__ import annotations

from pathlib import Path

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import say, warn
from kubedossier.cli.output import complete_file, write_line

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=example(
        """
kubedossier bundle 2026-10
kubedossier bundle last-month -o /mnt/audit/october.zip
kubedossier bundle 2026-10 --report signed-report.pdf
kubedossier bundle undated
"""
    )
)
@click.argument("month")
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="The zip to write.  [default: named after its id]")
@click.option("--report", type=_FILE, metavar="PDF", help="The report to put in.  [default: the archive's own]")
@click.option("--as-of", type=click.IntRange(min=1), metavar="SEQ", help="The archive as of this ledger entry.")
@click.pass_obj
def command(settings: Settings, month: str, output: Path | None, report: Path | None, as_of: int | None) -> None:
    """Put a month into one zip for auditors.

    MONTH is 2026-10, last-month, or undated for the records without a usable time. The zip holds the report, the
    events as Parquet, NDJSON and CSV, the whole ledger, and a script that checks all of it with stock tools. The same
    archive gives the same bytes. The SHA-256 of the zip goes to stdout.
    """
    from datetime import UTC, datetime

    from kubedossier.analytics.evidence.bundle import Receipt, write_bundle
    from kubedossier.analytics.evidence.choice import plan_bundle
    from kubedossier.analytics.evidence.subject import parse_subject
    from kubedossier.analytics.store.damage import settled

    subject = parse_subject(month, now=datetime.now(UTC))
    root, organisation = settings.archive_path(), settings.config.report("monthly").organisation or ""

    def made() -> tuple[Receipt, Path]:
        plan = plan_bundle(root, subject, as_of=as_of, report=report, organisation=organisation)
        path = output or Path(f"{plan.folder}.zip")
        with complete_file(path) as file:
            return write_bundle(plan, file, spool=path.parent), path

    receipt, path = settled(made)
    label = receipt.label
    write_line(f"{receipt.sha256}  {path}")
    if not label.events:
        warn(f"There are no events of {subject.title} in this archive")
    if not label.report:
        say("There is no report in it: --report PDF puts one in.")
    say(f"{label.events:,} events of {subject.title}, head {label.head[0]}:{label.head[1]}. It is not signed.")
