"""Compaction, garbage and retraction: what is asked gets the same answer, and nothing is lost on the way."""

from __future__ import annotations

import errno
import os
import random
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import IntegrityError, StorageError, UsageError
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import recheck_events
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store import compact as compacting
from kubedossier.analytics.store import verify as check
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.store.compact import compact, plan
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.retention import collect_garbage, garbage, retract
from kubedossier.analytics.store.verify import verify

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
CLOSED = datetime(2027, 1, 1, tzinfo=UTC)


def raw(number: int, month: int, day: int) -> bytes:
    return (
        f'{{"time":"2026-{month:02d}-{day:02d}T01:00:00.{number:03d}Z","verb":"get","cluster":"c{number % 3}",'
        f'"user":{{"username":"u{number % 5}"}},"message":"event {number}"}}'
    ).encode()


def take(root, raws) -> str:
    with Intake(root, kind="import") as intake:
        intake.add([Record(one) for one in raws])
        return intake.commit({}).id


def rows(root) -> list[tuple[object, ...]]:
    table = Archive(root).select("select raw, snapshot, month, event_id from records order by raw, snapshot", {})
    return list(zip(*table.to_pydict().values(), strict=True))


@pytest.fixture
def root(archive_path):
    """A closed month, an open one and records without a time, in four imports."""
    for start in range(4):
        closed = [raw(number, 10, number % 28 + 1) for number in range(start * 20, start * 20 + 20)]
        open_ = [raw(number, 11, number % 3 + 8) for number in range(start * 6, start * 6 + 6)]
        take(archive_path, [*closed, *open_, b'{"verb":"undated %d"}' % start])
    return archive_path


def findings(root):
    return verify(root, level="deep", recheck=recheck_events).findings


def test_a_closed_month_becomes_one_file_and_an_open_one_a_file_a_day(root):
    before = rows(root)
    merged = {one.month: (one.files_before, one.files_after) for one in compact(root, NOW)}
    assert merged == {"2026-10": (4, 1), "undated": (4, 1)}
    assert rows(root) == before
    assert not findings(root)
    days = datetime(2026, 11, 20, tzinfo=UTC)
    merged = {one.month: (one.files_before, one.files_after) for one in compact(root, days)}
    assert merged == {"2026-11": (4, 3)}
    for file in Ledger.read(root).live():
        if file.month == "2026-11":
            assert file.min_time.date() == file.max_time.date()
    december = datetime(2026, 12, 5, tzinfo=UTC)
    closed = {one.month: (one.files_before, one.files_after) for one in compact(root, december)}
    assert closed == {"2026-11": (3, 1)}
    assert rows(root) == before
    assert not findings(root)
    assert not list(compact(root, december))


def test_a_day_that_is_not_over_is_left_alone(root):
    month = [merge for merge in plan(Ledger.read(root), datetime(2026, 11, 10, 12, tzinfo=UTC)) if merge.by_day]
    assert month == []


def test_an_import_after_a_compaction_still_knows_every_event(root):
    list(compact(root, NOW))
    with Intake(root, kind="import") as intake:
        intake.add([Record(raw(number, 10, number % 28 + 1)) for number in range(80)])
        receipt = intake.commit({})
    assert (receipt.new, receipt.duplicate) == (0, 80)


def test_rows_of_a_merged_group_are_sorted_by_verb_object_user_and_time(root):
    list(compact(root, NOW))
    (file,) = [one for one in Ledger.read(root).live() if one.month == "2026-10"]
    columns = ["verb", "namespace", "name", "user", "time"]
    table = pq.read_table(root / file.path, columns=columns, partitioning=None)
    found = [tuple((value is None, value) for value in row.values()) for row in table.to_pylist()]
    assert found == sorted(found, key=lambda row: [(empty, "" if empty else str(value)) for empty, value in row])


