"""``kubedossier snapshot`` from the command line, against a served archive over TLS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from kubedossier.analytics.archive import Archive
from kubedossier.analytics.config import ConsoleConfig
from kubedossier.analytics.errors import (
    BusyError,
    IncompleteError,
    IntegrityError,
    KubedossierError,
    SourceError,
    StorageError,
    UsageError,
)
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.serve.app import build_app
from kubedossier.analytics.serve.auth import Access, Account
from kubedossier.analytics.serve.certificates import own_certificate
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.running import running
from kubedossier.cli import cli
from kubedossier.cli.consoles import credentials
from kubedossier.cli.every_console import worst_of

NAMES = ("KUBEDOSSIER_USERNAME", "KUBEDOSSIER_PASSWORD")


def audit(number: int) -> bytes:
    event = {
        "time": f"2026-10-{1 + number // 24:02d}T{number % 24:02d}:00:00Z",
        "verb": "get",
        "user": {"username": f"user-{number % 3}"},
        "cluster": "one",
        "message": f"event {number}",
    }
    return json.dumps(event).encode()


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    """An archive of 200 events, served with a login: base URL and CA."""
    path = tmp_path_factory.mktemp("upstream") / "dossier"
    with Intake(path, kind="import") as intake:
        intake.add([Record(audit(number), "console-json") for number in range(200)])
        intake.commit({})
    tls = own_certificate(tmp_path_factory.mktemp("upstream-tls"))
    with running(build_app(Pages(path), Access((Account("auditor", "geheim"),))), tls=tls) as url:
        yield url, tls.ca


@pytest.fixture
def login(monkeypatch):
    """The right login in the environment."""
    monkeypatch.setenv("KUBEDOSSIER_USERNAME", "auditor")
    monkeypatch.setenv("KUBEDOSSIER_PASSWORD", "geheim")


@pytest.fixture
def snapshot(upstream, archive_path, login):
    """Runs the command; gives click's result, whose exception is the error the command ended with."""
    url, ca = upstream

    def run(*arguments: str, console: str = url, trust: bool = True):
        bundle = ["--ca-bundle", str(ca)] if trust else []
        line = ["--archive", str(archive_path), "snapshot", "--console", console, *bundle, *arguments]
        return CliRunner().invoke(cli, line)

    return run


def count(path: Path) -> int:
    return Archive(path).select("select count(*) as n from events", {}).column("n")[0].as_py()


def test_a_run_ends_with_one_clear_summary(snapshot, upstream, archive_path):
    result = snapshot()
    assert (result.exit_code, result.exception) == (0, None)
    first, second = result.stdout.splitlines()
    assert first == f"{upstream[0]}: 200 received, 200 new, 0 duplicate, 0 rejected"
    assert second.startswith("  collected  2026-10-01 00:00:00 to 20")
    assert count(archive_path) == 200


def test_a_second_run_goes_on_where_the_first_ended(snapshot):
    snapshot("--to", "2026-10-05")
    result = snapshot()
    assert "104 new" in result.stdout  # of 200, 96 came before; 24 are read again
    assert "24 duplicate" in result.stdout
    assert "going on where the last run ended" in result.stderr


def test_a_range_and_filters_are_heeded(snapshot):
    result = snapshot("--from", "2026-10-02", "--to", "2026-10-04T00:00:00Z", "--user", "user-0", "--user", "user-1")
    assert "32 received, 32 new" in result.stdout
    assert "nothing is claimed about completeness" in result.stdout


def test_a_dry_run_writes_nothing(snapshot, archive_path):
    result = snapshot("--dry-run")
    assert result.exit_code == 0
    assert "200 events" in result.stdout
    assert "oldest event  2026-10-01 00:00:00 UTC" in result.stdout
    assert not archive_path.exists()


def test_insecure_is_warned_about_and_recorded(snapshot, archive_path):
    result = snapshot("--insecure", trust=False)
    assert result.exit_code == 0
    assert "warning" in result.stderr
    entry = json.loads((archive_path / "ledger" / "00000002.json").read_text())
    assert entry["source"]["tls"]["verified"] is False


def test_an_untrusted_certificate_leaves_no_archive(snapshot, archive_path):
    result = snapshot(trust=False)
    assert isinstance(result.exception, SourceError)
    assert "--ca-bundle" in result.exception.hint
    assert not archive_path.exists()


def test_a_wrong_password_is_no_riddle(snapshot, monkeypatch):
    monkeypatch.setenv("KUBEDOSSIER_PASSWORD", "falsch")
    result = snapshot()
    assert isinstance(result.exception, SourceError)
    assert "KUBEDOSSIER_PASSWORD" in result.exception.hint
    assert "falsch" not in result.output + result.exception.message


def test_basic_works_too(snapshot, archive_path):
    assert snapshot("--auth", "basic").exit_code == 0
    entry = json.loads((archive_path / "ledger" / "00000002.json").read_text())
    assert entry["source"]["auth"] == "basic"


