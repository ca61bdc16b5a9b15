"""Makes the bundle of a month: everything an auditor needs to read and check it, in one reproducible zip.

The steps, each with one reason to fail: (1) the ledger is sound and the one this machine wrote; (2) every file that
goes in has the SHA-256 of the ledger; (3) the texts are made from the Parquet files, and their digests are those of the
ledger; (4) the zip is written, and each file hashed once more on its way. The same archive at the same head gives the
same bytes. Nothing of the archive is changed, and no month is held in memory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kubedossier.analytics.errors import IntegrityError
from kubedossier.analytics.evidence import stretches, tags
from kubedossier.analytics.evidence.choice import Plan, digest_findings, refuse
from kubedossier.analytics.evidence.columns import schema_json
from kubedossier.analytics.evidence.container import Member, Spooled, file_digest, file_member, text_member, write_zip
from kubedossier.analytics.evidence.leaves import LeafRuns
from kubedossier.analytics.evidence.sql import sql_members
from kubedossier.analytics.evidence.subject import (
    COLLECTED,
    CSV,
    LEDGER,
    NDJSON,
    REFLOWED,
    REPORT,
    SCHEMA,
    event_name,
    leaves_name,
    reject_name,
)
from kubedossier.analytics.evidence.texts import Source, write_texts
from kubedossier.analytics.schema import UNDATED, FileRef
from kubedossier.analytics.store.commit import storage_errors
from kubedossier.analytics.store.damage import replaced
from kubedossier.analytics.store.ledger import Ledger, entry_path
from kubedossier.analytics.store.verify import file_sha256


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was bundled.

    Attributes:
        sha256: of the zip.
        label: what the bundle says about itself.
    """

    sha256: str
    size_bytes: int
    label: tags.Label


def write_bundle(plan: Plan, out: IO[bytes], *, spool: Path) -> Receipt:
    """Write a bundle: steps (3) and (4).

    Args:
        plan: from ``plan_bundle``.
        out: a new file that can seek and be read again.
        spool: a folder for nameless temporary files, about as large as the bundle.

    Raises:
        IntegrityError: the digest of a snapshot's events is not that of the ledger, or a file changed meanwhile.
        ReplacedError: a file is gone, since a writer replaced it after the plan was made.
        StorageError: the disk failed.
    """
    with storage_errors(f"Writing the bundle into '{spool}'", "no part of it was kept"):
        try:
            with ExitStack() as stack:
                payload, label = _payload(plan, stack, spool)
                write_zip(out, plan.folder, (*_tag_members(label, payload), *payload))
            out.flush()
            size = out.seek(0, os.SEEK_END)
            out.seek(0)
            return Receipt(file_digest(out), size, label)
        except OSError as error:
            if late := replaced(plan.ledger, (*plan.events, *plan.rejects)):
                raise late from error
            raise


def _payload(plan: Plan, stack: ExitStack, spool: Path) -> tuple[list[Member], tags.Label]:
    """(3) All members below data/, in the order they are written, and what the bundle says about itself."""

    def nameless() -> IO[bytes]:
        return stack.enter_context(tempfile.TemporaryFile(dir=spool))

    def spooled(name: str) -> Spooled:
        return Spooled(name, nameless())

    leaves = LeafRuns(nameless())
    ndjson, csv, reflowed = spooled(NDJSON), spooled(CSV), _Counting(spooled(REFLOWED))
    root, ledger = plan.ledger.root, plan.ledger
    sources: Iterable[Source] = ((one.path, (root / one.path).open("rb")) for one in plan.events)
    events = write_texts(sources, retracted=ledger.retracted, ndjson=ndjson, csv=csv, reflowed=reflowed, leaves=leaves)
    leaf_members = list(_leaf_members(leaves, nameless()))
    _refuse_other_digests(ledger, plan.subject.month, leaf_members)
    lines = spooled(LEDGER)
    for line in _entry_lines(ledger):
        lines.write(line)
    members = [ndjson.member(), csv.member(), *leaf_members, lines.member(), text_member(SCHEMA, schema_json())]
    if reflowed.lines:
        members.append(reflowed.inner.member())
    if plan.subject.month != UNDATED:
        members.append(text_member(COLLECTED, stretches.collected_csv(ledger, plan.subject)))
    if plan.report is not None:
        members.append(_copy(REPORT, plan.report))
    members += [_copied(root, event_name(one), one) for one in plan.events]
    members += [_copied(root, reject_name(one), one) for one in plan.rejects]
    members += sql_members(plan.subject.month, ledger.retracted, any_events=bool(plan.events))
    rejects = sum(one.rows for one in plan.rejects)
    label = tags.Label(
        subject=plan.subject,
        identifier=plan.identifier,
        archive_id=ledger.archive_id,
        head=ledger.head,
        head_at=ledger.entries[-1]["at"],
        files=len(plan.events),
        events=events,
        snapshots=len(leaf_members),
        reflowed=reflowed.lines,
        rejects=rejects,
        other_rejects=sum(one.rows for one in ledger.live("rejects")) - rejects,
        undated=sum(one.rows for one in ledger.live() if one.month == UNDATED),
        retracted=len(ledger.retracted),
        collected=stretches.hours(ledger, plan.subject),
        report=plan.report is not None,
        organisation=plan.organisation,
    )
    return sorted(members, key=lambda one: one.name), label


def _tag_members(label: tags.Label, payload: list[Member]) -> list[Member]:
    """Everything outside data/; the tag manifest, which covers all of it, comes last."""
    papers = [
        text_member("bagit.txt", tags.BAGIT),
        text_member("bag-info.txt", tags.bag_info(label, payload)),
        text_member("README.txt", tags.readme(label)),
        text_member(tags.SCRIPT, tags.script(), executable=True),
        text_member(tags.MANIFEST, tags.manifest(payload)),
    ]
    return [*papers, text_member(tags.TAG_MANIFEST, tags.manifest(papers))]


class _Counting:
    """Counts the lines that pass into a spooled member."""

    def __init__(self, inner: Spooled) -> None:
        self.inner = inner
        self.lines = 0

    def write(self, data: bytes, /) -> None:
        """Take one line."""
        self.inner.write(data)
        self.lines += 1


def _leaf_members(leaves: LeafRuns, spool: IO[bytes]) -> Iterator[Member]:
    for snapshot in leaves.snapshots():
        spooled = Spooled(leaves_name(snapshot), spool)
        for block in leaves.lines(snapshot):
            spooled.write(block)
        yield spooled.member()


def _refuse_other_digests(ledger: Ledger, month: str, members: list[Member]) -> None:
    refuse(
        digest_findings(ledger, month, {one.name: one.sha256 for one in members}),
        f"The events of {month} are not those that the ledger counted",
    )


def _entry_lines(ledger: Ledger) -> Iterator[bytes]:
    for seq, expected in enumerate(ledger.hashes, 1):
        line = entry_path(ledger.root, seq).read_bytes()
        if hashlib.sha256(line).hexdigest() != expected:
            raise IntegrityError(f"Ledger entry {seq} changed while it was read", hint="Run 'kubedossier verify'.")
        yield line


def _copied(root: Path, name: str, file: FileRef) -> Member:
    return file_member(name, root / file.path, size=file.bytes, sha256=file.sha256)


def _copy(name: str, path: Path) -> Member:
    return file_member(name, path, size=path.stat().st_size, sha256=file_sha256(path))
