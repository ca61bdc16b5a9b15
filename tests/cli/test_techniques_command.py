"""``kubedossier techniques``: values, rules and what no log can show, as table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from kubedossier.analytics import vocabulary
from kubedossier.analytics.errors import UsageError
from kubedossier.analytics.ingest.techniques import put_in_force
from kubedossier.analytics.own_rules import OwnRules
from kubedossier.cli import cli

OWN = """\
[techniques]
off = ["secrets"]
on = ["job"]

[[techniques.rule]]
id = "till-secrets"
title = "Secret of a till read"
techniques = ["credentialDumping"]
on = ["secrets"]
verbs = ["get"]
names = ["till-*"]
"""
SECRET = (
    '{"auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"ann"},"responseStatus":{"code":200},'
    '"requestReceivedTimestamp":"2026-10-05T10:00:00Z",'
    '"objectRef":{"resource":"secrets","namespace":"shop","name":"till-1"}}\n'
)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["techniques", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_value_is_listed_with_how_it_is_seen():
    rows = list(csv.DictReader(io.StringIO(run("-f", "csv"))))
    assert [row["value"] for row in rows] == list(vocabulary.techniques())
    seen = {row["value"]: row for row in rows}
    assert seen["execIntoContainer"]["attack_id"] == "T1609"
    assert seen["execIntoContainer"]["seen"] == "by a rule"
    assert seen["execIntoContainer"]["rules"] == "exec; debug-container"
    assert seen["webShell"]["seen"] == "never"
    assert seen["networkServiceScanning"]["seen"] == "by many events"
    assert seen["masquerading"]["seen"] == "not by default"
    assert seen["supplyChainCompromise"]["seen"] == "no fitting rule"


def test_rules_are_listed_with_their_state():
    rows = {row["rule"]: row for row in csv.DictReader(io.StringIO(run("--rules", "-f", "csv")))}
    assert rows["exec"]["objects"] == "pods/exec; pods/attach"
    assert rows["job"]["state"] == "off"
    assert rows["aws-auth"]["conditions"] == "names: aws-auth; namespaces: kube-system"
    assert rows["anonymous"]["conditions"] == "when: anonymous"
    assert rows["exec-cloud-metadata"]["conditions"].startswith("command: 169")
    assert rows["scanning"]["state"] == "many events"


def test_json_holds_both_and_names_release_and_version():
    whole = json.loads(run("-f", "json"))
    assert whole["attack_release"].startswith("MITRE ATT&CK Enterprise")
    assert whole["rules_version"] == "1"
    assert len(whole["techniques"]) == len(vocabulary.techniques())
    assert whole["rules"][0]["techniques"] == ["execIntoContainer"]


def test_the_table_fits_and_a_file_gets_the_same_words(tmp_path):
    assert run().splitlines()[0].split()[:2] == ["value", "attack_id"]
    target = tmp_path / "rules.txt"
    assert run("--rules", "-o", str(target)) == ""
    assert "Command run in a container" in target.read_text("utf-8")


@pytest.fixture
def kubedossier(tmp_path, monkeypatch):
    """Runs commands in a folder with an archive whose one event the rules of the release judged."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit.log").write_text(SECRET)

    def command(*arguments: str) -> tuple[str, str]:
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout, result.stderr

    command("import", "audit.log")
    yield command
    put_in_force(OwnRules())


def test_what_a_user_changes_is_listed_as_theirs(kubedossier, tmp_path):
    (tmp_path / "kubedossier.toml").write_text(OWN)
    rules = {
        row["rule"]: row for row in csv.DictReader(io.StringIO(kubedossier("techniques", "--rules", "-f", "csv")[0]))
    }
    assert [rules[one]["state"] for one in ("till-secrets", "secrets", "job", "exec")] == [
        "on (yours)", "off (yours)", "on (yours)", "on",
    ]  # fmt: skip
    assert rules["till-secrets"]["source"] == "kubedossier.toml"
    text, said = kubedossier("techniques", "-f", "json")
    values = {one["value"]: one for one in json.loads(text)["techniques"]}
    assert (values["credentialDumping"]["seen"], values["credentialDumping"]["rules"]) == (
        "by a rule",
        ["till-secrets"],
    )
    assert json.loads(text)["rules_version"].startswith("1+")
    assert json.loads(text)["rules_version"] in said


