"""``finding`` as a user meets it: decisions go into the ledger, come out in reports, and settle --fail-on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.cli import cli, diagnostics
from kubedossier.cli.finding import OUTCOMES
from kubedossier.reports import dispositions

PERIOD = "2026-10"
EVENT = {
    "time": "2026-10-05T10:00:00.000Z",
    "verb": "create",
    "user": {"username": "anna@example.com"},
    "resources": "pods/exec",
    "requestURI": "/api/v1/namespaces/shop/pods/web-0/exec",
    "attackTechniques": ["execIntoContainer"],
    "cluster": "prod",
}


@pytest.fixture
def archive(archive_path: Path) -> Path:
    with Intake(archive_path, kind="import") as intake:
        intake.add([Record(json.dumps(EVENT).encode(), "console-json")])
        intake.commit({})
    return archive_path


@pytest.fixture
def run(monkeypatch, capfdbinary, archive):
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["kubedossier", "--archive", str(archive), *arguments])
        code = diagnostics.run(cli)
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return call


def note(run, *more):
    return run("finding", "note", f"{PERIOD}/interactive-access", "--outcome", "accepted", "--reason", "On call", *more)


def test_a_decision_goes_into_the_ledger_and_into_the_report(run, archive):
    before = len(Ledger.read(archive).entries)
    code, out, _ = note(run, "--ticket", "OPS-7", "--expires", "2099-01-01")
    assert (code, out) == (0, f"{PERIOD}/interactive-access  accepted, ledger entry {before + 1}\n")
    entry = Ledger.read(archive).entries[-1]
    assert (entry["type"], entry["finding"]["ticket"], entry["finding"]["rating"]) == ("note", "OPS-7", "review")
    report = json.loads(run("report", "--period", PERIOD, "-f", "json", "-o", "-")[1])
    found = {one["id"]: one["disposition"] for one in report["findings"]}
    assert found[f"{PERIOD}/interactive-access"]["outcome"] == "accepted"
    assert found[f"{PERIOD}/completeness"] is None
    assert "[accepted]" in run("finding", "list", "--period", PERIOD)[1]
    assert run("verify")[0] == 0


def test_a_report_as_of_an_earlier_entry_knows_nothing_of_it(run, archive):
    before = len(Ledger.read(archive).entries)
    note(run)
    report = json.loads(run("report", "--period", PERIOD, "--as-of", str(before), "-f", "json", "-o", "-")[1])
    assert all(one["disposition"] is None for one in report["findings"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("2026-10/nothing", "--outcome", "accepted", "--reason", "x"),
        ("2026-10/anonymous", "--outcome", "accepted", "--reason", "x"),
        ("2026-10/interactive-access", "--outcome", "accepted", "--reason", " "),
        ("2026-10/interactive-access", "--outcome", "accepted", "--reason", "x", "--expires", "soon"),
        ("2026-10/interactive-access", "--outcome", "sure", "--reason", "x"),
        ("nothing", "--outcome", "accepted", "--reason", "x"),
    ],
)
def test_what_cannot_be_decided_leaves_the_ledger_alone(run, archive, arguments):
    before = Ledger.read(archive).head
    assert run("finding", "note", *arguments)[0] == 2
    assert Ledger.read(archive).head == before


def test_fail_on_ends_with_3_until_everything_is_decided(run, archive):
    code, out, err = run("report", "--period", PERIOD, "--fail-on", "exception")
    assert code == 3
    assert Path(out.strip()).is_file()
    assert "undecided: 2026-10/completeness" in err
    for rule in err.split("undecided: ")[1].splitlines()[0].split(", "):
        assert run("finding", "note", rule, "--outcome", "accepted", "--reason", "Known")[0] == 0
    assert run("report", "--period", PERIOD, "--fail-on", "exception")[0] == 0
    assert run("report", "--period", PERIOD, "--fail-on", "review")[0] == 3


def test_the_outcomes_of_the_command_are_those_of_the_report():
    assert OUTCOMES == dispositions.OUTCOMES


def test_the_listed_rules_are_a_configuration_that_changes_nothing_and_shows_what_it_changed(run, tmp_path):
    code, out, _ = run("finding", "rules")
    assert code == 0
    config = tmp_path / "kubedossier.toml"
    config.write_text(out.replace("share = 0.1 ", "share = 0.25 "), "utf-8")
    again = run("--config", str(config), "finding", "rules")[1]
    assert "share = 0.25  # part of all requests, from 0 to 1  [default: 0.1]" in again
    assert len(again.splitlines()) == len(out.splitlines())


def test_findings_are_judged_by_the_configuration(run, tmp_path):
    config = tmp_path / "kubedossier.toml"
    config.write_text('[findings.interactive-access]\nseverity = "off"\n', "utf-8")
    assert f"{PERIOD}/interactive-access" in run("finding", "list", "--period", PERIOD)[1]
    words = ("--config", str(config), "finding", "list", "--period", PERIOD)
    assert f"{PERIOD}/interactive-access" not in run(*words)[1]
    report = ("--config", str(config), "report", "--period", PERIOD, "-f", "json", "-o", "-")
    rules = {one["name"]: one["changed"] for one in json.loads(run(*report)[1])["rules"]}
    assert rules["interactive-access"] == ["turned off, not judged"]
