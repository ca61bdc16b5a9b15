"""The views: stages, techniques, filters and types, the same for our SQL, foreign SQL and LazyFrames."""

from __future__ import annotations

import os
from pathlib import Path

import hard_archive
import polars as pl
import pyarrow.parquet as pq
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import IntegrityError, StorageError, UsageError
from kubedossier.analytics.schema import EVENT_SCHEMA
from kubedossier.analytics.store.commit import Writer
from kubedossier.analytics.vocabulary import techniques

COLUMNS = [*EVENT_SCHEMA.names, "month", "techniques", "technique_source", "tactics", "event_blob"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return hard_archive.fill(tmp_path_factory.mktemp("views") / "dossier")


@pytest.fixture
def archive(root: Path) -> Archive:
    return Archive(root)


def users(archive: Archive, view: str, where: str = "true") -> list[tuple[str, str]]:
    sql = f'select "user", stage from {view} where {where} order by "user", stage'
    rows = archive.select(sql, {}).to_pylist()
    assert archive.sql(sql).to_dicts() == rows
    return [(row["user"], row["stage"]) for row in rows]


def test_a_record_is_hidden_by_a_higher_stage_whichever_came_first(archive):
    shown = users(archive, "events", "stage is not null and audit_key is not null and \"user\" = 'erin'")
    assert shown == [("erin", "ResponseComplete"), ("erin", "ResponseComplete"), ("erin", "ResponseStarted")]
    assert len(users(archive, "records", "\"user\" = 'erin'")) == 5


def test_a_record_is_hidden_by_a_higher_stage_in_another_file(archive):
    assert users(archive, "events", "\"user\" = 'straddler'") == [("straddler", "ResponseComplete")]
    assert len(users(archive, "records", "\"user\" = 'straddler'")) == 2


def test_panic_is_higher_than_started(archive):
    assert users(archive, "events", "\"user\" = 'panicker'") == [("panicker", "Panic")]


def test_a_filter_comes_after_the_stages_are_settled(archive):
    table = archive.table("select count(*) as n from events", namespaces=["raw"], source="raw")
    assert table.to_pylist() == [{"n": 6}]


def test_the_views_have_the_documented_columns_even_where_there_is_nothing(archive, tmp_path):
    Writer(tmp_path / "empty").close()
    empty = Archive(tmp_path / "empty")
    for view in ("events", "records"):
        assert archive.sql(f"select * from {view}").columns == COLUMNS
        for sql in (f"select * from {view}", f"select count(*) from {view}"):
            assert empty.sql(sql).schema == archive.sql(sql).schema
            assert empty.select(sql, {}).schema == archive.select(sql, {}).schema
    for view in ("snapshots", "windows", "gaps", "collected", "rejects"):
        assert empty.sql(f"select * from {view}").schema == archive.sql(f"select * from {view}").schema
        assert empty.sql(f"select * from {view}").height == 0
    assert empty.sql("select * from attack_techniques").height == len(techniques())
    assert empty.events().collect().schema == archive.events().collect().schema


def test_our_sql_and_foreign_sql_see_the_same_rows(archive):
    for view in ("events", "records"):
        sql = f"select * from {view} order by event_id"
        assert archive.sql(sql).equals(pl.DataFrame(archive.select(sql, {})).with_columns(_utc()))


def _utc() -> pl.Expr:
    return pl.col("time").dt.replace_time_zone("UTC")


@pytest.mark.parametrize("period", [None, "2026-10", "2026-10-16", "2031"])
def test_the_lazy_frame_is_the_view(archive, period):
    frame = archive.events(period=period).collect().sort("event_id")
    given = {} if period is None else {"period": period}
    view = pl.DataFrame(archive.table("select * from events order by event_id", **given))
    assert frame.equals(view.select(frame.columns))
    assert frame.schema["time"] == pl.Datetime("us", "UTC")


def test_techniques_are_never_null_and_say_where_they_come_from(archive):
    columns = "techniques_native, techniques_derived, techniques, technique_source, tactics"
    for native, derived, shown, source, tactics in archive.sql(f"select {columns} from events").rows():
        assert shown == (native or derived or [])
        assert source == ("native" if native else "derived" if derived else None)
        known = techniques()
        expected = {tactic for one in shown if one in known for tactic in known[one].tactics}
        assert (set(tactics), len(tactics)) == (expected, len(expected))


def test_the_event_blob_is_inside_the_raw_record_or_is_the_raw_record(archive):
    native = archive.sql("select event_blob from events where impersonated_user = 'bob'").item()
    assert '"impersonatedUser":{"username":"bob"}' in native
    raw = archive.sql("select event_blob = raw as same from events where source_format = 'kubernetes-audit'")
    assert raw["same"].all()


@pytest.mark.parametrize(
    ("asked", "column"),
    [
        ({"clusters": ["edge-1", "-edge"]}, "cluster"),
        ({"accounts": ["acct-2"]}, "account"),
        ({"providers": ["digitalocean"]}, "provider"),
        ({"users": ['O\'Brien "the, admin"; drop table events --', "ünïcødé ✓ 用户"]}, '"user"'),
        ({"namespaces": ["ci", "kube-system"]}, "namespace"),
    ],
)
def test_a_filter_lets_exactly_its_values_pass(archive, asked, column):
    every = archive.sql(f"select event_id, {column} as value from events").rows()
    values = next(iter(asked.values()))
    found = archive.table("select event_id from events", **asked).column("event_id").to_pylist()
    assert sorted(found) == sorted(event for event, value in every if value in values)
    assert 0 < len(found) < len(every)
    answer = archive.answer("activity_by_day", source="all", **asked)
    assert sum(answer.frame["events"]) == len(found) - _undated(archive, asked)


def _undated(archive: Archive, asked: dict[str, list[str]]) -> int:
    return archive.table("select 1 as one from events where time is null", **asked).num_rows


def test_a_filter_on_techniques_looks_into_the_list(archive):
    rows = archive.sql("select event_id, techniques from events").rows()
    asked = ["privilegedContainer", "quantumEntanglement"]
    found = archive.table("select event_id from events", techniques=asked).column("event_id").to_pylist()
    assert sorted(found) == sorted(event for event, shown in rows if set(shown) & set(asked))


def test_filters_of_two_kinds_must_both_hold(archive):
    table = archive.table(
        'select distinct "user" from events', clusters=["edge-1"], users=["carol", "alice@example.com"]
    )
    assert table.to_pylist() == [{"user": "carol"}]


def test_a_filter_is_a_list(archive):
    with pytest.raises(UsageError, match="'users' is a list"):
        archive.query("top_users", users="alice")


def test_a_folder_with_pattern_characters_is_read_literally(tmp_path):
    for name in ("[ab]*?", "a"):
        hard_archive.snapshot(
            tmp_path / name, [b'{"time":"2026-10-05T00:00:00Z","user":{"username":"%s"}}' % name.encode()]
        )
    archive = Archive(tmp_path / "[ab]*?")
    assert archive.query("top_users")["user"].to_list() == ["[ab]*?"]
    assert archive.sql('select "user" from events').item() == "[ab]*?"
    assert archive.events().collect()["user"].to_list() == ["[ab]*?"]


def test_files_that_the_ledger_does_not_name_are_not_read(archive_path):
    line = b'{"time":"2026-10-05T00:00:00Z","user":{"username":"known"}}'
    hard_archive.snapshot(archive_path, [line])
    archive = Archive(archive_path)
    known = archive_path / archive.ledger.live()[0].path
    known.with_name("stranger.parquet").write_bytes(known.read_bytes())
    assert archive.sql("select count(*) as n from events").item() == 1
    assert archive.query("top_users")["events"].to_list() == [1]
    assert archive.events().collect().height == 1


def test_a_missing_file_is_a_storage_error(archive_path):
    hard_archive.snapshot(archive_path, [b'{"time":"2026-10-05T00:00:00Z","user":{"username":"known"}}'])
    archive = Archive(archive_path)
    (archive_path / archive.ledger.live()[0].path).unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        archive.query("top_users")
    with pytest.raises(StorageError, match="cannot be read"):
        archive.sql("select * from events")


def test_a_file_of_another_size_or_kind_is_told_before_it_is_read(archive_path):
    hard_archive.snapshot(archive_path, [b'{"time":"2026-10-05T00:00:00Z","user":{"username":"known"}}'])
    path = archive_path / Archive(archive_path).ledger.live()[0].path
    data = path.read_bytes()
    path.write_bytes(data + b"x")
    for ask in (lambda archive: archive.query("top_users"), lambda archive: archive.sql("select * from events")):
        path.unlink()
        path.write_bytes(data + b"x")
        with pytest.raises(IntegrityError, match="is not what the ledger says"):
            ask(Archive(archive_path))
        path.unlink()
        os.mkfifo(path)  # nobody waits for its other end
        with pytest.raises(IntegrityError, match="no plain file"):
            ask(Archive(archive_path))


def test_damage_that_stops_a_question_is_told_as_damage(archive_path):
    hard_archive.snapshot(archive_path, [b'{"time":"2026-10-05T00:00:00Z","user":{"username":"known"}}'])
    path = archive_path / Archive(archive_path).ledger.live()[0].path
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    path.write_bytes(data[:footer] + b"\xff" * 64 + data[footer + 64 :])
    for ask in (lambda archive: archive.query("top_users"), lambda archive: archive.sql("select * from events")):
        with pytest.raises(IntegrityError, match="is not what the ledger says"):
            ask(Archive(archive_path))


def test_only_files_of_the_period_are_opened(archive_path):
    for day in ("2026-08-05", "2026-09-05", "2026-10-05"):
        hard_archive.snapshot(archive_path, [b'{"time":"%sT00:00:00Z","verb":"get"}' % day.encode()])
    archive = Archive(archive_path)
    by_month = {one.month: archive_path / one.path for one in archive.ledger.live()}
    by_month["2026-08"].write_bytes(b"unreadable")
    assert archive.query("top_users", period="2026-10")["previous_events"].to_list() == [1]
    by_month["2026-09"].write_bytes(b"unreadable")
    assert archive.query("activity_by_day", period="2026-10")["events"].sum() == 1
    with pytest.raises(IntegrityError, match="month=2026-09"):
        archive.query("top_users", period="2026-10")


def test_an_archive_can_be_read_from_several_threads(archive):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        digests = set(pool.map(lambda _: archive.answer("top_users", period="2026-10").digest, range(16)))
    assert len(digests) == 1


def test_the_files_are_the_schema_the_views_promise(archive):
    for one in archive.ledger.live():
        assert pq.read_schema(archive.path / one.path).names == EVENT_SCHEMA.names