def test_a_damaged_file_is_not_merged(root):
    file = Ledger.read(root).live()[0]
    path = root / file.path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    before = Ledger.read(root).head
    with pytest.raises(IntegrityError, match="not what the ledger says"):
        list(compact(root, NOW))
    assert Ledger.read(root).head == before


def test_a_merge_that_would_change_an_event_is_not_committed(root, monkeypatch):
    real = compacting._parts

    def losing(batch, by_day):
        for part, some in real(batch, by_day):
            yield part, some.slice(1)

    monkeypatch.setattr(compacting, "_parts", losing)
    before = rows(root)
    with pytest.raises(IntegrityError, match="nothing was committed"):
        list(compact(root, NOW))
    monkeypatch.undo()
    assert rows(root) == before
    assert not findings(root)


def failing(monkeypatch, error, *, after: int, step="digests_of"):
    """Let a step of the merges fail after so many times."""
    below, left = getattr(compacting, step), [after]

    def step_or_error(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise error
        return below(*arguments)

    monkeypatch.setattr(compacting, step, step_or_error)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Quota")])
@pytest.mark.parametrize("months", [(), ("2026-10",), ("2026-10", "2026-11")])
def test_a_compaction_that_fails_says_which_months_were_merged_before(root, monkeypatch, error, months):
    before = rows(root)
    failing(monkeypatch, error, after=2 * len(months))
    merged = []
    with pytest.raises(StorageError) as caught:
        merged += (one.month for one in compact(root, CLOSED))
    kept = [entry for entry in Ledger.read(root).entries if entry["type"] == "compact"]
    assert len(kept) == len(months)
    said = f"Merged before that, and kept: {', '.join(months)}." if months else "The archive is as it was."
    assert caught.value.hint == f"Free some space, then run it again; nothing of this step was committed. {said}"
    monkeypatch.undo()
    assert rows(root) == before
    assert not findings(root)
    assert [one.month for one in compact(root, CLOSED)] == ["2026-10", "2026-11", "undated"][len(months) :]


def test_a_damaged_file_of_a_later_month_says_which_months_were_merged_before(root):
    later = next(one for one in Ledger.read(root).live() if one.month == "2026-11")
    path = root / later.path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError) as caught:
        list(compact(root, CLOSED))
    assert caught.value.hint == "Run 'kubedossier verify'. Merged before that, and kept: 2026-10."


def test_a_deletion_that_fails_says_that_the_next_one_goes_on(root, monkeypatch):
    list(compact(root, NOW))
    left = [3]
    below = os.unlink

    def unlink(path, **more):
        if "events" in str(path):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.EIO, "Input/output error", str(path))
        below(path, **more)

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(StorageError) as caught:
        collect_garbage(root)
    assert caught.value.hint.endswith("run it again; it goes on with what is left of them.")
    monkeypatch.undo()
    assert not findings(root)
    assert len(collect_garbage(root)) == 5
    assert not findings(root)


def test_garbage_is_what_a_compaction_replaced_and_goes_after_a_clean_check(root):
    before = rows(root)
    assert garbage(Ledger.read(root)) == []
    list(compact(root, NOW))
    assert len(garbage(Ledger.read(root))) == 8
    assert len(collect_garbage(root)) == 8
    assert garbage(Ledger.read(root)) == []
    assert rows(root) == before
    assert not findings(root)
    assert collect_garbage(root) == []


@pytest.mark.parametrize("level", ["quick", "default", "deep"])
def test_a_file_that_is_replaced_and_deleted_while_it_is_verified_is_not_missed(root, monkeypatch, level):
    to_come = ["_presence", "changed"]
    at_work = []

    def disturb(name):
        if name not in to_come or at_work:  # gc verifies, too
            return
        at_work.append(name)
        take(root, [raw(len(to_come) + 500, 10, 2)])
        list(compact(root, datetime(2027, 1, 1, tzinfo=UTC)))
        collect_garbage(root)
        to_come.remove(at_work.pop())

    def disturbed(name, below):
        def step(*arguments):
            found = below(*arguments)
            disturb(name)
            return found

        monkeypatch.setattr(check, name, step)

    disturbed("_presence", check._presence)
    disturbed("changed", check.changed)
    assert verify(root, level=level, recheck=recheck_events).findings == ()
    assert to_come == ["changed"] * (level == "quick")


