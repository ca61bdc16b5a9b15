"""``kubedossier verify``: checks that nothing in the archive was changed."""

from __future__ import annotations

import re

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import warn
from kubedossier.cli.output import visible, write_line


@click.command(
    epilog=example(
        """
kubedossier verify
kubedossier verify --deep
kubedossier verify --head 12:9f86d081884c7d65 /mnt/backup/dossier
"""
    )
)
@click.argument("path", required=False, type=click.Path())
@click.option("--quick", "level", flag_value="quick", help="Only the chain, and that each file is there.")
@click.option("--deep", "level", flag_value="deep", help="Also derive every event again from its raw text.")
@click.option("--head", metavar="SEQ:HASH", help="A head you know from elsewhere, such as a printed report.")
@click.pass_obj
def command(settings: Settings, path: str | None, level: str | None, head: str | None) -> None:
    """Check that nothing in the archive was changed.

    Checks the chain of the ledger, the head against this machine's witness file, and the SHA-256 of every file. Every
    finding is printed, with what was expected and what was found; the exit code is then 5.
    """
    from pathlib import Path
    from typing import cast

    from kubedossier.analytics.errors import IntegrityError
    from kubedossier.analytics.ingest.recheck import recheck_events
    from kubedossier.analytics.store.verify import Level, verify

    chosen = cast(Level, level or "default")
    root = Path(path) if path else settings.archive_path()
    verdict = verify(root, level=chosen, head=_read_head(head), recheck=recheck_events)
    for one in verdict.findings:
        write_line(f"{one.kind}  {visible(one.where)}")
        write_line(f"    expected  {visible(one.expected)}")
        write_line(f"    found     {visible(one.found)}")
    if verdict.findings:
        raise IntegrityError(
            f"{len(verdict.findings)} findings in '{root}': the archive is not what its ledger says",
            hint="Keep it as it is, and compare it with a backup.",
        )
    write_line(f"{verdict.files:,} files and {verdict.events:,} records are as the ledger says ({_checked(chosen)}).")
    write_line(f"Head {verdict.head[0]}:{verdict.head[1]}")
    if not verdict.witnessed:
        warn("This archive was not witnessed on this machine: that its newest entries are all there rests on --head.")


def _checked(level: str) -> str:
    return {
        "quick": "chain, presence and size; not their content",
        "default": "chain, presence, SHA-256",
        "deep": "chain, presence, SHA-256, every event against its raw text",
    }[level]


def _read_head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+):([0-9a-fA-F]{8,64})", text)
    if match is None:
        raise click.BadParameter(f"'{text}' is not SEQ:HASH", param_hint="--head")
    return int(match[1]), match[2].lower()
