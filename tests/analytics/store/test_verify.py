"""Tampering: every way of changing an archive is found and named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kubedossier.analytics.errors import IntegrityError, KubedossierError, StorageError
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.techniques import put_in_force
from kubedossier.analytics.own_rules import OwnRules
from kubedossier.analytics.store import witness
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.ledger import NO_HASH, Ledger, entry_line, entry_path
from kubedossier.analytics.store.rejects import compress, read_rejects
from kubedossier.analytics.store.retention import collect_garbage, retract
from kubedossier.analytics.store.verify import verify


def raw(number: int) -> bytes:
    return f'{{"time":"2026-10-{number % 28 + 1:02d}T00:00:00Z","verb":"get","message":"event {number}"}}'.encode()


@pytest.fixture
def root(archive_path):
    """Three imports of ten events and one reject each."""
    for start in (0, 10, 20):
        with Intake(archive_path, kind="import") as intake:
            intake.add([Record(raw(number)) for number in range(start, start + 10)] + [Record(b"oops %d" % start)])
            intake.commit({"source": {"files": [{"name": "events.ndjson", "bytes": 7}]}})
    return archive_path


def kinds(root, level="default", **more):
    return {one.kind for one in verify(root, level=level, recheck=recheck_events, **more).findings}


def parquet(root, index=0):
    return root / Ledger.read(root).live()[index].path


def rewrite_entry(root, seq, change):
    """Edit an entry and hash the chain again from there on, as a careful forger would."""
    prev = None
    for number in range(seq, Ledger.read(root).head[0] + 1):
        entry = json.loads(entry_path(root, number).read_bytes())
        if number == seq:
            change(entry)
        if prev:
            entry["prev"] = prev
        line = entry_line(entry)
        entry_path(root, number).write_bytes(line)
        prev = hashlib.sha256(line).hexdigest()


def rewrite_parquet(root, path, change):
    """Change the events of a file, and the ledger's hash and size of it."""
    table = change(pq.read_table(path, partitioning=None))
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    name = path.relative_to(root).as_posix()

    def fix(entry):
        for one in entry["files"]["add"]:
            if one["path"] == name:
                one.update(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), bytes=path.stat().st_size)

    seq = next(entry["seq"] for entry in Ledger.read(root).entries if entry["id"] in name)
    rewrite_entry(root, seq, fix)


def without_witness(root):
    witness.path_of(Ledger.read(root).archive_id).unlink()


def test_a_sound_archive_has_no_findings_at_any_level(root):
    for level in ("quick", "default", "deep"):
        assert kinds(root, level) == set()


def test_every_flipped_byte_of_a_file_is_found(root):
    path = parquet(root)
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), max(1, len(data) // 40)):
        changed = bytearray(data)
        changed[at] ^= 0x10
        path.write_bytes(changed)
        assert kinds(root) == {"file-changed"}
    path.write_bytes(data)
    assert kinds(root) == set()


def test_truncation_is_found_by_size_alone(root):
    path = parquet(root)
    path.write_bytes(path.read_bytes()[:-1])
    assert kinds(root, "quick") == {"file-size"}


def test_deletion_is_found(root):
    parquet(root).unlink()
    assert kinds(root, "quick") == {"file-missing"}


def test_swapped_files_are_found(root):
    one, other = parquet(root, 0), parquet(root, 1)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    assert kinds(root) & {"file-changed", "file-size"}


def test_an_inserted_file_is_found(root):
    shutil.copy(parquet(root), parquet(root).with_name("20261001T000000Z-00000000-1.parquet"))
    assert kinds(root, "quick") == {"file-unknown"}
    (root / "ledger" / "notes.txt").write_text("x")
    assert kinds(root, "quick") == {"file-unknown"}


def test_what_is_no_file_is_found_like_an_inserted_one(root):
    os.mkfifo(parquet(root).with_name("pipe"))
    (finding,) = verify(root, level="quick").findings
    assert (finding.kind, finding.found) == ("file-unknown", "no plain file")


def test_a_symbolic_link_is_found(root):
    path = parquet(root)
    moved = root.parent / "elsewhere.parquet"
    shutil.move(path, moved)
    path.symlink_to(moved)
    assert {"file-missing", "link"} <= kinds(root, "quick")


def test_an_edited_entry_is_found(root):
    path = entry_path(root, 2)
    path.write_bytes(path.read_bytes().replace(b'"new":10', b'"new":11'))
    assert {"chain-broken", "entry-replaced"} <= kinds(root, "quick")


def test_reordered_entries_are_found(root):
    two, three = entry_path(root, 2), entry_path(root, 3)
    data = two.read_bytes()
    two.write_bytes(three.read_bytes())
    three.write_bytes(data)
    assert {"entry-misplaced", "chain-broken"} <= kinds(root, "quick")


def places(value, place=()):
    """Every place in an entry, one of each list."""
    if place:
        yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*place, key))


