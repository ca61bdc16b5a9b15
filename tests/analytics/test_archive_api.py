"""`Archive`: what notebooks, reports and commands may rely on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import hard_archive
import polars as pl
import pytest

from kubedossier.analytics import Archive
from kubedossier.analytics.answers import canonical_lines, digest
from kubedossier.analytics.errors import StorageError, UsageError
from kubedossier.analytics.periods import Period
from kubedossier.analytics.store.commit import Writer


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return hard_archive.fill(tmp_path_factory.mktemp("api") / "dossier")


@pytest.fixture
def archive(root: Path) -> Archive:
    return Archive(root)


def test_where_there_is_no_archive_the_error_says_what_makes_one(tmp_path):
    with pytest.raises(StorageError) as caught:
        Archive(tmp_path / "nothing")
    assert "snapshot" in caught.value.hint
    assert not (tmp_path / "nothing").exists()


def test_reading_changes_nothing(archive):
    before = sorted((path, path.stat().st_mtime_ns) for path in archive.path.rglob("*"))
    archive.query("privileged_actions")
    archive.sql("select * from rejects")
    archive.events().collect()
    assert sorted((path, path.stat().st_mtime_ns) for path in archive.path.rglob("*")) == before


def test_an_answer_carries_what_is_needed_to_check_it(archive):
    answer = archive.answer("top_users", period="2026-10", limit=2, users=["carol", "bob", "dave"])
    assert (answer.name, answer.title) == ("top_users", "Top users")
    assert answer.parameters == {
        "period_start": datetime(2026, 10, 1),
        "period_end": datetime(2026, 11, 1),
        "previous_start": datetime(2026, 9, 1),
        "limit": 2,
    }
    assert answer.filters == {"users": ("carol", "bob", "dave")}
    assert [one.name for one in answer.columns] == answer.frame.columns
    assert answer.frame["user"].to_list() == ["carol", "bob"]
    assert "$limit" in answer.sql
    assert not answer.sql.startswith("--")
    assert (answer.source, answer.mixed, answer.undated) == ("native", True, 2)


def test_the_sql_and_parameters_of_an_answer_give_it_again(archive):
    answer = archive.answer("cluster_ranking", period="2026-10", source="all")
    assert archive.sql(answer.sql, **answer.parameters).equals(answer.frame)


def test_timestamps_in_frames_are_utc(archive):
    frame = archive.query("top_users", period="2026-10")
    assert frame.schema["first_time"] == pl.Datetime("us", "UTC")
    assert archive.sql("select time from events limit 1").schema["time"] == pl.Datetime("us", "UTC")


def test_the_digest_tells_answers_apart_and_is_the_documented_one(archive):
    first, again = (archive.answer("top_users", period="2026-10") for _ in range(2))
    assert first.digest == again.digest != archive.answer("top_users", period="2026-10", limit=3).digest
    assert list(canonical_lines(["a", "b"], [(1, "é"), (None, 0.1)])) == [
        b'["a","b"]\n',
        b'[1,"\xc3\xa9"]\n',
        b"[null,0.1]\n",
    ]
    rows = [(datetime(2026, 10, 1, tzinfo=UTC), date(2026, 10, 1), b"\x01", ["x"])]
    assert list(canonical_lines(["t"], rows))[1] == b'["2026-10-01T00:00:00.000000Z","2026-10-01","01",["x"]]\n'
    assert digest([], []) == "37517e5f3dc66819f61f5a7bb8ace1921282415f10551d2defa5c3eb0985b570"


def test_without_a_period_it_is_the_whole_archive_from_its_first_to_its_last_day(archive):
    period = archive.period()
    assert (period.start, period.end) == (datetime(2026, 9, 3, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
    assert period.label == "2026-09-03..2026-11-01"


def test_the_whole_archive_reaches_as_far_as_it_was_collected(archive_path):
    line = b'{"time":"2026-10-05T10:00:00Z","verb":"get"}'
    hard_archive.snapshot(archive_path, [line], collected=hard_archive.moments("10-03..10-08T06"))
    period = Archive(archive_path).period()
    assert (period.start.day, period.end.day) == (3, 9)
    assert Archive(archive_path).query("activity_by_day")["events"].to_list() == [0, 0, 1, 0, 0, 0]


def test_an_archive_without_events_has_an_empty_period(archive_path):
    Writer(archive_path).close()
    period = Archive(archive_path).period()
    assert period.start == period.end
    assert Archive(archive_path).query("activity_by_day").height == 0


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({"period": "2026-10-05"}, datetime(2026, 10, 5), datetime(2026, 10, 6)),
        ({"start": "2026-10-05"}, datetime(2026, 10, 5), datetime(2026, 11, 2)),
        ({"end": date(2026, 10, 5)}, datetime(2026, 9, 3), datetime(2026, 10, 5)),
        (
            {"start": "2026-10-05T12:00:00+02:00", "end": datetime(2026, 10, 6, tzinfo=UTC)},
            datetime(2026, 10, 5, 10),
            datetime(2026, 10, 6),
        ),
    ],
)
def test_a_period_is_read_as_written(archive, asked, first, last):
    period = archive.period(**asked)
    assert (period.start, period.end) == (first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
    assert archive.answer("top_users", **asked).parameters["period_start"] == first


def test_a_period_object_is_taken_as_it_is(archive):
    period = Period(datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 10, 6, tzinfo=UTC), "mine")
    assert archive.answer("top_users", period=period).period is period


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"period": "2026-10", "start": "2026-10-01"}, "at once"),
        ({"start": "soon"}, "'soon' is not a moment"),
        ({"start": "2026-10-05", "end": "2026-10-05"}, "is empty"),
        ({"start": "2026-10-06", "end": "2026-10-05"}, "is empty"),
        ({"period": "October"}, "not a period"),
        ({"source": "both"}, "'both' is not a source"),
        ({"limit": -1}, "not negative"),
        ({"cluster": ["a"]}, "no parameter 'cluster'"),
        ({"period_start": datetime(2026, 1, 1)}, "no parameter 'period_start'"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(archive, asked, said):
    with pytest.raises(UsageError, match=said):
        archive.query("top_users", **asked)


def test_a_misspelt_filter_names_the_nearest(archive):
    with pytest.raises(UsageError) as caught:
        archive.query("top_users", cluster=["a"])
    assert caught.value.hint == "Did you mean 'clusters'?"


def test_a_misspelt_query_names_the_nearest(archive):
    with pytest.raises(UsageError, match="did you mean 'top_users'"):
        archive.query("top_user")


def test_zero_is_no_limit_and_a_limit_holds_for_queries_without_one(archive):
    assert archive.query("top_users", limit=0).height > archive.query("top_users", limit=3).height == 3
    assert archive.query("activity_by_day", limit=3).height == 3


def test_the_source_is_the_only_kind_of_the_period_and_native_where_there_are_both(archive):
    assert archive.answer("top_users", period="2026-10").source == "native"
    assert archive.answer("top_users", period="2026-10-16").source == "raw"
    assert archive.answer("top_users", period="2026-10-05").source == "native"
    assert not archive.answer("top_users", period="2026-10-16").mixed


def test_events_without_a_time_are_in_no_period(archive):
    assert archive.undated == 2
    assert archive.sql("select count(*) from events where month = 'undated'").item() == 2
    assert archive.events().collect()["time"].null_count() == 2
    assert "undated-user" not in archive.query("top_users", limit=0)["user"].to_list()


def test_an_archive_is_read_as_of_an_entry(archive):
    early = Archive(archive.path, as_of=2)
    assert early.head[0] == 2
    assert early.head[1] == archive.ledger.up_to(2).head[1]
    assert early.sql("select count(*) from events").item() == 14
    with pytest.raises(StorageError):
        Archive(archive.path, as_of=99)


def test_a_connection_answers_and_is_the_callers_own(archive):
    with archive.connect() as connection:
        assert connection.execute("select count(*) from events").fetchone() == (36,)
        connection.execute("create temp table mine as select 1")
    assert archive.sql("select count(*) as n from events").item() == 36
