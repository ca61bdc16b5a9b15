"""``kubedossier import``: archives events from files or standard input."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kubedossier.analytics.errors import IncompleteError, KubedossierError
from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import already_rejected, progress, say, warn
from kubedossier.cli.output import counted, write_line

if TYPE_CHECKING:
    from kubedossier.analytics.ingest.staged import Receipt

_CHANGES = {
    "shrank": "became shorter while it was read: import what it was cut from",
    "grew": "grew while it was read: import it again for what came later",
    "replaced": "was replaced while it was read, and the new file was not: import it, too",
}


@click.command(
    epilog=example(
        """
kubedossier import kubernetes-audits.json
kubedossier import audit.log.gz --cluster prod-eu --provider aws
zcat *.ndjson.gz | kubedossier import -
"""
    )
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--input-format",
    type=click.Choice(
        ["auto", "console-json", "console-csv", "kubernetes-audit", "eks-cloudwatch", "aks-diagnostic", "gke-audit"]
    ),
    default="auto",
    show_default=True,
    metavar="FORMAT",
    help="What the records are: console-json, console-csv, kubernetes-audit, eks-cloudwatch, aks-diagnostic, "
    "gke-audit; auto tells each by its shape.",
)
@click.option("--cluster", help="Cluster of raw audit logs, which do not name it.")
@click.option("--account", help="Account of raw audit logs.")
@click.option("--provider", help="Provider of raw audit logs: aws, azure, gcp, alibaba, oci, others.")
@click.option("--wait", is_flag=True, help="Wait for another writer instead of failing.")
@click.pass_obj
def command(
    settings: Settings,
    files: tuple[str, ...],
    input_format: str,
    cluster: str | None,
    account: str | None,
    provider: str | None,
    wait: bool,
) -> None:
    """Archive events from files.

    Reads the Console's events (JSON array, NDJSON, CSV), Kubernetes audit logs (audit.k8s.io events, one a line, an
    EventList, or pretty-printed), and the exports of EKS (CloudWatch, its Logs Insights as JSON or CSV), AKS
    (diagnostic logs, tables of Log Analytics as JSON or CSV) and GKE (Cloud Audit, messages of Pub/Sub), plain or
    compressed with gzip, zstd or bzip2. '-' is standard input.

    What was archived before is counted and not stored again. A record that cannot be read is kept as a reject with
    its position and reason, and the exit code is 4; when the same comes again from the same file, it is a duplicate.
    """
    from kubedossier.analytics.ingest.importer import Labels, import_files

    settings.apply_rules()
    steps = import_files(
        settings.archive_path(),
        files,
        labels=Labels(cluster, account, provider),
        input_format=None if input_format == "auto" else input_format,
        stdin=sys.stdin.buffer,
        wait=wait,
    )
    receipts: list[Receipt] = []
    changes: tuple[tuple[str, str], ...] = ()
    try:
        with progress("Importing") as bar:
            for step in steps:
                bar.show(step.file, step.bytes_read, step.bytes_total)
                changes = step.changes
                if step.receipt is not None:
                    receipts.append(step.receipt)
    except KeyboardInterrupt:
        _tell_counts(receipts)
        raise
    except KubedossierError as error:
        _tell_counts(receipts)
        error.hint = f"{error.hint} {_what_stays(receipts, error)}".rstrip()
        raise
    for name, change in changes:
        warn(f"'{name}' {_CHANGES[change]}; nothing is stored twice")
    tell(receipts)
    if any(change == "shrank" for _, change in changes):
        raise IncompleteError(
            "What a file lost while it was read may not have been seen; everything that was read is archived",
            hint="Import it from where it is whole, such as the rotated file.",
        )


def _what_stays(receipts: Sequence[Receipt], error: KubedossierError) -> str:
    """What a run that failed had archived by then; a file may be damaged at its end, and commits come before that."""
    if receipts:
        return f"{sum(one.received for one in receipts):,} records were read and archived before that, and stay."
    return "Nothing was archived." if type(error) is KubedossierError else ""


def _tell_counts(receipts: Sequence[Receipt]) -> None:
    if not receipts:
        return
    total = {name: sum(getattr(one, name) for one in receipts) for name in ("received", "new", "duplicate", "rejected")}
    months: Counter[str] = sum((Counter(one.months) for one in receipts), Counter())
    write_line(
        f"{total['received']:,} received: {total['new']:,} new, {total['duplicate']:,} duplicate, "
        f"{total['rejected']:,} rejected"
    )
    for month, count in sorted(months.items()):
        write_line(f"  {month}  {count:>12,}")


def tell(receipts: Sequence[Receipt]) -> None:
    """Print what a run archived, and raise where something could not be read."""
    rejected = sum(one.rejected for one in receipts)
    skipped: Counter[str] = sum((Counter(one.look_alikes) for one in receipts), Counter())
    reasons: Counter[str] = sum((Counter(one.reasons) for one in receipts), Counter())
    _tell_counts(receipts)
    for what, count in sorted(skipped.items()):
        warn(f"Skipped {count:,} x {what}: no audit event")
    for why in sorted({one.unwitnessed for one in receipts} - {""}):
        warn(f"The archive's head could not be witnessed: {why}")
    if known := sum(one.known_rejects for one in receipts):
        say(already_rejected(known))
    if reasons:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
        kept = "It is" if rejected == 1 else "They are"
        raise IncompleteError(
            f"{counted(rejected, 'record')} could not be read ({listed}); everything else is archived",
            hint=f"{kept} kept verbatim: 'kubedossier rejects' shows what and where.",
        )
