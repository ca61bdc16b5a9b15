"""Foreign SQL reads the views and nothing else: no file inside or outside the archive, no setting, no extension."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.views import Scope

EVENT = b'{"time":"2026-10-05T00:00:00Z","verb":"get","user":{"username":"alice"},"cluster":"prod"}'
ATTACKS = {
    "copy out": "copy (select 1) to '{out}'",
    "copy over an archived file": "copy (select * from events) to '{parquet}' (format parquet)",
    "copy in a common table": "with x as (copy (select 1 as a) to '{out}') select * from x",
    "copy over an archived file in a common table": "with x as (copy (select 1 a) to '{parquet}') select * from x",
    "explain analyze copy": "explain analyze copy (select 1) to '{out}'",
    "copy from": "create table t (a varchar); copy t from '{secret}'",
    "attach": "attach '{out}' as other",
    "install": "install httpfs",
    "load": "load httpfs",
    "load a file": "load '{out}'",
    "read text": "select * from read_text('{secret}')",
    "read blob": "select * from read_blob('{secret}')",
    "read csv": "select * from read_csv('{secret}')",
    "read json": "select * from read_json('{secret}')",
    "read parquet": "select * from read_parquet('{parquet}')",
    "read an archived file by name": "select * from '{parquet}'",
    "read in a subquery": "select (select content from read_text('{secret}')) from events",
    "read through a macro": "create macro m() as table select * from read_text('{secret}'); select * from m()",
    "read through query": "select * from query('select * from read_text(''{secret}'')')",
    "glob": "select * from glob('{folder}/*')",
    "parquet metadata": "select * from parquet_metadata('{parquet}')",
    "parquet schema": "select * from parquet_schema('{parquet}')",
    "sniff csv": "select * from sniff_csv('{secret}')",
    "getenv": "select getenv('HOME')",
    "export": "export database '{out}'",
    "import": "import database '{folder}'",
    "set": "set enable_external_access = true",
    "set threads": "set threads = 1",
    "unlock": "set lock_configuration = false",
    "reset": "reset lock_configuration",
    "pragma": "pragma enable_external_access = true",
    "profile to a file": "pragma profiling_output = '{out}'",
    "log to a file": "call enable_logging('QueryLog', storage = 'file', storage_config = {{'path': '{out}'}})",
    "keep a secret": "create persistent secret s (type http, bearer_token 'a')",
    "python variables": "select * from secret_frame",
}


@pytest.fixture
def archive(archive_path: Path) -> Archive:
    with Intake(archive_path, kind="snapshot") as intake:
        intake.add([Record(EVENT)])
        intake.commit({})
    return Archive(archive_path)


def files_of(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def attack(archive: Archive, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    parquet = archive.path / archive.ledger.live()[0].path
    names = {"out": tmp_path / "out", "secret": secret, "folder": tmp_path, "parquet": parquet}
    return ATTACKS[request.param].format(**names)


@pytest.mark.parametrize("attack", ATTACKS, indirect=True)
def test_sql_is_refused_with_a_usage_error(archive, attack, tmp_path):
    before = files_of(tmp_path)
    with pytest.raises(UsageError) as caught:
        archive.sql(attack)
    assert "events" in caught.value.hint
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("attack", ATTACKS, indirect=True)
def test_a_connection_refuses_it_too(archive, attack, tmp_path):
    secret_frame = object()
    before = files_of(tmp_path)
    connection = archive.connect()
    with pytest.raises(duckdb.Error):
        connection.execute(attack).fetchall()
    connection.close()
    assert files_of(tmp_path) == before
    assert secret_frame is not None


@pytest.mark.parametrize(
    "text", ["", "select 1; select 2", "insert into events values (1)", "create table t (a int)", "drop view events"]
)
def test_sql_is_one_select(archive, text):
    with pytest.raises(UsageError, match="not one single select"):
        archive.sql(text)


@pytest.mark.parametrize("text", ["selec 1", "select nope from events", "select $unbound"])
def test_sql_that_does_not_work_says_why(archive, text):
    with pytest.raises(UsageError, match="does not work"):
        archive.sql(text)


def test_nothing_is_written_where_the_command_runs(archive, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    archive.query("top_users")
    archive.sql("select * from events order by raw")
    assert list(folder.iterdir()) == []


HEADER = "-- title: T\n-- question: Q?\n-- columns:\n--   content varchar: c\n-- order: content\n-- reads: period\n"


@pytest.mark.parametrize("attack", ATTACKS, indirect=True)
def test_a_users_file_reaches_nothing_either_and_the_error_names_it(archive, attack, tmp_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "sly.sql").write_text(f"{HEADER}-- notes: n\n{attack}\n")
    before = files_of(tmp_path)
    with pytest.raises(UsageError) as caught:
        Archive(archive.path, queries=folder).query("sly")
    assert caught.value.message.startswith(f"{folder}/sly.sql, line 8: ")
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("\n\nselect cluster as content\nfrom events\nwhere nope = 1", "line 12: The SQL does not work"),
        ("select cluster as content\nfrom nowhere", "line 9: The SQL does not work"),
        ("select clutter as content from events", 'Candidate bindings: "cluster"'),
        ("select cluster as content\nfron events x y", "line 9: The SQL does not work"),
        ("select cluster from events", "line 8: the SQL gives the columns cluster; declared are content"),
        ("select 1 as content", "line 8: 'content' is declared as varchar, and the SQL gives int32"),
        ("select count(*) as content from events", "declared as varchar, and the SQL gives bigint"),
    ],
)
def test_a_users_file_is_held_against_its_header(archive, tmp_path, sql, said):
    (tmp_path / "wrong.sql").write_text(f"{HEADER}-- notes: n\n{sql}\n")
    with pytest.raises(UsageError) as caught:
        Archive(archive.path, queries=tmp_path).query("wrong")
    assert caught.value.message.startswith(f"{tmp_path}/wrong.sql, line ")
    assert said in caught.value.message


def test_a_users_file_of_every_type_is_asked_as_ours_are(archive, tmp_path):
    columns = [("a", "varchar"), ("b", "varchar[]"), ("c", "bigint [events]"), ("d", "double [events]")]
    columns += [("e", "boolean"), ("f", "timestamp"), ("g", "date")]
    header = HEADER.replace("--   content varchar: c\n", "".join(f"--   {n} {kind}: x\n" for n, kind in columns))
    sql = 'select "user" as a, techniques as b, 1::bigint as c, 0.5::double as d, true as e, time as f, date as g'
    (tmp_path / "all_types.sql").write_text(f"{header}-- notes: n\n{sql} from events\n")
    mine = Archive(archive.path, queries=str(tmp_path))
    assert list(mine.queries)[-1] == "all_types"
    assert mine.query("all_types", users=["alice"]).rows()[0][:5] == ("alice", [], 1, 0.5, True)
    assert mine.query("all_types", users=["bob"]).is_empty()


def test_a_select_that_takes_longer_than_it_may_is_ended_with_a_usage_error(archive):
    endless = "select sum(a.range * b.range) from range(1000000000) as a, range(1000000000) as b"
    with pytest.raises(UsageError, match=r"took more than 0\.2 seconds") as caught:
        archive._engine.run_foreign(endless, {}, Scope(), seconds=0.2)
    assert "$period_start" in caught.value.hint