def test_old_events_are_judged_by_new_rules_once_it_is_confirmed(kubedossier, tmp_path):
    assert kubedossier("techniques", "--rederive")[1].startswith("Nothing to do: rules version 1 judged all")
    (tmp_path / "kubedossier.toml").write_text(OWN)
    entries = len(list((tmp_path / "dossier" / "ledger").iterdir()))
    out, said = kubedossier("techniques", "--rederive")
    version = out.split()[-1]
    assert out == f"2026-10  1 record in 1 file, rules 1 -> {version}\n"
    assert said == "1 record would be judged again; add --yes to do it.\n"
    assert len(list((tmp_path / "dossier" / "ledger").iterdir())) == entries
    asked = ("query", "attack_ids", "--source", "raw", "-f", "csv")
    answer, said = kubedossier(*asked)
    assert "T1552.007" in answer
    assert f"rules version 1; 'kubedossier techniques --rederive' judges all by {version}" in said
    assert kubedossier("techniques", "--rederive", "--yes") == (
        out,
        "1 record judged again; 'kubedossier gc' deletes the files that were replaced.\n",
    )
    answer, said = kubedossier(*asked)
    assert "T1552.007" not in answer
    assert "T1003" in answer
    assert f"Techniques of raw audit logs: rules version {version}." in said
    kubedossier("verify", "--deep")


def test_status_says_what_other_rules_judged_until_it_is_judged_again(kubedossier, tmp_path):
    def said() -> tuple[list[str], dict[str, object]]:
        lines = [line for line in kubedossier("status")[0].splitlines() if line.startswith("Techniques")]
        return lines, json.loads(kubedossier("status", "-f", "json")[0])["judged"]

    assert said()[0] == []
    (tmp_path / "kubedossier.toml").write_text(OWN)
    (line,), judged = said()
    version = judged["version"]
    assert judged | {"records": 1, "months": ["2026-10"], "others": ["1"], "sealed_files": 0} == judged
    assert line == (
        f"Techniques files of 2026-10 with 1 record: judged by rules 1, in force is {version}; "
        "kubedossier techniques --rederive"
    )
    kubedossier("techniques", "--rederive", "--yes")
    assert said() == ([], judged | {"records": 0, "months": [], "others": []})


def test_status_speaks_though_a_file_cannot_be_read(kubedossier, tmp_path):
    (path,) = (tmp_path / "dossier" / "events").rglob("*.parquet")
    path.write_bytes(b"PAR1")
    judged = json.loads(kubedossier("status", "-f", "json", "--period", "2026-01")[0])["judged"]
    assert "cannot be read" in judged["unreadable"]
    assert "Techniques by which rules cannot be told" in kubedossier("status", "--period", "2026-01")[0]


def test_mixed_versions_in_a_period_are_said(kubedossier, tmp_path):
    (tmp_path / "kubedossier.toml").write_text(OWN)
    (tmp_path / "more.log").write_text(SECRET.replace('"a"', '"b"'))
    kubedossier("import", "more.log")
    said = kubedossier("query", "techniques_by_day", "--period", "2026-10")[1]
    assert "Techniques of raw audit logs: rules versions 1, 1+" in said
    sql = "select count(*) as n from events where len(techniques) > 0"
    assert "Techniques of raw audit logs: rules versions 1, 1+" in kubedossier("query", "--sql", sql)[1]
    assert kubedossier("query", "--sql", sql, "--source", "native")[1] == ""
    assert kubedossier("query", "--sql", "select 'techniques' as n from events")[1] == ""


def test_options_of_a_rederivation_are_for_it_alone():
    with pytest.raises(UsageError, match="are for --rederive"):
        run("--yes")
