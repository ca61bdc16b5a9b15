"""Memory of an import: that of one commit, however many records come and however many there are already.

``make bench`` measures it in processes, up to a million events; here the sizes of commits and blocks are small instead.
"""

from __future__ import annotations

import json
import tracemalloc

import pytest

from kubedossier.analytics.ingest import importer, seen
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.ledger import Ledger

COMMIT, FEW, MANY = 500, 2_000, 10_000


@pytest.fixture
def peak(tmp_path, monkeypatch):
    """Imports events and gives the most bytes that Python objects took."""
    monkeypatch.setattr(importer, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(importer, "COMMIT_RECORDS", COMMIT)
    monkeypatch.setattr(seen, "HELD_IDS", COMMIT)
    monkeypatch.setattr(seen, "LONG_FILE_ROWS", 10)
    monkeypatch.setattr(seen, "MARGIN_US", 60_000_000)

    def measured(archive, numbers):
        source = tmp_path / "events.ndjson"
        source.write_text("\n".join(map(event, numbers)))
        tracemalloc.start()
        try:
            for _ in importer.import_files(archive, [str(source)]):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    measured(tmp_path / "first", range(COMMIT))  # what is made once and kept is none of it
    return measured


def event(number):
    """A minute and a half lies between two of them."""
    day, second = divmod(number * 90, 86_400)
    time = f"2026-10-{day + 1:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
    return json.dumps({"time": time, "verb": "get", "message": f"event {number}"})


def test_memory_does_not_grow_with_the_number_of_events(peak, tmp_path):
    few = peak(tmp_path / "few", range(FEW))
    assert peak(tmp_path / "many", range(MANY)) < 1.15 * few
    assert sum(file.rows for file in Ledger.read(tmp_path / "many").live()) == MANY


def test_memory_does_not_grow_with_the_archive(peak, tmp_path):
    some = range(0, MANY, MANY // FEW)
    peak(tmp_path / "few", some)
    peak(tmp_path / "many", range(MANY))
    few, many = (peak(tmp_path / archive, some) for archive in ("few", "many"))
    assert many < 1.15 * few


def test_what_a_commit_gathered_is_given_up_with_it(archive_path):
    with Intake(archive_path, kind="import") as intake:
        intake.add([Record(event(number).encode()) for number in range(FEW)])
        intake.commit({})
        assert intake._staged is None
        assert intake._seen.held == 0
        assert intake.staged == 0