def test_a_gap_is_exit_code_4(snapshot, monkeypatch):
    from kubedossier.analytics.ingest import pull
    from kubedossier.analytics.ingest.console_coverage import Gap
    from kubedossier.analytics.ingest.console_window import Window

    plain = pull.Pull._fetch_untimed

    def with_gap(self):
        plain(self)
        end = self.outcome.window.end
        self._late_gaps = [Gap(Window(end - 10_000_000, end), "unwindowed")]

    monkeypatch.setattr(pull.Pull, "_fetch_untimed", with_gap)
    result = snapshot()
    assert isinstance(result.exception, IncompleteError)
    assert "events without a time could not be fetched" in result.stdout


def test_a_console_may_be_named_in_the_configuration(upstream, archive_path, login, tmp_path):
    url, ca = upstream
    config = tmp_path / "kubedossier.toml"
    config.write_text(f'[console.prod]\nurl = "{url}"\nca_bundle = "{ca}"\npage_size = 20\n')
    for arguments in ([], ["--console", "prod"]):
        line = ["--archive", str(archive_path), "--config", str(config), "snapshot", *arguments]
        assert CliRunner().invoke(cli, line).exit_code == 0
    entry = json.loads((archive_path / "ledger" / "00000002.json").read_text())
    assert entry["source"]["parameters"]["limit"] == 20


@pytest.fixture
def two_consoles(upstream, login, tmp_path, archive_path, monkeypatch):
    """Runs ``snapshot --all`` with two Consoles in the configuration: the one that is served, and a project of it."""
    url, ca = upstream
    monkeypatch.setenv("KUBEDOSSIER_CONSOLE", "https://elsewhere.example")
    secret = tmp_path / "password"
    secret.write_text("geheim")

    def run(*arguments: str, first: str = "", second: str = ""):
        config = tmp_path / "kubedossier.toml"
        config.write_text(
            f'[console.first]\nurl = "{url}"\nca_bundle = "{ca}"\n{first}\n'
            f'[console.second]\nurl = "{url}"\nca_bundle = "{ca}"\nproject = "p"\n'
            f'username = "auditor"\npassword_file = "{secret}"\n{second}\n'
        )
        line = ["--archive", str(archive_path), "--config", str(config), "snapshot", "--all", *arguments]
        return CliRunner().invoke(cli, line)

    return run


def test_all_takes_every_console_of_the_configuration_each_from_where_it_ended(two_consoles, upstream, archive_path):
    result = two_consoles("--to", "2026-10-05")
    assert (result.exit_code, result.exception) == (0, None)
    assert f"{upstream[0]}: 96 received, 96 new" in result.stdout
    assert f"{upstream[0]}?project=p: 96 received, 0 new, 96 duplicate" in result.stdout
    assert result.stdout.splitlines()[-2:] == ["first   ok", "second  ok"]
    result = two_consoles()
    assert "128 received, 104 new, 24 duplicate" in result.stdout
    assert "128 received, 0 new, 128 duplicate" in result.stdout


@pytest.mark.parametrize("failing", ["first", "second"])
def test_one_console_that_fails_does_not_stop_the_others_and_decides_the_exit_code(two_consoles, archive_path, failing):
    result = two_consoles(**{failing: 'overlap = "a while"'})
    assert isinstance(result.exception, UsageError)
    assert result.exception.message == f"1 of 2 Consoles did not end well: {failing}"
    other = {"first": "second", "second": "first"}[failing]
    ends = dict(line.split(maxsplit=1) for line in result.stdout.splitlines()[-2:])
    assert (ends[other], ends[failing][:12]) == ("ok", "exit code 2:")
    assert count(archive_path) == 200


def test_the_environments_login_is_not_sent_to_a_console_that_has_its_own(two_consoles, monkeypatch):
    monkeypatch.setenv("KUBEDOSSIER_PASSWORD", "of-the-first-only")
    result = two_consoles()
    assert isinstance(result.exception, SourceError)
    assert result.stdout.splitlines()[-1] == "second  ok"


def test_all_and_a_named_console_contradict_each_other(two_consoles):
    assert isinstance(two_consoles("--console", "first").exception, UsageError)


def test_the_worst_failure_decides():
    errors = [IncompleteError("a"), SourceError("b"), UsageError("c"), KubedossierError("d"), BusyError("e")]
    errors += [StorageError("f"), IntegrityError("g")]
    while errors:
        worst = errors.pop()
        assert worst_of([*errors, worst]) is worst
        assert worst_of([worst, *errors]) is worst


