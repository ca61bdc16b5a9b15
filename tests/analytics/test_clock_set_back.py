"""A clock that is set back between two imports: the ledger's order is its numbers, and everything else holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.ingest import intake as intake_module
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.periods import parse_period
from kubedossier.analytics.status import read_status
from kubedossier.analytics.store import commit as commit_module
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.retention import collect_garbage, find_snapshot, retract
from kubedossier.analytics.store.verify import verify
from kubedossier.reports.build import build
from kubedossier.reports.model import Request

DAYS = (20, 3, 12, 1)


def raw(number: int) -> bytes:
    return (
        f'{{"time":"2026-10-{number % 28 + 1:02d}T00:00:00Z","verb":"get","user":{{"username":"u{number % 3}"}},'
        f'"cluster":"c","message":"{number}"}}'
    ).encode()


@pytest.fixture
def root(archive_path, monkeypatch):
    """Four imports that overlap, by a clock that jumps back and forth."""
    for index, day in enumerate(DAYS):

        class Stopped(datetime):
            @classmethod
            def now(cls, tz=None, day=day):
                return datetime(2026, 10, day, 12, tzinfo=UTC)

        monkeypatch.setattr(intake_module, "datetime", Stopped)
        monkeypatch.setattr(commit_module, "datetime", Stopped)
        with Intake(archive_path, kind="import") as intake:
            intake.add([Record(raw(number)) for number in range(index * 10, index * 10 + 20)])
            assert intake.commit({}).new == (20 if index == 0 else 10)
    monkeypatch.undo()
    return archive_path


def findings(root):
    return verify(root, level="deep", recheck=recheck_events).findings


def test_the_archive_is_sound_and_every_event_is_there_once(root):
    ledger = Ledger.read(root)
    times = [entry["at"] for entry in ledger.entries]
    assert times != sorted(times)
    assert len({entry["id"] for entry in ledger.entries}) == len(ledger.entries)
    assert findings(root) == ()
    assert Archive(root).select("select count(*) as n from records", {}).to_pylist() == [{"n": 50}]
    snapshots = Archive(root).select('select seq, "at" from snapshots order by seq', {}).to_pylist()
    assert [row["at"].day for row in snapshots] == list(DAYS)
    status = read_status(Archive(root))
    assert (status.counts["new"], status.counts["duplicate"]) == (50, 30)
    assert status.head_at.startswith("2026-10-01")


def test_merging_hiding_deleting_and_reporting_do_as_ever(root):
    entry = find_snapshot(Ledger.read(root), "20261012T")
    assert list(compact(root, datetime(2026, 12, 1, tzinfo=UTC)))
    retract(root, entry["id"], "a test")
    assert collect_garbage(root)
    assert findings(root) == ()
    report = build(Archive(root), parse_period("2026-10", now=datetime(2026, 11, 2, tzinfo=UTC)), Request())
    assert report.cover.events == 40
