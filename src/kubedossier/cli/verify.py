"""``kubedossier verify``: checks that nothing in the archive was changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubedossier.cli import Settings, example
from kubedossier.cli.diagnostics import say, warn
from kubedossier.cli.output import counted, visible, write_line, write_wrapped

if TYPE_CHECKING:
    from kubedossier.analytics.store.verify import Finding


@click.command(
    epilog=example(
        """
kubedossier verify
kubedossier verify --deep
kubedossier verify --head 12:9f86d081884c7d65 /mnt/backup/dossier
kubedossier verify kubedossier-2026-10-4b7e0c9a51d2.zip
kubedossier verify monthly-2026-10.pdf
"""
    )
)
@click.argument("path", required=False, type=click.Path())
@click.option("--quick", "level", flag_value="quick", help="Only the chain, and that each file is there.")
@click.option("--deep", "level", flag_value="deep", help="Also derive every event again from its raw text.")
@click.option("--head", metavar="SEQ:HASH", help="A head you know from elsewhere, such as a printed report.")
@click.option("--accept-rollback", is_flag=True, help="Go on with a restored backup; the ledger tells of it.")
@click.pass_obj
def command(settings: Settings, path: str | None, level: str | None, head: str | None, accept_rollback: bool) -> None:
    """Check that nothing in the archive, in a bundle or in a report was changed.

    PATH is an archive, a bundle as a zip or unpacked, or a report as PDF. Of an archive, it checks the chain of the
    ledger, the head against this machine's witness file, and the SHA-256 of every file; of a bundle, all that it says;
    of a report, that it is closed, archival and tagged, and that its attachments, its manifest and the seal on the
    cover agree. Every finding is printed, with what was expected and what was found; the exit code is then 5.
    """
    from typing import cast

    from kubedossier.analytics.errors import IntegrityError, UsageError
    from kubedossier.analytics.evidence.check import is_bundle
    from kubedossier.analytics.ingest.recheck import recheck_events
    from kubedossier.analytics.store.verify import Level, verify
    from kubedossier.reports.check import is_report

    chosen = cast(Level, level or "default")
    root = Path(path) if path else settings.archive_path()
    if path and is_report(root):
        if accept_rollback or level:
            raise UsageError("A report is always checked completely", hint="Give --head alone.")
        _check_report(root, head)
        return
    if root.suffix.lower() == ".html" and os.path.isfile(root):  # noqa: PTH113 - a name that is too long is none
        hint = "Verify the PDF; section A1 of a page says how to check its files."
        raise UsageError(f"'{root}' is no archive, no bundle and no PDF", hint=hint)
    if is_bundle(root):
        if accept_rollback:
            raise UsageError("A bundle is never put back", hint="Leave --accept-rollback out.")
        _check_bundle(root, level, head)
        return
    if accept_rollback:
        _accept_rollback(root)
    if chosen == "deep":
        settings.apply_rules()
    verdict = verify(root, level=chosen, head=_read_head(head), recheck=recheck_events)
    _tell(verdict.findings)
    for name in verdict.unfinished:
        warn(
            f"'{name}' is not in the ledger: a commit that is under way, or was cut short, names it in tmp/, or "
            "somebody who put both there. Nothing reads it, and the next command that writes removes it"
        )
    if verdict.findings:
        raise IntegrityError(
            f"{counted(len(verdict.findings), 'finding')} in '{root}': the archive is not what its ledger says",
            hint="Keep it as it is, and compare it with a backup.",
        )
    seen = f"{counted(verdict.files, 'file')} and {counted(verdict.events, 'record')}"
    write_wrapped(f"{seen} are as the ledger says ({_checked(chosen)}).")
    write_line(f"Head {verdict.head[0]}:{verdict.head[1]}")
    if not verdict.witnessed:
        warn("This archive was not witnessed on this machine: that its newest entries are all there rests on --head.")


def _accept_rollback(root: Path) -> None:
    """Record that the archive was put back to an earlier state on purpose; only where nothing else is wrong with it."""
    from kubedossier.analytics.errors import IntegrityError
    from kubedossier.analytics.store.commit import Writer
    from kubedossier.analytics.store.verify import verify

    others = [one for one in verify(root).findings if one.kind not in ("rolled-back", "entry-replaced")]
    if others:
        _tell(others)
        raise IntegrityError(
            f"'{root}' is not merely older: {len(others)} other findings", hint="Restore a backup that is whole."
        )
    with Writer(root, accept_rollback=True) as writer:
        entry = writer.record_rollback()
    write_line(f"Accepted: the ledger goes on at entry {entry['seq']}, which tells of the rollback.")


def _check_bundle(path: Path, level: str | None, head: str | None) -> None:
    from kubedossier.analytics.errors import IntegrityError, UsageError
    from kubedossier.analytics.evidence.check import check_bundle

    if level is not None:
        raise UsageError("A bundle is always checked completely", hint=f"Leave --{level} out.")
    verdict = check_bundle(path, head=_read_head(head))
    _tell(verdict.findings)
    if verdict.findings:
        raise IntegrityError(
            f"{counted(len(verdict.findings), 'finding')} in '{path}': the bundle is not what it says",
            hint="Keep it as it is, and ask for another copy.",
        )
    seen = f"{counted(verdict.files, 'file')} and {counted(verdict.events, 'event')}"
    write_line(f"{seen} of {verdict.month} are as the bundle says.")
    write_line(f"Head {verdict.head[0]}:{verdict.head[1]}")
    if head is None and not verdict.witnessed:
        warn("Nothing shows who made this bundle: compare the head with one from elsewhere, by --head")


def _check_report(path: Path, head: str | None) -> None:
    from kubedossier.analytics.errors import IntegrityError
    from kubedossier.reports.check import check_report
    from kubedossier.reports.verapdf import judge

    verdict = check_report(path)
    _tell(verdict.findings)
    if verdict.findings:
        raise IntegrityError(
            f"{counted(len(verdict.findings), 'finding')} in '{path}': the report is not what it says",
            hint="Keep it as it is, and ask for another copy.",
        )
    known = _read_head(head)
    if known and (known[0] != verdict.head[0] or not verdict.head[1].startswith(known[1])):
        raise IntegrityError(f"'{path}' was drawn from {verdict.head[0]}:{verdict.head[1]}, not from {head}")
    judged = judge(path)
    write_line(f"{verdict.rules} rules hold for report {visible(verdict.number)}.")
    write_line(f"Seal {verdict.seal}")
    write_line(f"Head {verdict.head[0]}:{visible(verdict.head[1])}")
    for one in judged or ():
        write_line(f"veraPDF, {one.profile}: {one.passed:,} checks passed, {one.failed:,} failed")
    if judged is None:
        say("Judged by the rules of this program alone: veraPDF is not on the PATH.")
    elif any(one.failed for one in judged):
        raise IntegrityError(f"veraPDF does not accept '{path}'", hint="Ask for another copy.")


def _tell(findings: Iterable[Finding]) -> None:
    for one in findings:
        write_line(f"{one.kind}  {visible(one.where)}")
        write_wrapped(f"    expected  {visible(one.expected)}", indent=14)
        write_wrapped(f"    found     {visible(one.found)}", indent=14)


def _checked(level: str) -> str:
    return {
        "quick": "chain, presence and size; not their content",
        "default": "chain, presence, SHA-256",
        "deep": "chain, presence, SHA-256, every event against its raw text",
    }[level]


def _read_head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,7}):([0-9a-fA-F]{8,64})", text)
    if match is None:
        raise click.BadParameter(f"'{text}' is not SEQ:HASH", param_hint="--head")
    return int(match[1]), match[2].lower()
