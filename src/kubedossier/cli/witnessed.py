"""Says where an archive's new head could not be kept outside of it; nothing here fails what was archived."""

from __future__ import annotations

from pathlib import Path

from kubedossier.cli.diagnostics import warn


def warn_unless_witnessed(root: Path) -> None:
    """Where the witness file lacks the head of an archive, try once more to write it, and warn where that fails."""
    from kubedossier.analytics.store import witness
    from kubedossier.analytics.store.ledger import Ledger

    ledger = Ledger.read(root)
    seq, digest = ledger.head
    try:
        if seq not in witness.heads(ledger.archive_id):
            witness.append(ledger.archive_id, seq, digest, ledger.entries[-1]["at"])
    except (OSError, RuntimeError) as error:
        warn(f"The archive's head could not be witnessed: {witness.reason(error)}")
