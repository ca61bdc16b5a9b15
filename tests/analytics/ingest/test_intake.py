"""The intake: once, whole, and counted."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubedossier.analytics.errors import BusyError, StorageError
from kubedossier.analytics.ingest import intake as intake_module
from kubedossier.analytics.ingest import seen
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.sources import derive
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.digests import EMPTY, digest, leaf
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.verify import verify


def event(number: int, month: int = 10, **more: object) -> bytes:
    day = number % 27 + 1
    fields = {
        "time": f"2026-{month:02d}-{day:02d}T00:00:{number % 60:02d}.{number:03d}Z",
        "verb": "get",
        "cluster": "c",
    }
    return json.dumps(fields | {"message": f"event {number}"} | more).encode()


def all_stored(root) -> list[str]:
    return sorted(raw for raws in stored(root).values() for raw in raws)


def take(root, raws, kind="import", facts=None):
    with Intake(root, kind=kind) as intake:
        intake.add([Record(raw, source="test", position=f"line {n}") for n, raw in enumerate(raws, 1)])
        return intake.commit(facts or {})


def stored(root) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in Ledger.read(root).live():
        found.setdefault(file.month, []).extend(pq.read_table(root / file.path)["raw"].to_pylist())
    return {month: sorted(raws) for month, raws in found.items()}


def test_what_is_taken_in_is_stored_byte_for_byte(archive_path):
    raws = [event(1), b'{ "verb" : "\\u00e9\\/" , "x":1.50e1 }', '{"verb":"é"}'.encode()]
    receipt = take(archive_path, raws)
    assert (receipt.received, receipt.new, receipt.duplicate, receipt.rejected) == (3, 3, 0, 0)
    assert all_stored(archive_path) == sorted(raw.decode() for raw in raws)


def test_a_second_import_adds_nothing_and_says_so(archive_path):
    raws = [event(n) for n in range(50)]
    take(archive_path, raws)
    before = stored(archive_path)
    receipt = take(archive_path, [json.dumps(dict(reversed(json.loads(raw).items()))).encode() for raw in raws])
    assert (receipt.new, receipt.duplicate) == (0, 50)
    assert stored(archive_path) == before
    entry = Ledger.read(archive_path).entries[-1]
    assert entry["files"]["add"] == []
    assert entry["observed"]["2026-10"]["n"] == 50
    assert entry["added"] == {}


def test_rejects_are_kept_verbatim_with_reason_and_position(archive_path):
    from kubedossier.analytics.archive import Archive

    receipt = take(archive_path, [event(1), b'{"verb":', b'{"verb":"\xff\xfe"}', b"[]"])
    assert (receipt.received, receipt.new, receipt.rejected) == (4, 1, 3)
    assert receipt.reasons == {"not_an_object": 1, "not_json": 1, "not_utf8": 1}
    rows = Archive(archive_path).sql("select reason, position, raw from rejects order by position").rows()
    assert rows[0] == ("not_json", "line 2", '{"verb":')
    entry = Ledger.read(archive_path).entries[-1]
    assert entry["rejected"]["digest"] == digest([leaf(b'{"verb":'), leaf(b'{"verb":"\xff\xfe"}'), leaf(b"[]")])


def test_a_reject_of_an_earlier_run_is_a_duplicate_and_the_entry_tells(archive_path):
    take(archive_path, [b"[]", b"1"])
    receipt = take(archive_path, [event(1), b"[]", b"[]", b"2"])
    assert (receipt.received, receipt.new, receipt.duplicate, receipt.rejected) == (4, 1, 2, 1)
    assert (receipt.known_rejects, receipt.reasons) == (2, {"not_an_object": 1})
    entry = Ledger.read(archive_path).entries[-1]
    assert entry["rejected"]["n"] == 1
    assert entry["rejected"]["known"] == {"n": 2, "digest": digest([leaf(b"[]"), leaf(b"[]")])}
    assert entry["rejected"]["digest"] == digest([leaf(b"2")])


def test_only_files_that_may_hold_rejects_of_the_same_source_are_read(archive_path):
    facts = {"source": {"files": [{"name": "test", "bytes": 2}]}}
    take(archive_path, [b"[]"], facts=facts)
    take(archive_path, [b"1"], facts={"source": {"files": [{"name": "another", "bytes": 1}]}})
    (archive_path / Ledger.read(archive_path).live("rejects")[1].path).unlink()
    assert take(archive_path, [b"[]", b"1"], facts=facts).known_rejects == 1
    with Intake(archive_path, kind="import") as intake, pytest.raises(StorageError, match="Cannot read the rejects"):
        intake.add([Record(b"1", source="another")])
        intake.commit({})


def test_a_retracted_reject_comes_in_again(archive_path):
    from kubedossier.analytics.store.retention import retract

    first = take(archive_path, [event(1), b"[]"])
    retract(archive_path, first.id, reason="a test")
    assert take(archive_path, [event(1), b"[]"]).rejected == 1


def test_look_alikes_are_counted_and_not_rejected(archive_path):
    core_event = b'{"kind":"Event","apiVersion":"v1","involvedObject":{"kind":"Pod"},"reason":"Started","message":"m"}'
    receipt = take(archive_path, [event(1), core_event, b'{"kind":"AdmissionReview","request":{}}'])
    assert (receipt.received, receipt.new, receipt.skipped, receipt.rejected) == (1, 1, 2, 0)


def test_an_event_list_is_its_items(archive_path):
    items = [
        b'{"auditID":"a","stage":"ResponseComplete","verb":"get"}',
        b'{"auditID": "b", "stage":"Panic", "verb":"x"}',
    ]
    receipt = take(
        archive_path, [b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[' + b" , ".join(items) + b"]}"]
    )
    assert receipt.new == 2
    assert stored(archive_path)["undated"] == sorted(raw.decode() for raw in items)


def test_events_go_to_the_month_of_their_own_time(archive_path):
    take(archive_path, [event(1, 9), event(2, 10), event(3, 10), b'{"verb":"get"}'])
    assert {month: len(raws) for month, raws in stored(archive_path).items()} == {
        "2026-09": 1,
        "2026-10": 2,
        "undated": 1,
    }


def test_an_empty_run_is_an_entry_without_files(archive_path):
    receipt = take(archive_path, [])
    entry = Ledger.read(archive_path).entries[-1]
    assert (receipt.received, entry["files"]["add"], entry["rejected"]["digest"]) == (0, [], EMPTY)


def test_what_is_not_committed_is_not_there(archive_path):
    take(archive_path, [event(1)])
    with Intake(archive_path, kind="import") as intake:
        intake.add([Record(event(n)) for n in range(2, 20_000)])
    assert Ledger.read(archive_path).head[0] == 2
    assert len(stored(archive_path)["2026-10"]) == 1
    assert not list((archive_path / "tmp").iterdir())
    assert not verify(archive_path, level="deep", recheck=recheck_events).findings


def test_a_second_writer_is_told_at_once(archive_path):
    with Intake(archive_path, kind="import"), pytest.raises(BusyError, match="Another writer"):
        Intake(archive_path, kind="import")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(StorageError, match="not an archive"):
        Intake(tmp_path, kind="import")
    assert [one.name for one in tmp_path.iterdir()] == ["letter.txt"]


def test_the_files_of_an_archive_are_for_its_owner(archive_path):
    take(archive_path, [event(1), b"oops"])
    for path in [archive_path, *archive_path.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_statistics_of_a_file_are_those_of_its_events(archive_path):
    started = (
        b'{"auditID":"a","stage":"ResponseStarted","verb":"watch","requestReceivedTimestamp":"2026-10-05T01:02:03.5Z"}'
    )
    take(archive_path, [event(1), event(20), started])
    (file,) = Ledger.read(archive_path).live()
    assert (file.rows, file.incomplete) == (3, 1)
    assert (file.min_time.isoformat(), file.max_time.isoformat()) == (
        "2026-10-02T00:00:01.001000+00:00",
        "2026-10-21T00:00:20.020000+00:00",
    )


def test_of_a_long_file_the_days_around_the_new_events_are_enough(archive_path, monkeypatch):
    raws = [event(number) for number in range(27)]
    take(archive_path, raws)
    monkeypatch.setattr(seen, "LONG_FILE_ROWS", 5)
    asked = seen.SeenEvents(archive_path, Ledger.read(archive_path).live())
    rows = [derive(Record(raw)) for raw in raws]

    def known(*numbers):
        return asked.known([rows[number].event_id for number in numbers], [rows[number].time for number in numbers])

    assert known(10, 11) == {rows[10].event_id, rows[11].event_id}
    assert 2 <= asked.held < 8
    assert known(10) == {rows[10].event_id}
    assert asked.held < 8
    assert known(20) == {rows[20].event_id}
    assert asked.held == 27


def test_ids_are_the_same_only_when_all_of_them_is(archive_path):
    """Ids are looked for by their first eight bytes, and an attacker may find two events that share them."""
    take(archive_path, [event(number) for number in range(27)])
    row = derive(Record(event(7)))
    near = [row.event_id[:8] + bytes(24), row.event_id[:31] + bytes([row.event_id[31] ^ 1]), bytes(32)]
    asked = seen.SeenEvents(archive_path, Ledger.read(archive_path).live())
    assert asked.known([*near, row.event_id], [row.time] * 4) == {row.event_id}
    held = seen._Slice(pa.array([*near, row.event_id], pa.binary(32)), (0, 0))
    assert list(held.those_of([row.event_id, near[1], bytes([1] * 32), near[0]])) == [row.event_id, near[1], near[0]]


@pytest.mark.parametrize("held", [3, 12, 30, 10**9])
@pytest.mark.parametrize("long_file", [0, 10**9])
def test_whatever_part_of_a_file_is_asked_no_event_comes_twice(archive_path, monkeypatch, long_file, held):
    monkeypatch.setattr(seen, "LONG_FILE_ROWS", long_file)
    monkeypatch.setattr(seen, "HELD_IDS", held)
    monkeypatch.setattr(seen, "MARGIN_US", 10**9)
    monkeypatch.setattr(intake_module, "CHUNK_RECORDS", 4)
    raws = [event(number) for number in range(60)] + [b'{"verb":"undated"}']
    take(archive_path, raws)
    for some in (raws[5:9], raws[40:], raws[:3] + raws[30:33], raws, raws[::-1], raws[::7] + raws[3::7]):
        assert take(archive_path, some).new == 0
    known = raws[::-2]
    assert take(archive_path, [*known, event(70), *known, event(71), event(70)]).new == 2


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("order", ["in order", "shuffled"])
def test_what_is_held_of_an_archive_does_not_grow_with_it(archive_path, monkeypatch, merged, order):
    """Of any archive no more ids are held than were allowed, beside those of the records under way."""
    monkeypatch.setattr(seen, "LONG_FILE_ROWS", 10)
    monkeypatch.setattr(seen, "HELD_IDS", 100)
    monkeypatch.setattr(seen, "MARGIN_US", 60_000_000)
    monkeypatch.setattr(intake_module, "CHUNK_RECORDS", 25)
    raws = [event(number, 8 + number % 3) for number in range(600)]
    for start in range(0, 600, 60):
        take(archive_path, raws[start : start + 60])
    if merged:
        list(compact(archive_path, datetime(2027, 1, 1, tzinfo=UTC)))
    again = sorted(raws) if order == "in order" else random.Random(1).sample(raws, len(raws))
    with Intake(archive_path, kind="import") as intake:
        for start in range(0, len(again), 25):
            intake.add([Record(raw) for raw in again[start : start + 25]])
            assert intake._seen.held <= 100
            assert sum(map(len, intake._seen._slices.values())) == intake._seen.held
            assert not intake._staged.ids
        assert intake.commit({}).new == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_any_split_order_and_overlap_gives_the_same_events(tmp_path_factory, seed, parts):
    root = tmp_path_factory.mktemp("split") / "dossier"
    random_ = random.Random(seed)
    raws = [event(n, random_.choice([9, 10, 11])) for n in range(40)] + [b'{"verb":"x"}']
    for _ in range(parts):
        take(root, random_.sample(raws, random_.randrange(1, 30)))
    take(root, random_.sample(raws, len(raws)))
    assert all_stored(root) == sorted(raw.decode() for raw in raws)
    ledger = Ledger.read(root)
    assert sum(fact["n"] for entry in ledger.entries for fact in entry.get("added", {}).values()) == len(raws)
    assert not verify(root, level="deep", recheck=recheck_events).findings
