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


def test_a_users_query_file_is_foreign(archive, tmp_path):
    from kubedossier.analytics.catalogue import load

    header = "-- title: T\n-- question: Q?\n-- columns:\n--   content varchar: c\n-- order: content\n"
    text = f"{header}-- reads: period\n-- notes: n\nselect content from read_text('{tmp_path / 'secret.txt'}')\n"
    (tmp_path / "sly.sql").write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(UsageError, match="may read the views only"):
        archive.ask(load(tmp_path)["sly"])
