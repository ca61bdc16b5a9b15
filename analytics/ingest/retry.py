"""Reads rejects again, after an upgrade taught the project more shapes.

What can be read now becomes events; what cannot is kept as before, with its source and position. The old files of
rejects leave the views in the same commit, so that nothing counts twice and nothing is lost.
"""

from __future__ import annotations

from pathlib import Path

from kubedossier.analytics.ingest.importer import Labels
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.staged import Receipt
from kubedossier.analytics.store.rejects import read_rejects

_BATCH = 1000


def retry_rejects(archive: Path, *, labels: Labels | None = None, wait: bool = False) -> Receipt | None:
    """Read all rejects again.

    Returns:
        What was archived; None where there are no rejects.

    Raises:
        BusyError: another writer is at work.
        StorageError: the archive cannot be read or written.
    """
    with Intake(archive, kind="import", wait=wait, reject_again=True) as intake:
        files = intake.ledger.live("rejects")
        if not files:
            return None
        for file in files:
            batch: list[Record] = []
            for one in read_rejects(archive, file):
                context = (labels or Labels()).added_to(one.context)
                batch.append(Record(one.raw, None, context, one.position, None, one.source))
                if len(batch) >= _BATCH:
                    intake.add(batch)
                    batch = []
            intake.add(batch)
        return intake.commit(
            {"source": {"rejects": [file.path for file in files]}}, remove=[file.path for file in files]
        )
