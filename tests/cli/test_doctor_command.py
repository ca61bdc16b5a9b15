"""``kubedossier doctor``: what works, what does not and what to do next; it changes nothing and tells no secret."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from kubedossier.analytics import machine
from kubedossier.analytics.errors import FindingsError
from kubedossier.analytics.ingest.intake import Intake
from kubedossier.analytics.ingest.row import Record
from kubedossier.analytics.serve.app import build_app
from kubedossier.analytics.serve.auth import Access, Account
from kubedossier.analytics.serve.certificates import own_certificate
from kubedossier.analytics.serve.pages import Pages
from kubedossier.analytics.serve.running import running
from kubedossier.analytics.store import witness
from kubedossier.cli import cli
from kubedossier.reports import press, readiness

EVENT = b'{"time":"2026-10-05T10:00:00Z","verb":"get","user":{"username":"ann"},"cluster":"one"}'
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def fill(path: Path) -> None:
    with Intake(path, kind="import") as intake:
        intake.add([Record(EVENT, "console-json")])
        intake.commit({})


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An archive of one event behind the Console's API: base URL and CA."""
    path = tmp_path_factory.mktemp("served") / "dossier"
    fill(path)
    tls = own_certificate(tmp_path_factory.mktemp("served-tls"))
    with running(build_app(Pages(path), Access((Account("auditor", "geheim"),))), tls=tls) as url:
        yield url, tls.ca


@pytest.fixture
def doctor(archive_path, tmp_path, monkeypatch):
    """Runs the command as JSON; gives its checks by name, and the error it ended with."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str):
        result = CliRunner().invoke(cli, ["--archive", str(archive_path), "doctor", "-f", "json", *arguments])
        assert result.exception is None or isinstance(result.exception, FindingsError), result.output
        lines = json.loads(result.stdout)["checks"]
        return {f"{one['about']} {one['check']}".strip(): one for one in lines}, result.exception

    return run


def states(checks):
    return {name: one["state"] for name, one in checks.items()}


def test_a_sound_machine_without_an_archive_passes_and_nothing_is_made(doctor, archive_path):
    checks, error = doctor()
    assert error is None
    assert set(states(checks).values()) <= {"ok", "warning"}
    assert checks["archive"]["found"].startswith("none at")
    assert "WeasyPrint" in checks["PDF renderer"]["found"]
    assert not archive_path.exists()
    assert not witness.path_of("x").parent.exists()


def test_what_is_printed_says_state_finding_and_what_to_do_next(archive_path, monkeypatch):
    usage = SimpleNamespace(free=1024)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage)
    result = CliRunner().invoke(cli, ["--archive", str(archive_path), "doctor", "--offline"])
    assert isinstance(result.exception, FindingsError)
    assert "failed: disk, temporary files" in result.exception.message
    lines = result.stdout.splitlines()
    assert next(line for line in lines if " disk " in line).startswith("\u2717 failed  disk")
    assert any("-> Make room" in line for line in lines)
    assert max(map(len, lines)) <= 100 or str(archive_path) in result.stdout


def test_the_exit_code_of_a_failed_check_is_3():
    assert FindingsError.exit_code == 3
    assert "doctor" in FindingsError.meaning


@pytest.mark.parametrize(
    ("free", "state"), [(machine.LEAST_FREE_BYTES - 1, "failed"), (machine.ENOUGH_FREE_BYTES - 1, "warning")]
)
def test_little_room_is_told(doctor, monkeypatch, free, state):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    checks, _ = doctor()
    assert checks["disk"]["state"] == checks["temporary files"]["state"] == state
    assert "room" in checks["disk"]["next"]


def test_an_archive_is_named_with_its_head_and_witness(doctor, archive_path):
    fill(archive_path)
    checks, _ = doctor()
    assert "head 2:" in checks["archive"]["found"]
    assert states(checks)["witness"] == states(checks)["clock"] == "ok"


def test_a_head_that_was_not_witnessed_here_is_a_warning_and_another_one_fails(doctor, archive_path, tmp_path):
    fill(archive_path)
    path = next(Path(witness.path_of("x")).parent.glob("*.jsonl"))
    text = path.read_text()
    path.unlink()
    assert doctor()[0]["witness"]["state"] == "warning"
    path.write_text(text)
    (archive_path / "ledger" / "00000002.json").unlink()
    assert doctor()[0]["witness"]["state"] == "failed"


def test_a_folder_that_holds_no_sound_ledger_fails(doctor, archive_path):
    fill(archive_path)
    (archive_path / "ledger" / "00000002.json").write_text("{}")
    checks, error = doctor()
    assert checks["archive"]["state"] == "failed"
    assert "archive" in error.message


def test_a_clock_before_the_newest_entry_or_before_this_program_fails(archive_path):
    fill(archive_path)
    for now in (datetime.now(UTC) - timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC)):
        found = {one.topic: one for one in machine.examine(archive_path, now=now)}
        assert found["clock"].state == "failed"
        assert found["clock"].next.startswith("Set the clock")


def test_a_mistake_in_the_configuration_is_a_failed_check(doctor, tmp_path):
    (tmp_path / "kubedossier.toml").write_text("archve = 'x'\n")
    checks, error = doctor()
    assert states(checks) == {"configuration": "failed"}
    assert "archve" in checks["configuration"]["found"]
    assert "configuration" in error.message


MISSING = """
from kubedossier.analytics.errors import KubedossierError
from kubedossier.reports import confinement, render
def fail():
    raise OSError("cannot load library 'libpango-1.0-0'")