GONE = object()
RELIED_ON = (
    "files",
    "added",
    "counts",
    "type",
    "id",
    "at",
    "retracts",
    "deletes",
    "digests",
    "format",
    "archive_id",
    "source",
)


@pytest.mark.parametrize("kind", ["genesis", "import", "compact", "gc", "retract"])
def test_an_entry_with_anything_in_the_wrong_place_is_a_finding_and_no_crash(root, kind):
    list(compact(root, datetime(2027, 1, 1, tzinfo=UTC)))
    collect_garbage(root)
    retract(root, Ledger.read(root).entries[1]["id"], "a mistake")
    seq = next(entry["seq"] for entry in reversed(Ledger.read(root).entries) if entry["type"] == kind)
    whole = {path: path.read_bytes() for path in (root / "ledger").iterdir()}
    without_witness(root)
    tried = 0
    for place in places(json.loads(entry_path(root, seq).read_bytes())):
        for value in (GONE, None, -1, "../x", [7]) if place[0] in RELIED_ON else ():
            for path, data in whole.items():
                path.write_bytes(data)
            rewrite_entry(root, seq, lambda entry, place=place, value=value: put(entry, place, value))
            kinds(root, "deep")
            with suppress(KubedossierError):
                ledger = Ledger.read(root)
                assert ledger.live() is not None
                assert ledger.removed is not None
                assert ledger.retracted is not None
            tried += 1
    assert tried > 20


def put(value, place, new):
    for key in place[:-1]:
        value = value[key]
    if new is GONE:
        del value[place[-1]]
    else:
        value[place[-1]] = new


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: entry["files"]["add"][0].update(bytes="7"), "Expected `int`, got `str`"),
        (lambda entry: entry["files"]["add"][0].update(path="../../etc/passwd"), "matching regex"),
        (lambda entry: entry["added"].update({"2026-13": {"n": 1, "digest": NO_HASH}}), "matching regex"),
        (lambda entry: entry["added"]["2026-10"].pop("n"), "missing required field `n`"),
        (lambda entry: entry.update(at="yesterday"), "Expected YYYY-MM-DDTHH:MM:SS.ffffffZ, got 'yesterday'"),
        (lambda entry: entry.update(format=2), "written by a newer kubedossier"),
    ],
)
def test_an_entry_that_is_none_is_named_with_what_is_wrong(root, change, said):
    rewrite_entry(root, 2, change)
    found = {one.where: one for one in verify(root, level="quick").findings if one.kind == "entry-unreadable"}
    assert found.keys() == {"ledger/00000002.json"}
    assert said in found["ledger/00000002.json"].found
    assert "chain-broken" not in kinds(root, "quick")  # the entries after it are checked all the same


def test_a_removed_entry_in_the_middle_is_found(root):
    entry_path(root, 2).unlink()
    assert "entry-missing" in kinds(root, "quick")


def test_a_rolled_back_tail_is_found_by_the_witness_and_by_a_known_head(root):
    seq, digest = Ledger.read(root).head
    entry_path(root, seq).unlink()
    assert "rolled-back" in kinds(root, "quick")
    without_witness(root)
    assert "rolled-back" not in kinds(root, "quick")
    assert "rolled-back" in kinds(root, "quick", head=(seq, digest[:16]))


def test_a_restored_backup_is_refused_until_it_is_accepted_and_the_ledger_tells_of_it(root):
    head = Ledger.read(root).head
    for file in Ledger.read(root).live() + Ledger.read(root).live("rejects"):
        if file.snapshot == Ledger.read(root).entries[-1]["id"]:
            (root / file.path).unlink()
    entry_path(root, head[0]).unlink()
    with pytest.raises(IntegrityError, match="not the one this machine wrote"):
        Intake(root, kind="import")
    with Writer(root, accept_rollback=True) as writer:
        entry = writer.record_rollback()
    assert entry["rollback"] == {"seen": {"seq": head[0], "sha256": head[1]}, "accepted": head[0] - 1}
    assert kinds(root) == set()
    with Intake(root, kind="import") as intake:
        intake.add([Record(raw(number)) for number in range(20, 30)])
        assert intake.commit({}).new == 10
    assert kinds(root, "deep") == set()
    assert "entry-replaced" in kinds(root, "quick", head=head)


