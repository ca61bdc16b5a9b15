"""``schedule`` as a user meets it: what is printed, what lies where, and how a run ends."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.store.ledger import Ledger
from kubedossier.cli import cli, diagnostics
from kubedossier.cli.schedule_work import Commands, Stop, period_text
from kubedossier.reports.job_state import Book

EVENT = {
    "time": "2026-10-05T10:00:00.000Z",
    "verb": "create",
    "user": {"username": "anna@example.com"},
    "resources": "pods/exec",
    "requestURI": "/api/v1/namespaces/shop/pods/web-0/exec",
    "attackTechniques": ["execIntoContainer"],
    "cluster": "prod",
    "provider": "aws",
    "accountID": "1",
}
CONFIG = """
[console.prod]
url = "https://127.0.0.1:9"
username = "auditor"

[[job]]
name = "nightly"
run = "snapshot"
console = "prod"
cron = "15 1 * * *"
timezone = "Europe/Berlin"

[[job]]
name = "monthly-report"
run = "report"
cron = "0 6 1 * *"
deliver = [{ directory = "out" }]
"""
NOTHING_FAILS = CONFIG[CONFIG.index('[[job]]\nname = "monthly') :]


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a configuration and an archive; the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "kubedossier.toml").write_text(CONFIG)
    with Intake(tmp_path / "dossier", kind="import") as intake:
        intake.add([Record(json.dumps(EVENT).encode(), "console-json")])
        intake.commit({})
    return tmp_path


@pytest.fixture
def run(monkeypatch, capfd):
    def call(*arguments: str, now: str = "2026-10-15T00:00") -> tuple[int, str, str]:
        moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
        monkeypatch.setattr(Stop, "now", lambda _: moment)
        monkeypatch.setattr("sys.argv", ["kubedossier", *arguments])
        code = diagnostics.run(cli)
        out, err = capfd.readouterr()
        return code, out, err

    return call


def test_nothing_due_prints_nothing(place, run):
    assert run("schedule", "due") == (0, "", "")


def test_a_due_report_is_delivered_and_stands_in_the_ledger(place, run):
    (place / "kubedossier.toml").write_text(NOTHING_FAILS)
    run("schedule", "due")
    code, out, _ = run("schedule", "due", now="2026-11-01T06:00")
    copies = [place / "dossier/reports/2026-10/monthly-2026-10.pdf", place / "out/monthly-2026-10.pdf"]
    first, *paths = out.splitlines()
    assert (code, first) == (0, "monthly-report: report of October 2026, due 2026-11-01 06:00 UTC: done")
    assert [Path(one.strip()) for one in paths] == copies
    entry = Ledger.read(place / "dossier").entries[-1]
    assert {hashlib.sha256(one.read_bytes()).hexdigest() for one in copies} == {entry["file"]["sha256"]}
    assert copies[0].read_bytes().startswith(b"%PDF")
    assert run("verify")[0] == 0
    assert run("schedule", "due", now="2026-11-01T06:01") == (0, "", "")


def test_a_job_delivers_the_formats_of_its_report(place, run):
    (place / "kubedossier.toml").write_text(f'{NOTHING_FAILS}\n[report.monthly]\nformats = ["pdf", "html"]\n')
    run("schedule", "due")
    _, out, _ = run("schedule", "due", now="2026-11-01T06:00")
    names = [Path(one.strip()).name for one in out.splitlines()[1:]]
    assert names == ["monthly-2026-10.pdf", "monthly-2026-10.html"] * 2
    assert (place / "out/monthly-2026-10.html").read_bytes().startswith(b"<!DOCTYPE html>")


def test_the_same_report_can_be_made_again_from_what_the_ledger_says(place, run):
    (place / "kubedossier.toml").write_text(NOTHING_FAILS)
    run("schedule", "due")
    run("schedule", "due", now="2026-11-01T06:00")
    entry = Ledger.read(place / "dossier").entries[-1]
    run("report", "--period", entry["period"]["label"], "--as-of", str(entry["as_of"]["seq"]), "-o", "again.pdf")
    assert hashlib.sha256((place / "again.pdf").read_bytes()).hexdigest() == entry["file"]["sha256"]


def test_a_failure_is_loud_and_has_its_own_exit_code(place, run):
    run("schedule", "due")
    code, out, err = run("schedule", "due", now="2026-10-15T23:15")
    assert code == 2
    assert out == "nightly: snapshot, due 2026-10-15 23:15 UTC: failed\n"
    assert "error: No password for the Console" in err
    assert Book(place / "dossier").read()["nightly"].failures == 1


@pytest.mark.parametrize(
    ("job", "more", "words"),
    [
        ('console = "prod"', "", ["--console", "prod"]),
        ("", "", []),
        ("", '[console.other]\nurl = "https://127.0.0.1:9"\n', ["--all"]),
        ('console = "other"', '[console.other]\nurl = "https://127.0.0.1:9"\n', ["--console", "other"]),
    ],
)
def test_a_snapshot_is_of_the_console_that_is_named_or_of_all(place, run, monkeypatch, job, more, words):
    (place / "kubedossier.toml").write_text(CONFIG.replace('console = "prod"', job) + more)
    called = []
    monkeypatch.setattr(Commands, "_run", lambda _, *given: called.append(given))
    run("schedule", "due")
    run("schedule", "due", now="2026-10-15T23:15")
    assert called == [("snapshot", *words)]


def test_a_failed_report_leaves_nothing_behind(place, run):
    (place / "kubedossier.toml").write_text(NOTHING_FAILS)
    run("schedule", "due")
    (place / "out").rmdir()
    code, _, err = run("schedule", "due", now="2026-11-01T06:00")
    assert code == 7
    assert "no folder" in err
    assert [one.name for one in (place / "dossier").rglob("*.pdf")] == []
    assert [one["type"] for one in Ledger.read(place / "dossier").entries] == ["genesis", "import"]


def test_of_two_failures_the_exit_code_is_the_first_ones_and_both_are_told(place, run):
    run("schedule", "due")
    (place / "out").rmdir()
    code, _, err = run("schedule", "due", now="2026-11-01T06:00")
    assert code == 2
    assert "error: No password" in err
    assert "warning: also: There is no folder" in err


def test_a_second_call_at_the_same_time_does_nothing(place, run):
    with Book(place / "dossier").held():
        assert run("schedule", "due", now="2026-11-01T06:00") == (0, "", "")


def test_the_list_shows_next_and_last_in_utc_and_in_the_jobs_zone(place, run):
    run("schedule", "due")
    run("schedule", "due", now="2026-10-15T23:15")
    code, out, _ = run("schedule", "list", "--count", "1", now="2026-10-24T12:00")
    assert code == 0
    assert out.splitlines() == [
        "nightly  snapshot of prod",
        "  next     2026-10-24 23:15 UTC   2026-10-25 01:15 CEST, Europe/Berlin",
        "  last     2026-10-15 23:15 UTC   2026-10-16 01:15 CEST, Europe/Berlin: failed",
        "           No password for the Console",
        "  failing  1 in a row since 2026-10-15 23:15 UTC",
        "  waiting  2026-10-15 23:15 UTC   2026-10-16 01:15 CEST, Europe/Berlin",
        "monthly-report  report monthly of last-month, to out",
        "  next     2026-11-01 06:00 UTC",
        "  last     never run",
    ]


def test_the_list_is_there_as_data(place, run):
    run("schedule", "due")
    _, out, _ = run("schedule", "list", "-f", "json")
    nightly, monthly = json.loads(out)
    assert nightly["next"] == ["2026-10-15T23:15:00Z", "2026-10-16T23:15:00Z"]
    assert (monthly["run"], monthly["last"], monthly["failures"]) == ("report", None, 0)


def test_without_jobs_it_says_how_to_write_one(place, run):
    (place / "kubedossier.toml").write_text("")
    code, _, err = run("schedule", "list")
    assert code == 2
    assert "[[job]]" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_foreground_cleanly(place, number):
    command = [sys.executable, "-m", "kubedossier", "--config", "kubedossier.toml", "--archive", "dossier"]
    with subprocess.Popen([*command, "schedule", "run"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()
    assert (first, rest) == ("2 jobs; SIGTERM or Ctrl-C ends it.\n", "Stopped.\n")
    assert process.returncode == 0


def test_a_signal_in_the_middle_of_a_delivery_waits_for_its_end():
    stop = Stop()
    seen = []

    def work():
        with stop.shield():
            stop.signalled(15, None)
            seen.append("delivered")
        yield "first"
        yield "second"

    with pytest.raises(KeyboardInterrupt), stop.at_work():
        seen += stop.between(work())
    assert seen == ["delivered", "first"]
    assert stop.wait(0)


def test_a_signal_at_work_ends_it_and_one_in_a_pause_ends_the_pause():
    stop = Stop()
    with pytest.raises(KeyboardInterrupt), stop.at_work():
        stop.signalled(15, None)
    idle = Stop()
    idle.signalled(15, None)
    assert idle.wait(1000)


@pytest.mark.parametrize(
    ("period", "text"),
    [("2026-10", "2026-10"), ("7d", "2026-10-09..2026-10-15"), ("last-month", "2026-09")],
)
def test_a_period_is_given_on_as_the_command_line_takes_it(period, text):
    from kubedossier.analytics.periods import parse_period

    now = datetime(2026, 10, 15, tzinfo=UTC)
    span = parse_period(period, now=now)
    assert period_text(span) == text
    assert parse_period(text, now=now) == span


def test_a_week_is_given_on_as_the_same_days():
    from kubedossier.analytics.periods import parse_period

    span = parse_period("last-week", now=datetime(2026, 10, 15, tzinfo=UTC))
    again = parse_period(period_text(span), now=datetime(2030, 1, 1, tzinfo=UTC))
    assert (again.start, again.end) == (span.start, span.end)