def test_without_a_console_it_asks_for_one(archive_path, login, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["--archive", str(archive_path), "snapshot"])
    assert isinstance(result.exception, UsageError)
    assert "--console" in result.exception.hint


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "yesterday"),
        ("--from", "1990-01-01"),
        ("--from", "2026-10-02", "--to", "2026-10-01"),
        ("--from", "2026-10-02", "--from-start"),
        ("--all",),
        ("--overlap", "a day"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(snapshot, arguments):
    assert isinstance(snapshot(*arguments).exception, UsageError)


def test_the_password_may_stand_in_a_file(tmp_path):
    secret = tmp_path / "password"
    secret.write_text("geheim\n")
    named = ConsoleConfig(name="", url="https://c", username="auditor")
    assert credentials(named, {"KUBEDOSSIER_PASSWORD_FILE": str(secret)}).password == "geheim"
    assert credentials(named, {"KUBEDOSSIER_TOKEN": "t"}).token == "t"
    in_config = ConsoleConfig(name="", url="https://c", username="auditor", password_file=secret)
    assert credentials(in_config, {"KUBEDOSSIER_USERNAME": "other"}).username == "other"
    assert credentials(in_config, {}).password == "geheim"


@pytest.mark.parametrize("environ", [{}, {"KUBEDOSSIER_USERNAME": "auditor"}, {"KUBEDOSSIER_PASSWORD": "x"}])
def test_a_missing_login_is_a_usage_error(environ):
    with pytest.raises(UsageError, match="for the Console"):
        credentials(ConsoleConfig(name="", url="https://c"), environ)


def test_a_secret_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "empty").write_text("\n")
    named = ConsoleConfig(name="", url="https://c", username="auditor")
    for name in ("none", "empty"):
        with pytest.raises(UsageError, match=name):
            credentials(named, {"KUBEDOSSIER_PASSWORD_FILE": str(tmp_path / name)})


@pytest.fixture
def keyring(monkeypatch):
    """The package keyring with one password in it, and the errors that it raises; ``fails`` is raised when asked."""
    package, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})
    errors.NoKeyringError = type("NoKeyringError", (errors.KeyringError, RuntimeError), {})
    package.errors, package.fails, package.asked = errors, None, []

    def get_password(service: str, username: str) -> str | None:
        package.asked.append((service, username))
        if package.fails:
            raise package.fails
        return {("kubedossier https://c:8083", "auditor"): "geheim"}.get((service, username))

    package.get_password = get_password
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return package


IN_KEYRING = ConsoleConfig(name="", url="https://c:8083", username="auditor")


def test_the_keyring_is_asked_for_a_password_that_stands_nowhere_else(keyring):
    assert credentials(IN_KEYRING, {}).password == "geheim"
    assert keyring.asked == [("kubedossier https://c:8083", "auditor")]
    assert credentials(IN_KEYRING, {"KUBEDOSSIER_PASSWORD": "other"}).password == "other"
    assert credentials(IN_KEYRING, {"KUBEDOSSIER_TOKEN": "t"}).token == "t"
    assert len(keyring.asked) == 1
    with pytest.raises(UsageError, match="No password"):
        credentials(IN_KEYRING, {"KUBEDOSSIER_USERNAME": "nobody"})


def test_a_machine_without_a_keyring_is_no_error_of_its_own(keyring):
    keyring.fails = keyring.errors.NoKeyringError("no backend")
    with pytest.raises(UsageError, match="No password"):
        credentials(IN_KEYRING, {})


def test_a_keyring_that_is_locked_is_told(keyring):
    keyring.fails = keyring.errors.KeyringError("it is locked")
    with pytest.raises(UsageError, match="of 'auditor': it is locked") as error:
        credentials(IN_KEYRING, {})
    assert "Unlock" in error.value.hint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_arrived_and_exits_with_130(upstream, archive_path, number):
    url, ca = upstream
    environ = os.environ | {"KUBEDOSSIER_USERNAME": "auditor", "KUBEDOSSIER_PASSWORD": "geheim"}
    line = [sys.executable, "-c", _INTERRUPTED, str(int(number))]
    line += ["--archive", str(archive_path), "snapshot", "--console", url, "--ca-bundle", str(ca), "--page-size", "1"]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 130, done.stderr
    assert "gap" in done.stdout
    assert "not read: interrupted" in done.stdout
    assert "everything that was acknowledged is kept" in done.stderr
    assert 0 < count(archive_path) < 200


# The process sends itself the signal after some windows: no other clock is needed.
_INTERRUPTED = """
import os, sys
from kubedossier.analytics.ingest import console_progress
from kubedossier.cli import cli, diagnostics, snapshot

number = int(sys.argv.pop(1))
plain = snapshot._follow

def follow(steps, bar):
    def counted():
        read = 0
        for step in steps:
            yield step
            read += isinstance(step, console_progress.WindowRead) and step.rows > 0
            if read == 3:
                os.kill(os.getpid(), number)
    plain(counted(), bar)

snapshot._follow = follow
sys.exit(diagnostics.run(cli))
"""
