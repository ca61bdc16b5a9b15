"""What other tools get: a layer the Navigator reads, events of the OCSF class, a script that DuckDB runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hard_archive import CONSOLE, fill
from jsonschema import Draft202012Validator

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.export.duckdb_script import script
from kubedossier.analytics.export.navigator import ATTACK_VERSION, layer
from kubedossier.analytics.export.ocsf import event, events
from kubedossier.analytics.ingest.techniques import rules_version
from kubedossier.analytics.store.commit import Writer


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        return Archive(fill(tmp_path_factory.mktemp("export it's [1]") / "dossier"))


@pytest.fixture
def empty(archive_path: Path) -> Archive:
    Writer(archive_path).close()
    return Archive(archive_path)


def schema(name: str) -> Draft202012Validator:
    """A schema of what another tool reads; its comment says which document it was written from."""
    found = json.loads((Path(__file__).parent / "schemas" / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found, format_checker=Draft202012Validator.FORMAT_CHECKER)


LAYER, API_ACTIVITY = schema("navigator-layer-4.5"), schema("ocsf-1.3.0-api-activity")


@pytest.mark.parametrize("period", ["2026-10", "2031-02"])
def test_a_layer_is_as_the_navigator_defines_it(archive, period):
    made = layer(archive, period=period)
    assert list(LAYER.iter_errors(made)) == []
    assert made["gradient"]["maxValue"] > made["gradient"]["minValue"]
    assert all(0 < one["score"] <= made["gradient"]["maxValue"] for one in made["techniques"])


def test_the_schema_of_a_layer_refuses_what_the_navigator_would(archive):
    made = layer(archive, period="2026-10")
    wrong = [
        {**made, "versions": {**made["versions"], "layer": "4.4"}},
        {**made, "domain": "mitre-enterprise"},
        {**made, "gradient": {**made["gradient"], "colors": ["#fff"]}},
        {**made, "techniques": [{"score": 1}]},
        {**made, "scores": []},
    ]
    assert all(list(LAYER.iter_errors(one)) for one in wrong)


def test_a_score_is_the_number_of_events_and_an_id_counts_once_an_event(archive):
    scores = {one["techniqueID"]: one["score"] for one in layer(archive, period="2026-10")["techniques"]}
    expected = archive.sql(
        """
        select attack_id, count(distinct event_id) as events
        from (select event_id, unnest(techniques) as value from events
          where time >= '2026-10-01' and time < '2026-11-01' and starts_with(source_format, 'console'))
        join attack_techniques using (value)
        where attack_id like 'T1%'
        group by attack_id
        """
    )
    assert scores == dict(expected.rows())
    assert sum(scores.values()) > 10


def test_a_layer_says_what_it_was_narrowed_to(archive):
    made = layer(archive, period="2026-10", clusters=["prod-eu", "edge-1"])
    assert {"name": "clusters", "value": "prod-eu, edge-1"} in made["metadata"]


def test_a_layer_of_raw_audit_logs_names_the_rules_that_judged_them(archive):
    rules = [one["value"] for one in layer(archive, source="raw")["metadata"] if one["name"].startswith("rules")]
    assert rules == [rules_version()]
    assert not [one for one in layer(archive, source="native")["metadata"] if one["name"].startswith("rules")]


def test_the_layer_names_the_release_of_the_rules():
    text = resources.files("kubedossier.analytics").joinpath("technique_rules.toml").read_text("utf-8")
    assert f'attack_release = "MITRE ATT&CK Enterprise v{ATTACK_VERSION}"' in text


@pytest.fixture(scope="module")
def exported(archive) -> list[dict[str, Any]]:
    return list(events(archive, period="2026-10", source="all"))


def test_every_event_of_the_period_is_exported_once_in_order(archive, exported):
    ids = archive.sql(
        "select lower(hex(event_id)) as id from events where time >= '2026-10-01' and time < '2026-11-01' "
        "order by time, event_id"
    )["id"].to_list()
    assert [one["metadata"]["uid"] for one in exported] == ids


def test_every_event_is_of_the_class(exported):
    assert [error.message for one in exported for error in API_ACTIVITY.iter_errors(one)] == []
    for one in exported:
        assert one["type_uid"] == one["class_uid"] * 100 + one["activity_id"]


def test_the_schema_of_the_class_refuses_what_the_class_does(exported):
    one = next(one for one in exported if "attacks" in one and "resources" in one)
    metadata = one["metadata"]
    wrong = [
        {**one, "severity_id": 7},
        {**one, "src_endpoint": {"ip": "private"}},
        {**one, "resources": [{"type": "pods"}]},
        {**one, "attacks": [{"version": "18"}]},
        {**one, "metadata": {**metadata, "profiles": ["cloud"]}},
        {**one, "metadata": {**metadata, "product": {"name": "Kubernetes"}}},
        {**one, "user": {"name": "ann"}},
        {name: value for name, value in one.items() if name != "api"},
    ]
    assert all(list(API_ACTIVITY.iter_errors(each)) for each in wrong)


def test_no_null_no_empty_object_and_no_raw_text_leaves(exported):
    def leaves(value: Any) -> Any:
        if isinstance(value, dict):
            assert value
            for one in value.values():
                yield from leaves(one)
        elif isinstance(value, list):
            assert value
            for one in value:
                yield from leaves(one)
        else:
            yield value

    found = [leaf for one in exported for leaf in leaves(one)]
    assert not {None, ""} & set(found)
    assert not any("eventBlob" in leaf for leaf in found if isinstance(leaf, str))


def test_an_event_says_what_the_record_says():
    row = {
        "event_id": "ab", "time": datetime(2026, 10, 4, 11, 0, 0, 123456), "verb": "create", "action": "create",
        "user": "alice", "uid": "u-1", "groups": ["a", "b"], "user_kind": "human", "impersonated_user": "bob",
        "decision": "forbid", "status_code": 403, "message": "matched", "source_ips": ["203.0.113.9", "10.0.0.1"],
        "user_agent": "kubectl", "request_uri": "/api/v1/namespaces/shop/pods/web/exec?command=sh", "api_group": "",
        "api_version": "v1", "resource": "pods", "subresource": "exec", "namespace": "shop", "name": "web",
        "cluster": "prod", "account": "1", "provider": "aws", "collections": ["All"], "audit_id": "id",
        "source_format": "audit-json", "techniques": ["execIntoContainer", "exfiltrationGeneral", "new"],
        "rules_version": "1",
    }  # fmt: skip
    made = event(row)
    assert (made["time"], made["activity_name"], made["type_uid"]) == (1791111600123, "Create", 600301)
    assert (made["status"], made["status_code"], made["action_id"]) == ("Failure", "403", 2)
    groups = [{"name": "a"}, {"name": "b"}]
    assert made["actor"]["user"] == {"name": "alice", "uid": "u-1", "type_id": 1, "type": "User", "groups": groups}
    assert made["src_endpoint"] == {"ip": "203.0.113.9", "intermediate_ips": ["10.0.0.1"]}
    url = {"path": "/api/v1/namespaces/shop/pods/web/exec", "query_string": "command=sh"}
    assert made["http_request"] == {"user_agent": "kubectl", "url": url}
    resource = {"type": "pods/exec", "name": "web", "namespace": "shop", "uid": "core/v1/namespaces/shop/pods/web/exec"}
    assert made["resources"] == [resource]
    assert made["cloud"] == {"provider": "aws", "account": {"uid": "1"}}
    assert made["metadata"]["product"] == {"name": "Kubernetes", "vendor_name": "Kubernetes"}
    assert [set(one) - {"version"} for one in made["attacks"]] == [{"technique"}, {"tactic"}]
    assert made["unmapped"]["impersonated_user"] == "bob"
    assert made["unmapped"]["rules_version"] == "1"
    assert made["unmapped"]["techniques"] == ["execIntoContainer", "exfiltrationGeneral", "new"]
    hidden = event({**row, "source_ips": ["private"], "user": None, "uid": None, "provider": None})
    assert hidden["src_endpoint"] == {"name": "private"}
    assert hidden["actor"]["user"]["name"] == "Unknown"
    assert "cloud" not in hidden
    nameless = event({**row, "name": None, "subresource": None})
    assert nameless["resources"] == [{"type": "pods", "namespace": "shop", "uid": "core/v1/namespaces/shop/pods"}]
    for each in (made, hidden, nameless):
        assert list(API_ACTIVITY.iter_errors(each)) == []
    other = event({**row, "action": "approve"})
    assert (other["activity_id"], other["activity_name"], other["type_uid"]) == (99, "approve", 600399)
    assert event({**row, "action": "deletecollection"})["activity_name"] == "Delete"
    assert event({**row, "action": None})["activity_id"] == 0
    unjudged = event({**row, "status_code": None, "decision": "allow"})
    assert (unjudged["status"], unjudged["action_id"]) == ("Unknown", 1)


def test_nothing_to_export_is_nothing(empty):
    assert list(events(empty)) == []
    assert layer(empty)["techniques"] == []


def test_the_script_makes_the_views_in_duckdb_itself(archive):
    connection = duckdb.connect()
    for statement in connection.extract_statements(script(archive)):
        connection.execute(statement)
    for name in ("records", "events", "attack_techniques"):
        text = f"select * from {name} order by all"
        expected = [tuple(row) for row in archive.table(text).to_pylist()]
        assert connection.sql(text).columns == archive.table(text).column_names
        assert len(connection.sql(text).fetchall()) == len(expected) > 0
    digest = "select count(*), sha256(string_agg(hex(event_id), '' order by event_id)) from events"
    assert connection.sql(digest).fetchall() == archive.sql(digest).rows()
    assert "retracted" not in [row[0] for row in connection.sql('select "user" from events').fetchall()]
    kept = connection.sql("select count(*) from duckdb_views() where not temporary and not internal").fetchall()
    assert kept == [(0,)]
    connection.close()


def test_the_script_may_run_twice_and_says_what_it_is_of(archive):
    text = script(archive)
    connection = duckdb.connect()
    for _ in range(2):
        connection.execute(text)
    connection.close()
    assert archive.head[1] in text
    assert CONSOLE not in text


def test_a_script_of_nothing_is_an_error(empty):
    with pytest.raises(UsageError, match="no events yet"):
        script(empty)


def test_the_script_opens_the_archive_in_the_duckdb_command_line(archive, tmp_path):
    program = shutil.which("duckdb")
    if program is None:
        pytest.skip("no duckdb on the PATH (PyPI: duckdb-cli)")
    init = tmp_path / "dossier.sql"
    init.write_text(script(archive), encoding="utf-8")
    before = {path: path.read_bytes() for path in archive.path.rglob("*") if path.is_file()}

    def run(sql: str) -> subprocess.CompletedProcess[str]:
        command = [program, "-init", str(init), "-json", "-c", sql]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)

    counted = run("select count(*) as n from events")
    assert (counted.returncode, json.loads(counted.stdout)) == (
        0,
        [{"n": archive.sql("select count(*) as n from events")["n"].item()}],
    )
    for statement in ("delete from events", "insert into events select * from events", "update records set verb = ''"):
        assert run(statement).returncode != 0
    assert {path: path.read_bytes() for path in archive.path.rglob("*") if path.is_file()} == before