def test_a_rollback_is_accepted_where_another_machine_wrote_what_came_between(root):
    ledger = Ledger.read(root)
    path = witness.path_of(ledger.archive_id)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[-1])  # this machine saw the first entry and the fourth alone
    for entry in ledger.entries[2:]:
        for one in entry["files"]["add"]:
            (root / one["path"]).unlink()
        entry_path(root, entry["seq"]).unlink()
    assert kinds(root) == {"rolled-back"}
    with Writer(root, accept_rollback=True) as writer:
        assert writer.record_rollback()["rollback"]["accepted"] == 2
    assert kinds(root) == set()
    assert witness.heads(ledger.archive_id).keys() == {1, 2, 3}


def test_a_sound_archive_has_no_rollback_to_accept(root):
    with Writer(root, accept_rollback=True) as writer, pytest.raises(KubedossierError, match="no rollback"):
        writer.record_rollback()


def test_a_rewritten_chain_is_found_by_the_witness_and_by_a_known_head(root):
    head = Ledger.read(root).head
    rewrite_entry(root, 2, lambda entry: entry.update(actor="somebody else"))
    assert kinds(root, "quick") == {"entry-replaced"}
    without_witness(root)
    assert kinds(root, "quick") == set()
    assert kinds(root, "quick", head=head) == {"entry-replaced"}


def altered_text(table):
    raws = table["raw"].to_pylist()
    raws[0] = raws[0].replace("event", "evenT")
    return table.set_column(table.schema.get_field_index("raw"), table.schema.field("raw"), pa.array(raws))


def altered_user(table):
    users = pa.array(["mallory", *table["user"].to_pylist()[1:]], pa.string())
    return table.set_column(table.schema.get_field_index("user"), table.schema.field("user"), users)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (altered_text, {"digest", "event-altered"}),
        (altered_user, {"event-altered"}),
        (lambda table: table.slice(1), {"digest", "file-range", "file-rows"}),
        (lambda table: table.drop_columns(["flags"]), {"digest", "schema"}),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), {"digest", "file-rows", "event-repeated"}),
    ],
    ids=["raw altered", "column altered", "event removed", "column removed", "event repeated"],
)
def test_altered_events_are_found_even_when_everything_was_hashed_again(root, change, expected):
    rewrite_parquet(root, parquet(root), change)
    without_witness(root)
    assert kinds(root) == set()
    assert kinds(root, "deep") == expected


def test_an_event_moved_between_snapshots_is_found_even_when_hashed_again(root):
    one, other = parquet(root, 0), parquet(root, 1)
    moved = pq.read_table(one, partitioning=None).slice(0, 1)
    snapshots = pq.read_table(other, partitioning=None)["snapshot"].slice(0, 1)
    moved = moved.set_column(moved.schema.get_field_index("snapshot"), moved.schema.field("snapshot"), snapshots)
    rewrite_parquet(root, one, lambda table: table.slice(1))
    rewrite_parquet(root, other, lambda table: pa.concat_tables([table, moved]))
    without_witness(root)
    assert kinds(root) == set()
    assert kinds(root, "deep") == {"digest", "file-range", "file-rows"}


def test_a_month_that_was_taken_out_of_the_list_is_found_even_when_hashed_again(root):
    for seq, entry in enumerate(Ledger.read(root).entries, 1):
        for one in entry.get("files", {}).get("add", ()):
            if one["role"] == "events":
                (root / one["path"]).unlink()
                rewrite_entry(root, seq, lambda entry: entry["files"]["add"].pop(0))
    without_witness(root)
    assert kinds(root) == set()
    assert kinds(root, "deep") == {"digest"}


def test_rejects_that_were_taken_out_of_the_list_are_found_even_when_hashed_again(root):
    (file,) = Ledger.read(root).live("rejects")[:1]
    (root / file.path).unlink()
    rewrite_entry(root, 2, lambda entry: entry["files"]["add"].pop())
    without_witness(root)
    assert kinds(root) == set()
    assert kinds(root, "deep") == {"digest"}


def test_events_of_another_month_and_of_a_snapshot_nobody_knows_are_found_even_when_hashed_again(root):
    def moved(entry):
        # As if all of it were of September, and said so everywhere.
        one = entry["files"]["add"][0]
        target = one["path"].replace("2026-10", "2026-09")
        (root / target).parent.mkdir(exist_ok=True)
        (root / one["path"]).rename(root / target)
        one.update(path=target, month="2026-09")
        entry["added"] = {"2026-09": entry["added"]["2026-10"]}

    rewrite_entry(root, 2, moved)
    without_witness(root)
    assert kinds(root) == set()
    assert kinds(root, "deep") == {"event-misplaced"}
    rewrite_entry(root, 3, lambda entry: entry.update(id="20261001T000000Z-00000000", added={}))
    assert kinds(root) == set()
    found = [one for one in verify(root, level="deep", recheck=recheck_events).findings if one.kind == "digest"]
    assert "a snapshot the ledger knows" in {one.expected for one in found}


