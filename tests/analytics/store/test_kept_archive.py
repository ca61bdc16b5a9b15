"""An archive written by the first version of format 1: every later version verifies it, reads it and adds to it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.verify import verify

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
EXPECTED = json.loads((FIXTURES / "format-1" / "expected.json").read_text("utf-8"))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FIXTURES / "format-1" / "archive", tmp_path / "dossier"))


def answers(archive: Path) -> dict[str, object]:
    spec = importlib.util.spec_from_file_location("make_archive", FIXTURES / "make_archive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.answers(archive)


def test_it_verifies_to_the_last_column(kept):
    head = (EXPECTED["head"][0], EXPECTED["head"][1])
    verdict = verify(kept, level="deep", head=head, recheck=recheck_events)
    assert verdict.findings == ()
    assert verdict.events == EXPECTED["stored"] > len(EXPECTED["raw"])


@pytest.mark.parametrize("part", EXPECTED)
def test_it_says_what_it_said(kept, part):
    assert answers(kept)[part] == EXPECTED[part]


def test_it_knows_its_events_when_they_come_again(kept):
    with Intake(kept, kind="import") as intake:
        pairs = zip(EXPECTED["raw"], EXPECTED["context"], strict=True)
        intake.add([Record(raw.encode(), context=context) for raw, context in pairs])
        receipt = intake.commit({})
    assert (receipt.new, receipt.duplicate, receipt.rejected) == (0, len(EXPECTED["raw"]), 0)
    assert verify(kept, level="deep", recheck=recheck_events).findings == ()
