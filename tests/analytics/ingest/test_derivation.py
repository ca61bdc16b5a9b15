"""Derivation in several processes: the same answers in the same order, and a clear end when a worker dies."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedossier.analytics.errors import KubedossierError
from kubedossier.analytics.ingest import derivation
from kubedossier.analytics.ingest.chunks import Lines, derive_chunk
from kubedossier.analytics.ingest.derivation import Derivation
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import verify


def chunks(count: int = 6, size: int = 30) -> list[list[Record]]:
    raws = []
    for n in range(count * size):
        time = f"2026-10-{n % 28 + 1:02d}T00:00:00.{n % 1000:03d}Z"
        raws.append(json.dumps({"time": time, "verb": "get", "message": f"é {n}"}).encode())
    raws[5], raws[7], raws[40] = b'{"verb":', b'{"kind":"AdmissionReview"}', raws[3]
    raws[50] = b'{"kind":"EventList","items":[{"auditID":"a","stage":"Panic"},{"auditID":"b","stage":"Panic"}]}'
    records = [Record(raw, None, '{"cluster":"c"}', n, None, "file") for n, raw in enumerate(raws, 1)]
    return [records[at : at + size] for at in range(0, len(records), size)]


@pytest.fixture
def at_once(monkeypatch):
    """Workers are started with the first chunk."""
    monkeypatch.setattr(derivation, "PARALLEL_AFTER_BYTES", 0)


def test_workers_answer_what_this_process_would_in_the_same_order(at_once):
    workers = Derivation(workers=3)
    try:
        found = [one for chunk in chunks() for one in workers.give(chunk)] + workers.rest()
    finally:
        workers.close()
    expected = [derive_chunk(chunk) for chunk in chunks()]
    assert [one.batch.equals(other.batch) for one, other in zip(found, expected, strict=True)] == [True] * 6
    assert [one[1:] for one in found] == [one[1:] for one in expected]


def test_lines_are_cut_by_workers_and_keep_their_numbers(at_once):
    text = b'{"verb":"a"}\n\n oops\r\n[]\n{"verb":"b"}\n'
    first, second = Lines(text, None, "{}", "one", True), Lines(text, None, "{}", "one")
    for workers in (0, 2):
        derivation = Derivation(workers=workers)
        try:
            given = (first, second, first)
            found = [one for chunk in given for one in derivation.give(chunk)] + derivation.rest()
        finally:
            derivation.close()
        places = [[(record.place, reason) for record, reason in one.rejects] for one in found]
        again = [("line 3", "not_json"), ("line 4", "not_an_object")]
        assert places == [again, [("line 8", "not_json"), ("line 9", "not_an_object")], again]
        assert [one.batch.num_rows for one in found] == [2, 2, 2]


LINES = (
    '{"verb":"get","message":"é"}',
    '{"verb":"get","message":"ordinary"}',
    '{"verb":"list","message":"ordinary", "extra":[1]}',
    '{"auditID":"a","stage":"ResponseComplete","verb":"get"}',
    '{"kind":"EventList","items":[{"auditID":"b","stage":"Panic"},{"auditID":"c","stage":"Panic"}]}',
    '{"verb":',
    '{"verb":"padded"} ',
    '{"verb":"windows"}\r',
    "",
)


@given(st.lists(st.sampled_from(LINES), min_size=1), st.sampled_from(["", "\n"]), st.integers(1, 3))
def test_a_text_that_is_referred_to_is_the_text_that_was_there(lines, end, step):
    chunk = Lines(("\n".join(lines) + end).encode())
    whole, referring = derive_chunk(chunk), derive_chunk(chunk, refer=True)
    assert referring[1:-2] == whole[1:-2]
    numbers = range(0, whole.batch.num_rows, step)
    told = referring._replace(text=chunk.text).rows(numbers)
    assert told.equals(whole.batch.take(pa.array(numbers, pa.int32())))


def test_raw_texts_that_are_whole_lines_are_not_sent_back():
    found = derive_chunk(Lines("\n".join(LINES[:4]).encode()), refer=True)
    assert found.batch.column("raw").null_count == found.batch.num_rows == 4
    for other in LINES[4:5] + LINES[6:]:
        found = derive_chunk(Lines("\n".join([*LINES[:4], other, ""]).encode()), refer=True)
        assert (found.spans, found.batch.column("raw").null_count) == (b"", 0)


def test_an_archive_is_the_same_however_many_workers_there_are(at_once, tmp_path):
    digests = []
    for workers in (0, 2):
        root = tmp_path / f"with-{workers}"
        with Intake(root, kind="import", workers=workers) as intake:
            for chunk in chunks(count=200):
                intake.add(chunk)
            receipt = intake.commit({})
        assert verify(root, level="deep", recheck=recheck_events).findings == ()
        entry = Ledger.read(root).entries[-1]
        digests.append(
            [entry[key] for key in ("added", "observed", "counts", "drift", "formats", "rejected", "skipped")]
        )
        assert (receipt.rejected, receipt.skipped) == (1, 1)
    assert digests[0] == digests[1]


def test_a_worker_that_dies_ends_the_import_and_nothing_is_archived(at_once, archive_path):
    with Intake(archive_path, kind="import", workers=1) as intake:
        some = [record for chunk in chunks(count=100) for record in chunk]
        intake.add(some)
        for worker in intake._derivation._workers:
            worker._process.kill()
        with pytest.raises(KubedossierError, match="worker process ended"):
            intake.add(some)
            intake.commit({})
    assert Ledger.read(archive_path).live() == ()


def test_few_records_start_no_worker(archive_path):
    with Intake(archive_path, kind="import") as intake:
        intake.add(chunks()[0])
        intake.commit({})
        assert intake._derivation._workers == []