def typeset(job):
    try:
        fail()
    except OSError as error:
        raise KubedossierError(f"The PDF needs libraries: {error}", hint=f"On Debian: {render.INSTALL_LINE}")
confinement.child(typeset)
"""


def test_without_the_native_libraries_it_works_and_names_the_line_that_installs_them(doctor, monkeypatch):
    monkeypatch.setattr(press, "PROGRAM", ("-c", MISSING))
    checks, error = doctor()
    assert states(checks)["PDF renderer"] == "failed"
    assert "sudo apt-get install -y libpango-1.0-0" in checks["PDF renderer"]["next"]
    assert "font subsets" not in checks
    assert "PDF renderer" in error.message


def test_a_machine_that_cuts_fonts_otherwise_is_warned_about(monkeypatch, tmp_path):
    found = (("WeasyPrint", "70.0"), (press.CUT_BY, "fontTools 4.60"))
    monkeypatch.setattr(readiness, "libraries", lambda: found)
    checks = {one.topic: one for one in readiness.examine(tmp_path)}
    assert checks["font subsets"].state == "warning"
    assert "other bytes" in checks["font subsets"].found
    assert "libharfbuzz-subset0" in checks["font subsets"].next


def test_fonts_that_are_damaged_fail(monkeypatch, tmp_path):
    folder = tmp_path / "fonts"
    real = readiness.resources.files("kubedossier.reports").joinpath("fonts")
    shutil.copytree(str(real), folder)
    monkeypatch.setattr(readiness.resources, "files", lambda _: tmp_path)
    assert readiness._fonts().state == "ok"
    (folder / "inter-latin-400.ttf").write_bytes(b"<html>")
    assert "'inter-latin-400.ttf' is no font" in readiness._fonts().found
    (folder / "inter-latin-400.ttf").unlink()
    assert readiness._fonts().found == "7 of 8 bundled files are there"


def test_the_newest_report_is_held_against_this_machine(doctor, archive_path, monkeypatch):
    fill(archive_path)
    made = CliRunner().invoke(cli, ["--archive", str(archive_path), "report", "--period", "2026-10"])
    assert made.exit_code == 0, made.output
    checks, _ = doctor()
    assert checks["same bytes"]["state"] == "ok", checks["same bytes"]
    other = tuple((name, "9.9" if name == "Pango" else version) for name, version in press.libraries())
    monkeypatch.setattr(readiness, "libraries", lambda: other)
    found = doctor()[0]["same bytes"]
    assert found["state"] == "warning"
    assert "Pango " in found["found"] and ", here 9.9: made again here it has other bytes" in found["found"]


def test_a_report_that_cannot_be_read_is_no_reason_to_fail(doctor, archive_path):
    fill(archive_path)
    path = archive_path / "reports" / "2026-10" / "monthly.pdf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"%PDF-1.7 and no more")
    assert doctor()[0]["same bytes"]["state"] == "warning"


def test_every_console_of_the_configuration_is_asked(doctor, served, tmp_path, monkeypatch):
    url, ca = served
    (tmp_path / "secret").write_text("geheim")
    (tmp_path / "secret").chmod(0o644)
    (tmp_path / "kubedossier.toml").write_text(
        f"[console.good]\nurl = '{url}'\nusername = 'auditor'\npassword_file = 'secret'\nca_bundle = '{ca}'\n"
        f"[console.bare]\nurl = '{url}'\nca_bundle = '{ca}'\n"
    )
    checks, error = doctor()
    assert checks["Console good secret"]["state"] == "warning"
    assert "chmod 600" in checks["Console good secret"]["next"]
    assert checks["Console good events"]["state"] == "ok"
    assert ": 1 event may be read" in checks["Console good events"]["found"]
    assert checks["Console bare login"]["state"] == "failed"
    assert "Console bare login" in error.message
    assert "geheim" not in json.dumps(checks)
    assert not [name for name in doctor("--offline")[0] if name.startswith("Console")]


def test_a_console_that_is_named_is_asked_alone_and_the_wrong_password_is_not_shown(doctor, served, monkeypatch):
    url, ca = served
    monkeypatch.setenv("KUBEDOSSIER_USERNAME", "auditor")
    monkeypatch.setenv("KUBEDOSSIER_PASSWORD", "daneben")
    checks, error = doctor("--console", url, "--ca-bundle", str(ca))
    assert checks["Console login"]["state"] == "failed"
    assert "Console login" in error.message
    assert "daneben" not in json.dumps(checks)


def test_no_room_for_temporary_files_fails(monkeypatch, archive_path, tmp_path):
    def refuse(**_: object):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(machine.tempfile, "NamedTemporaryFile", refuse)
    found = {one.topic: one for one in machine.examine(archive_path, now=LATER)}
    assert found["temporary files"].state == "failed"
    assert "TMPDIR" in found["temporary files"].next
