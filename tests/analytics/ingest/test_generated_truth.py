"""A hundred thousand generated events, a tenth of them repeats and one in a hundred bad: right to the row."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from kubedossier.analytics.ingest.importer import import_files
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.store.verify import verify


@pytest.fixture(scope="module")
def generated(checkout, tmp_path_factory):
    """The generator's events and what it says of them."""
    generator = checkout.parent / "shared" / "bench" / "gen.py"
    if not generator.is_file():
        pytest.skip(f"no generator at {generator}")
    pytest.importorskip("numpy")
    folder = tmp_path_factory.mktemp("generated")
    events, truth = folder / "events.ndjson", folder / "truth.json"
    arguments = ["--events", "100000", "--dup-reformat", "0.3", "--out", str(events), "--truth", str(truth)]
    subprocess.run([sys.executable, str(generator), *arguments], check=True, capture_output=True)
    return events, json.loads(truth.read_text())


def test_what_is_archived_and_rejected_is_what_was_generated(generated, archive_path):
    events, truth = generated
    receipts = [step.receipt for step in import_files(archive_path, [str(events)]) if step.receipt]
    assert sum(one.received for one in receipts) == truth["events"]
    assert sum(one.new for one in receipts) == truth["archived"]
    assert sum(one.rejected for one in receipts) == truth["rejected"]
    assert sum(one.duplicate for one in receipts) == truth["duplicates"]
    verdict = verify(archive_path, level="deep", recheck=recheck_events)
    assert not verdict.findings
    assert verdict.events == truth["archived"]
