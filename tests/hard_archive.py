"""The hard data set: unicode, nulls, quotes, several techniques, stages, undated events, gaps and a retraction.

Tests in several folders make an archive of it; they load this file by its path.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.commit import Writer, new_id

HARD = Path(__file__).parent / "queries" / "hard"
CONSOLE = "https://console.example:8083"


def moments(*pairs: str) -> list[dict[str, str]]:
    """``"10-02..10-10T12"`` as the ledger writes ranges."""
    ranges = []
    for pair in pairs:
        start, _, end = pair.partition("..")
        ranges.append({"from": _time(start), "to": _time(end)})
    return ranges


def _time(text: str) -> str:
    day, _, hour = text.partition("T")
    return f"2026-{day}T{hour or '00'}:00:00.000000Z"


def snapshot(root: Path, lines: Iterable[bytes], **facts: object) -> str:
    """One snapshot of the Console, of these records and with these facts; its id."""
    facts = {"console": CONSOLE, "filtered": False, "collected": [], "gaps": [], "windows": []} | facts
    with Intake(root, kind="snapshot") as intake:
        intake.add([Record(raw, console=CONSOLE) for raw in lines])
        return intake.commit(facts).id


def imported(root: Path, lines: Iterable[bytes]) -> str:
    """One import of raw audit logs; its id."""
    context = '{"account":"acct-9","cluster":"raw-1","provider":"others"}'
    with Intake(root, kind="import") as intake:
        intake.add([Record(raw, context=context) for raw in lines])
        return intake.commit({}).id


def retract(root: Path, entry: str) -> None:
    """Hide an entry from all views."""
    writer = Writer(root)
    writer.append("retract", new_id(datetime.now(UTC)), {"retracts": entry, "reason": "test"})
    writer.close()


def fill(root: Path, *, backwards: bool = False) -> Path:
    """Make the archive of the hard data set; ``backwards`` gives each file its records in the other order."""

    def lines(name: str) -> list[bytes]:
        read = (HARD / f"{name}.ndjson").read_bytes().splitlines()
        return read[::-1] if backwards else read

    dropped = [*moments("09-30..10-02")]
    snapshot(
        root,
        lines("console-1"),
        console_oldest=_time("10-02"),
        collected=moments("10-02..10-10T12"),
        gaps=[dropped[0] | {"reason": "dropped"}],
    )
    failed = moments("10-20..10-22")[0] | {"reason": "failed"}
    snapshot(root, lines("console-2"), collected=moments("10-10T12..10-20"), gaps=[failed])
    snapshot(root, [], collected=moments("10-21..10-22"))
    snapshot(root, [], filtered=True, collected=moments("10-25..10-26"))
    stray = b'{"time":"2026-10-28T00:00:00Z","verb":"get","user":{"username":"retracted"},"cluster":"prod-eu"}'
    retract(root, snapshot(root, [stray], collected=moments("10-28..10-29")))
    imported(root, lines("audit-1"))
    imported(root, lines("audit-2"))
    return root