def test_a_file_that_is_really_missing_is_found_however_often_it_is_looked_for(root):
    list(compact(root, NOW))
    path = root / Ledger.read(root).live()[0].path
    path.unlink()
    assert {one.kind for one in verify(root).findings} == {"file-missing"}


def test_no_garbage_is_deleted_while_the_archive_has_findings(root):
    list(compact(root, NOW))
    live = root / Ledger.read(root).live()[0].path
    live.write_bytes(live.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError, match="nothing was deleted"):
        collect_garbage(root)
    assert len(garbage(Ledger.read(root))) == 8


def test_a_changed_file_that_waits_for_deletion_is_found(root):
    list(compact(root, NOW))
    path = root / garbage(Ledger.read(root))[0].path
    path.write_bytes(b"x" * path.stat().st_size)
    assert {one.kind for one in findings(root)} == {"file-changed"}


@pytest.mark.parametrize("merged_before", [False, True], ids=["plain files", "merged files"])
def test_a_retracted_import_is_out_of_all_views_and_may_come_again(archive_path, merged_before):
    kept = take(archive_path, [raw(number, 10, 1) for number in range(10)])
    wrong = take(archive_path, [raw(number, 10, 2) for number in range(10, 15)])
    if merged_before:
        list(compact(archive_path, NOW))
    retract(archive_path, wrong[:20], "wrong cluster")
    assert {one[1] for one in rows(archive_path)} == {kept}
    assert Archive(archive_path).sql("select count(*) from events").item() == 10
    assert Archive(archive_path).events().collect().height == 10
    assert not findings(archive_path)
    again = take(archive_path, [raw(number, 10, 2) for number in range(10, 15)])
    assert {one[1] for one in rows(archive_path)} == {kept, again}
    assert not findings(archive_path)
    list(compact(archive_path, NOW))
    assert {one[1] for one in rows(archive_path)} == {kept, again}
    assert not findings(archive_path)


def test_a_sealed_file_is_never_merged(root):
    sealed = {one.path for one in Ledger.read(root).live() if one.month == "2026-10"}
    with Writer(root) as writer:
        writer.append("seal", "a-seal", {"covers": sorted(sealed)})
    list(compact(root, datetime(2027, 2, 1, tzinfo=UTC)))
    assert sealed <= Ledger.read(root).files.keys()
    assert findings(root) == ()


def test_a_retraction_names_an_import_that_exists_and_a_reason(root):
    with pytest.raises(UsageError, match="no snapshot"):
        retract(root, "nonsense", "why")
    with pytest.raises(UsageError, match="reason"):
        retract(root, Ledger.read(root).entries[1]["id"], " ")
    retract(root, Ledger.read(root).entries[1]["id"], "why")
    with pytest.raises(UsageError, match="already"):
        retract(root, Ledger.read(root).entries[1]["id"], "why")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_any_mix_of_imports_and_compactions_keeps_the_same_events(tmp_path_factory, seed):
    root = tmp_path_factory.mktemp("mix") / "dossier"
    random_ = random.Random(seed)
    raws = [raw(number, random_.choice([9, 10, 11]), number % 9 + 1) for number in range(60)]
    for _ in range(random_.randrange(2, 6)):
        take(root, random_.sample(raws, random_.randrange(5, 40)))
        if random_.random() < 0.5:
            list(compact(root, random_.choice([NOW, datetime(2026, 12, 5, tzinfo=UTC)])))
        if random_.random() < 0.3:
            collect_garbage(root)
    take(root, raws)
    assert [one[0] for one in rows(root)] == sorted(text.decode() for text in raws)
    assert not findings(root)
