"""New rules for old months: what the rules say changes, and nothing else does."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import IntegrityError, StorageError
from kubedossier.analytics.ingest import rederive as rederiving
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.recheck import BY_RULES, recheck_events
from kubedossier.analytics.ingest.rederive import outdated, rederive
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.ingest.techniques import put_in_force, rules_version
from kubedossier.analytics.own_rules import OwnRules
from kubedossier.analytics.store.commit import Writer, new_id
from kubedossier.analytics.store.compact import compact
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.analytics.store.retention import collect_garbage
from kubedossier.analytics.store.verify import verify

NO_SECRETS = OwnRules(off=("secrets",))


@pytest.fixture(autouse=True)
def _rules_of_the_release_afterwards():
    yield
    put_in_force(OwnRules())


def raw(number: int, month: int, resource: str = "secrets") -> bytes:
    """Of 2026; months from 13 on are of 2090."""
    year, month_of_year = 2026 if month < 13 else 2090, (month - 1) % 12 + 1
    return json.dumps(
        {
            "auditID": f"{month}-{number}",
            "stage": "ResponseComplete",
            "verb": "get",
            "user": {"username": "ann"},
            "objectRef": {"resource": resource, "namespace": "shop", "name": f"n{number}"},
            "responseStatus": {"code": 200 if number % 2 else 403},
            "requestReceivedTimestamp": f"{year}-{month_of_year:02d}-05T10:00:{number:02d}Z",
        }
    ).encode()


def native(number: int) -> bytes:
    return b'{"time":"2026-09-03T01:00:00.%03dZ","verb":"get","attackTechniques":["webShell"]}' % number


def take(root, *raws: bytes) -> str:
    with Intake(root, kind="import") as intake:
        intake.add([Record(one) for one in raws])
        return intake.commit({}).id


@pytest.fixture
def root(archive_path):
    """September with records of both kinds in two files, October, a month of the Console alone, and an odd clock."""
    take(archive_path, *(raw(number, 9) for number in range(10)), *map(native, range(5)), raw(1, 10), raw(1, 17))
    take(archive_path, *(raw(number, 9, "pods") for number in range(10, 20)))
    take(archive_path, b'{"time":"2026-08-03T01:00:00Z","verb":"get"}', b'{"auditID":"x","verb":"get","stage":"Panic"}')
    return archive_path


def rows(root, *, without=BY_RULES):
    found = []
    for file in sorted(Ledger.read(root).live(), key=lambda one: (one.month, one.min_time is None, one.min_time)):
        table = pq.ParquetFile(root / file.path).read()
        kept = [name for name in table.column_names if name not in without]
        found += table.select(kept).to_pylist()
    return found


def findings(root):
    return verify(root, level="deep", recheck=recheck_events).findings


def derived(root, month):
    sql = "select techniques_derived, rules_version, message, flags from records where month = $month and name = 'n1'"
    return Archive(root).select(sql, {"month": month}).to_pylist()


def test_what_the_rules_say_changes_and_nothing_else_does(root):
    before, head = rows(root), Ledger.read(root).head
    put_in_force(NO_SECRETS)
    assert not findings(root)
    done = list(rederive(root))
    assert [(one.month, one.events, len(one.files), one.versions) for one in done] == [
        ("2026-09", 25, 2, ("1",)),
        ("2026-10", 1, 1, ("1",)),
        ("2090-05", 1, 1, ("1",)),
        ("undated", 1, 1, ("1",)),
    ]
    assert rows(root) == before
    assert not findings(root)
    assert derived(root, "2026-09") == [
        {"techniques_derived": None, "rules_version": rules_version(), "message": None, "flags": None}
    ]
    assert derived(root, "2090-05")[0]["flags"] == ["time_after_receipt"]
    put_in_force(OwnRules())
    assert not findings(root)
    assert Ledger.read(root).head[0] == head[0] + 4


def test_there_and_back_again_is_where_it_was(root):
    everything = rows(root, without=())
    put_in_force(NO_SECRETS)
    list(rederive(root))
    assert rows(root, without=()) != everything
    put_in_force(OwnRules())
    list(rederive(root))
    assert rows(root, without=()) == everything


def test_only_what_other_rules_judged_is_written_again(root):
    assert outdated(Ledger.read(root)) == []
    assert list(rederive(root)) == []
    put_in_force(NO_SECRETS)
    list(rederive(root))
    assert outdated(Ledger.read(root)) == []
    take(root, raw(50, 10))
    assert outdated(Ledger.read(root)) == []
    put_in_force(OwnRules())
    take(root, raw(51, 10))
    assert [(one.month, one.events) for one in outdated(Ledger.read(root))][1] == ("2026-10", 2)


def test_the_ledger_says_by_which_rules_and_what_they_changed(root):
    put_in_force(NO_SECRETS)
    list(rederive(root))
    entry = Ledger.read(root).entries[-1]
    assert entry["type"] == "compact"
    changed = {"off": ["secrets"], "on": [], "rule": []}
    assert entry["rules"] == {"version": rules_version(), "before": ["1"], "own": changed}
    assert [one["n"] for months in entry["digests"].values() for one in months.values()] == [1]
    take(root, raw(52, 10))
    assert Ledger.read(root).entries[-1]["rules"] == {"version": rules_version(), "own": changed}


def test_the_old_files_wait_for_gc_and_the_old_head_can_still_be_read(root):
    head = Ledger.read(root).head[0]
    put_in_force(NO_SECRETS)
    list(rederive(root))
    sql = "select count(*) from events where techniques_derived is not null"
    assert Archive(root, as_of=head).sql(sql).item() == 12
    assert Archive(root).sql(sql).item() == 0
    assert len(collect_garbage(root)) == 5
    assert not findings(root)


def test_a_file_merged_from_rows_of_several_versions_becomes_one_of_one(root):
    put_in_force(NO_SECRETS)
    take(root, raw(60, 9))
    now = datetime(2026, 12, 1, tzinfo=UTC)
    list(compact(root, now))
    merged = {one.month: one for one in outdated(Ledger.read(root))}["2026-09"]
    assert (merged.events, merged.versions) == (26, ("1",))
    list(rederive(root))
    assert outdated(Ledger.read(root)) == []
    assert list(compact(root, now)) == []
    assert not findings(root)


def test_a_sealed_file_is_left_alone(root):
    sealed = next(one.path for one in Ledger.read(root).live() if one.month == "2026-10")
    with Writer(root) as writer:
        writer.append("seal", new_id(datetime.now(UTC)), {"covers": [sealed]})
    put_in_force(NO_SECRETS)
    assert [(one.month, one.sealed, len(one.files)) for one in outdated(Ledger.read(root))][1] == ("2026-10", 1, 0)
    assert "2026-10" not in [one.month for one in rederive(root)]
    assert sealed in Ledger.read(root).files


def test_what_would_change_an_event_is_not_committed(root, monkeypatch):
    head = Ledger.read(root).head
    put_in_force(NO_SECRETS)
    judged = rederiving._judged

    def altered(batch, path):
        made = judged(batch, path)
        return made.set_column(3, "user", made.column("uid"))

    monkeypatch.setattr(rederiving, "_judged", altered)
    with pytest.raises(IntegrityError, match="would have changed events"):
        list(rederive(root))
    assert Ledger.read(root).head == head
    assert not findings(root)


def test_where_a_later_month_fails_the_months_before_are_named(root, monkeypatch):
    put_in_force(NO_SECRETS)
    months = [one.month for one in outdated(Ledger.read(root))]
    same = rederiving._is_same

    def same_at_first(before, after):
        return f"month={months[0]}/" in str(before) and same(before, after)

    monkeypatch.setattr(rederiving, "_is_same", same_at_first)
    with pytest.raises(IntegrityError) as caught:
        list(rederive(root))
    assert caught.value.hint == f"Run 'kubedossier verify --deep'. Judged again before that, and kept: {months[0]}."
    assert not findings(root)


def test_a_file_that_is_not_as_recorded_is_not_read(root):
    file = next(one for one in Ledger.read(root).live() if one.month == "2026-09")
    data = bytearray((root / file.path).read_bytes())
    data[4] ^= 1
    (root / file.path).write_bytes(data)
    put_in_force(NO_SECRETS)
    with pytest.raises(IntegrityError, match="not what the ledger says"):
        list(rederive(root))
    (root / file.path).unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        outdated(Ledger.read(root))


def test_an_answer_says_which_rules_judged_what_it_counts(root):
    def rules(question, **asked):
        return Archive(root).answer(question, **asked).rules

    assert rules("techniques_by_day", source="raw") == ("1",)
    assert rules("techniques_by_day", source="native") == ()
    assert rules("top_users", source="raw") == ()
    put_in_force(NO_SECRETS)
    take(root, raw(53, 10))
    assert rules("techniques_by_day", source="raw", period="2026-09") == ("1",)
    assert rules("techniques_by_day", source="raw", period="2026-10") == ("1", rules_version())
    list(rederive(root))
    assert rules("techniques_by_day", source="all") == (rules_version(),)