def test_a_file_that_a_staged_entry_names_is_left_to_the_next_writer_and_another_of_its_name_is_not(root):
    stranger = root / "events" / "month=2026-10" / "x.parquet"
    stranger.write_bytes(b"1234")
    for size, expected in ((4, set()), (5, {"file-unknown"})):
        one = {"path": "events/month=2026-10/x.parquet", "bytes": size, "sha256": NO_HASH}
        (root / "tmp" / "entry-00000005-x").write_text(json.dumps({"files": {"add": [one]}}))
        assert kinds(root, "quick") == expected


def test_a_file_that_only_a_staged_entry_names_is_told_and_is_a_finding_where_it_is_not_what_that_names(root):
    name = "events/month=2026-10/x.parquet"
    (root / name).write_bytes(b"1234")
    one = {"path": name, "bytes": 4, "sha256": NO_HASH}
    staged = root / "tmp" / "entry-00000005-x"
    for level in ("default", "deep"):
        staged.write_text(json.dumps({"files": {"add": [one]}}))
        assert kinds(root, level) == {"file-unknown"}
        staged.write_text(json.dumps({"files": {"add": [one | {"sha256": hashlib.sha256(b"1234").hexdigest()}]}}))
        verdict = verify(root, level=level, recheck=recheck_events)
        assert (verdict.findings, verdict.unfinished) == ((), (name,))
    with Writer(root):
        assert not (root / name).exists()
    assert verify(root).unfinished == ()


def test_the_first_digits_of_a_known_head_are_enough_and_others_are_found(root):
    seq, digest = Ledger.read(root).head
    assert kinds(root, "quick", head=(seq, digest[:8])) == set()
    assert kinds(root, "quick", head=(seq, digest[1:9])) == {"entry-replaced"}


@pytest.mark.parametrize("change", [{"incomplete": 3}, {"max_time": "2026-10-02T00:00:00.000000Z"}, {"min_time": None}])
def test_facts_that_let_questions_leave_a_file_out_are_held_against_it(root, change):
    rewrite_entry(root, 2, lambda entry: entry["files"]["add"][0].update(change))
    without_witness(root)
    assert kinds(root) == set()
    assert kinds(root, "deep") == {"file-range"}


def test_an_altered_reject_is_found_even_when_everything_was_hashed_again(root):
    (file,) = Ledger.read(root).live("rejects")[:1]
    rejects = [replace(one, raw=b"OOPS") for one in read_rejects(root, file)]
    data = compress([one.line() for one in rejects])
    (root / file.path).write_bytes(data)

    def fix(entry):
        entry["files"]["add"][-1].update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    rewrite_entry(root, 2, fix)
    without_witness(root)
    assert kinds(root) == set()
    assert kinds(root, "deep") == {"digest"}


def test_an_event_that_was_later_than_its_receipt_is_derived_with_that_flag(archive_path):
    with Intake(archive_path, kind="import") as intake:
        intake.add([Record(b'{"time":"2099-01-01T00:00:00Z","verb":"get"}'), Record(raw(1))])
        intake.commit({})
    (flags,) = [one for one in pq.read_table(parquet(archive_path, 1), partitioning=None)["flags"].to_pylist() if one]
    assert flags == ["time_after_receipt"]
    assert kinds(archive_path, "deep") == set()


def test_what_rules_of_another_version_said_is_no_alteration(archive_path):
    put_in_force(OwnRules(off=("secrets",)))
    secret = b'{"auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"jane"},"level":"Metadata",'
    secret += b'"objectRef":{"resource":"secrets","namespace":"n","name":"s"},"responseStatus":{"code":200}}'
    with Intake(archive_path, kind="import") as intake:
        intake.add([Record(secret)])
        intake.commit({})
    put_in_force(OwnRules())
    assert kinds(archive_path, "deep") == set()


def test_a_changed_reject_is_found(root):
    path = next((root / "rejects").iterdir())
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    assert kinds(root) == {"file-changed"}


def test_no_archive_is_told(tmp_path):
    with pytest.raises(StorageError, match="no archive"):
        verify(tmp_path / "nowhere")
