"""``kubedossier techniques``: values, rules and what no log can show, as table, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

from click.testing import CliRunner

from kubedossier.analytics import vocabulary
from kubedossier.cli import cli


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
